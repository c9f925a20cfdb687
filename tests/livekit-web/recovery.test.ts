// What livekit-client lives through: a cut WebSocket, a restarted server, networks without UDP.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cable, type Cable } from "../support/cable.ts";
import { usualGap } from "../support/gaps.ts";
import { hears, sees } from "../support/look.ts";
import { alice, bob } from "../support/media.ts";
import { Namespace } from "../support/namespace.ts";
import type { Pages } from "../support/pages.ts";
import { Stoa } from "../support/stoa.ts";
import { sleep } from "../support/wait.ts";
import { Peer, serveBarePage, ways } from "./peer.ts";

let pages: Pages;
beforeAll(async () => {
  pages = await serveBarePage();
});
afterAll(() => pages.close());

/** Publishes camera and microphone of each and waits until each sees and hears the other. */
async function talk(one: Peer, other: Peer): Promise<void> {
  for (const peer of [one, other]) {
    await peer.publishCamera({ simulcast: true });
    await peer.publishMicrophone();
  }
  await bothWork(one, other);
}

async function bothWork(one: Peer, other: Peer): Promise<void> {
  for (const [me, you] of [[one, other], [other, one]] as const) {
    await sees(me.video(you.name), you.who);
    await hears(me.audio(you.name), you.who);
  }
}

describe.each(ways)("livekit-client with $way", ({ options }) => {
  let stoa: Stoa;
  let a: Peer;
  let b: Peer;
  let wire: Cable;

  beforeEach(async () => {
    stoa = await Stoa.start();
    wire = await cable(stoa.ports.http);
    const url = `http://127.0.0.1:${pages.port}/`;
    [a, b] = await Promise.all([Peer.open(alice, url), Peer.open(bob, url)]);
    await a.join(`ws://127.0.0.1:${wire.port}`, await stoa.livekitToken("recovery", "Alice"), options);
    await b.join(stoa.livekitUrl, await stoa.livekitToken("recovery", "Bob"), options);
    await talk(a, b);
  });
  afterEach(async () => {
    await Promise.all([a?.close(), b?.close()]);
    wire?.close();
    await stoa?.dispose();
  });

  it("resumes after its WebSocket was cut, and media never stops", async () => {
    const cutAt = Date.now();
    wire.cut();
    await sleep(1_500);
    // While the wire is cut, what Bob publishes anew must reach Alice after the resume.
    await b.page.evaluate(() => window.peer.mute(true));
    wire.mend();
    await a.sawEvent("reconnected");
    await a.sawEvent("trackMuted", "Bob");
    await b.page.evaluate(() => window.peer.mute(false));
    await a.sawEvent("trackUnmuted", "Bob");
    for (const [me, you] of [[a, b], [b, a]] as const) {
      expect(await me.steadyAfter(you.name, cutAt)).toBeLessThan(1_500);
    }
    expect(await b.events("participantDisconnected")).toEqual([]);
    expect(await a.events("disconnected")).toEqual([]);
    await bothWork(a, b);
    // Signalling lives on both ends.
    await a.page.evaluate(() => window.peer.mute(true));
    await b.sawEvent("trackMuted", "Alice");
  });

  it.each(["SIGKILL", "SIGTERM"] as const)("connects anew after stoa was restarted (%s)", async (signal) => {
    await stoa.end(signal);
    await sleep(500);
    await stoa.run();
    const restarted = Date.now();
    await Promise.all([a.sawEvent("reconnected", undefined, 60_000), b.sawEvent("reconnected", undefined, 60_000)]);
    await bothWork(a, b);
    await a.steadyAfter("Bob", restarted, 2_000, 60_000);
  });
});

describe.each(ways)("livekit-client with $way in a network that drops UDP", ({ options }) => {
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
    await a.join(`ws://${network.outside}:${stoa.ports.http}`, await stoa.livekitToken("tcp", "Alice"), options);
    await b.join(stoa.livekitUrl, await stoa.livekitToken("tcp", "Bob"), options);
    await talk(a, b);
  };
  const overTcp = async (peer: Peer) => {
    const routes = await peer.routes();
    expect(routes.length).toBeGreaterThan(0);
    for (const route of routes) expect(route).toEqual({ protocol: "tcp", port: stoa.ports.tcp });
  };

  it("talks over ICE-TCP from the start", async () => {
    network.dropUdp();
    await enter();
    await overTcp(a);
    expect((await b.routes()).map(({ protocol }) => protocol)).not.toContain("tcp");
  });

  it("has media again within 6 s when UDP is lost in the middle", async () => {
    await enter();
    expect((await a.routes()).map(({ protocol }) => protocol)).not.toContain("tcp");
    // A machine that shows a live picture with gaps takes that much longer for every step of the way back.
    const usual = Math.max(...(await Promise.all([usualGap(a.video("Bob")), usualGap(b.video("Alice"))])));
    const lost = Date.now();
    network.dropUdp();
    const [down, up] = await Promise.all([a.steadyAfter("Bob", lost), b.steadyAfter("Alice", lost)]);
    console.log(`media again after ${down} ms downstream, ${up} ms upstream; gaps before it up to ${Math.round(usual)} ms`);
    expect(Math.max(down, up)).toBeLessThan(Math.max(6_000, 20 * usual));
    await bothWork(a, b);
    await overTcp(a);
  });
});
