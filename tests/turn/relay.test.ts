// livekit-client in networks that let one port out and nothing else: the call goes through the built-in TURN server.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Peer, serveBarePage } from "../livekit-web/peer.ts";
import { Authority } from "../support/authority.ts";
import { hears, sees } from "../support/look.ts";
import { alice, bob } from "../support/media.ts";
import { Namespace } from "../support/namespace.ts";
import type { Pages } from "../support/pages.ts";
import { freePorts } from "../support/ports.ts";
import { Stoa } from "../support/stoa.ts";

let pages: Pages;
beforeAll(async () => {
  pages = await serveBarePage();
});
afterAll(() => pages.close());

const relayOnly = { rtcConfig: { iceTransportPolicy: "relay" } };

async function bothWork(one: Peer, other: Peer): Promise<void> {
  for (const peer of [one, other]) {
    await peer.publishCamera({ simulcast: true });
    await peer.publishMicrophone();
  }
  for (const [me, you] of [[one, other], [other, one]] as const) {
    await sees(me.video(you.name), you.who);
    await hears(me.audio(you.name), you.who);
  }
}

async function relays(peer: Peer): Promise<string[]> {
  const routes = await peer.page.evaluate(() => window.peer.ownRoutes());
  expect(routes.length).toBeGreaterThan(0);
  for (const { candidateType } of routes) expect(candidateType).toBe("relay");
  return routes.map(({ relayProtocol }) => relayProtocol ?? "");
}

describe("Chromium behind a firewall", () => {
  let network: Namespace;
  let stoa: Stoa;
  let a: Peer;
  let b: Peer;

  beforeEach(async () => {
    network = Namespace.create();
    stoa = await Stoa.start({ host: "0.0.0.0" });
    const inside = `http://${network.outside}:${pages.port}/`;
    const chromium = { executablePath: network.chromium(), trustedOrigins: [inside.slice(0, -1)] };
    a = await Peer.open(alice, inside, chromium);
    b = await Peer.open(bob, `http://127.0.0.1:${pages.port}/`);
  });
  afterEach(async () => {
    await Promise.all([a?.close(), b?.close()]);
    await stoa?.dispose();
    network?.remove();
  });

  const enter = async () => {
    await a.join(`ws://${network.outside}:${stoa.ports.http}`, await stoa.livekitToken("relay", "Alice"), relayOnly);
    await b.join(stoa.livekitUrl, await stoa.livekitToken("relay", "Bob"), relayOnly);
    await bothWork(a, b);
  };

  it.each(["udp", "tcp"] as const)("talks through TURN over %s alone", async (transport) => {
    const ports = { tcp: [stoa.ports.http], udp: [] as number[] };
    ports[transport].push(stoa.ports.turn);
    network.allowOnly(ports);
    await enter();
    expect(new Set(await relays(a))).toEqual(new Set([transport]));
    await relays(b);
    const metrics = await stoa.metrics();
    expect(Number(/^stoa_turn_relay_sockets (\d+)/m.exec(metrics)?.[1]), "no relay port is opened").toBe(0);
    expect(Number(/^stoa_turn_packets_to_peers_total (\d+)/m.exec(metrics)?.[1])).toBeGreaterThan(100);
  });
});

describe("Chromium behind a firewall that lets TLS out alone", () => {
  let authority: Authority;
  let network: Namespace;
  let stoa: Stoa;
  let a: Peer;
  let b: Peer;
  let tlsPort: number;

  beforeEach(async () => {
    authority = new Authority();
    network = Namespace.create();
    tlsPort = await freePorts(1);
    const { cert, key } = authority.issue("stoa", [`IP:${network.outside}`]);
    stoa = await Stoa.start({
      host: "0.0.0.0",
      config: `[tls]\ncert = "${cert}"\nkey = "${key}"\n`,
      extraArgs: ["--turn-tls-port", `${tlsPort}`],
    });
    const inside = `http://${network.outside}:${pages.port}/`;
    const chromium = { executablePath: network.chromium(authority.home()), trustedOrigins: [inside.slice(0, -1)] };
    a = await Peer.open(alice, inside, chromium);
    b = await Peer.open(bob, `http://127.0.0.1:${pages.port}/`);
  });
  afterEach(async () => {
    await Promise.all([a?.close(), b?.close()]);
    await stoa?.dispose();
    network?.remove();
    authority?.remove();
  });

  const enter = async () => {
    await a.join(`wss://${network.outside}:${stoa.ports.https}`, await stoa.livekitToken("tls", "Alice"), relayOnly);
    await b.join(stoa.livekitUrl, await stoa.livekitToken("tls", "Bob"));
    await bothWork(a, b);
    expect(new Set(await relays(a))).toEqual(new Set(["tls"]));
    return (await a.page.evaluate(() => window.peer.ownRoutes())).map(({ url }) => url ?? "");
  };

  it("talks by the port of the web app, signalling and media", async () => {
    network.allowOnly({ tcp: [stoa.ports.https] });
    for (const url of await enter()) expect(url).toContain(`:${stoa.ports.https}`);
  });

  it("talks by TURN's own TLS port", async () => {
    // Signalling takes a way of its own: the port of plain HTTP.
    network.allowOnly({ tcp: [stoa.ports.http, tlsPort] });
    await a.join(`ws://${network.outside}:${stoa.ports.http}`, await stoa.livekitToken("tls", "Alice"), relayOnly);
    await b.join(stoa.livekitUrl, await stoa.livekitToken("tls", "Bob"));
    await bothWork(a, b);
    for (const { url } of await a.page.evaluate(() => window.peer.ownRoutes())) expect(url).toContain(`:${tlsPort}`);
  });
});
