// Firefox in networks that let one way out and nothing else: the call goes through the built-in TURN server.
import type { Locator } from "playwright-core";
import type { Browser, ElementHandle, Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Peer, serveBarePage } from "../livekit-web/peer.ts";
import { Authority } from "../support/authority.ts";
import { startFirefox } from "../support/firefox.ts";
import { keepsPlaying, sees } from "../support/look.ts";
import { alice } from "../support/media.ts";
import { Namespace } from "../support/namespace.ts";
import type { Pages } from "../support/pages.ts";
import { freePorts } from "../support/ports.ts";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";

describe("Firefox behind a firewall", () => {
  let pages: Pages;
  let authority: Authority;
  let network: Namespace;
  let stoa: Stoa;
  let tlsPort: number;
  let chromium: Peer;
  let firefox: Browser;
  let page: Page;

  beforeAll(async () => {
    pages = await serveBarePage();
    authority = new Authority();
    network = Namespace.create();
    tlsPort = await freePorts(1);
    const { cert, key } = authority.issue("stoa", ["DNS:calls.test"]);
    stoa = await Stoa.start({
      host: "0.0.0.0",
      config: `[tls]\ncert = "${cert}"\nkey = "${key}"\n`,
      extraArgs: ["--turn-tls-port", `${tlsPort}`],
    });
    chromium = await Peer.open(alice, `http://127.0.0.1:${pages.port}/`);
    firefox = await startFirefox({ network, authority: authority.root });
  });
  afterAll(async () => {
    await Promise.all([chromium?.close(), firefox?.close()]);
    await stoa?.dispose();
    network?.remove();
    authority?.remove();
    pages?.close();
  });
  beforeEach(async () => {
    network.allowUdp();
    page = await firefox.newPage();
    await page.goto(`http://${network.outside}:${pages.port}/`);
    await page.waitForFunction(() => window.peer !== undefined);
    await chromium.page.goto(`http://127.0.0.1:${pages.port}/`);
    await chromium.page.waitForFunction(() => window.peer !== undefined);
  });
  afterEach(async () => {
    await page?.close();
  });

  const ways = [
    ["UDP", "udp", () => ({ udp: [stoa.ports.turn], tcp: [stoa.ports.http] })],
    ["TCP", "tcp", () => ({ tcp: [stoa.ports.turn, stoa.ports.http] })],
    ["TLS on TURN's own port", "tls", () => ({ tcp: [tlsPort, stoa.ports.http] })],
    ["TLS on the port of the web app, signalling and all", "tls", () => ({ tcp: [stoa.ports.https] })],
  ] as const;

  it.each(ways)("talks through TURN over %s alone", async (_, transport, ports) => {
    const open: { udp?: number[]; tcp: number[] } = ports();
    network.allowOnly(open);
    const plain = open.tcp.includes(stoa.ports.http);
    const url = plain ? `ws://calls.test:${stoa.ports.http}` : `wss://calls.test:${stoa.ports.https}`;
    const token = await stoa.livekitToken("fox", "Fox");
    await page.evaluate(async (where, who) => {
      await window.peer.join(where, who, { rtcConfig: { iceTransportPolicy: "relay" } });
      await window.peer.publishCamera({ simulcast: true }, { width: 640, height: 480 });
      await window.peer.publishMicrophone();
    }, url, token);
    await chromium.join(stoa.livekitUrl, await stoa.livekitToken("fox", "Alice"));
    await chromium.publishCamera({ simulcast: true });
    await chromium.publishMicrophone();

    const video: ElementHandle | null = await page.waitForSelector('video[data-identity="Alice"]', { timeout: 45_000 });
    // Both drivers evaluate a function over an element alike.
    await sees(video as unknown as Locator, alice);
    const before = await page.evaluate(() => window.peer.sound());
    await until("Firefox to hear Alice", async () => (await page.evaluate(() => window.peer.sound())) > before + 0.001);
    await chromium.video("Fox").waitFor({ state: "visible" });
    await until("Fox's camera to move", () => keepsPlaying(chromium.video("Fox"), 2_000));
    const heard = await chromium.page.evaluate(() => window.peer.sound());
    await until("Alice to hear Fox", async () => (await chromium.page.evaluate(() => window.peer.sound())) > heard + 0.001);

    const routes = await page.evaluate(() => window.peer.ownRoutes());
    expect(routes.length).toBeGreaterThan(0);
    for (const route of routes) expect(route).toMatchObject({ candidateType: "relay", relayProtocol: transport });
  });
});
