// Layers inside one stream: Chromium publishes VP9 and AV1 as L3T3_KEY, another chooses among the three sizes and keeps decoding.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { longestGap, watchFrames } from "../support/gaps.ts";
import { keepsPlaying, sees } from "../support/look.ts";
import { alice, bob } from "../support/media.ts";
import type { Pages } from "../support/pages.ts";
import { Stoa } from "../support/stoa.ts";
import { sleep, until } from "../support/wait.ts";
import { Peer, serveBarePage, ways } from "./peer.ts";

let pages: Pages;
let stoa: Stoa;
let a: Peer;
let b: Peer;

beforeAll(async () => {
  pages = await serveBarePage();
  pages.url = `http://127.0.0.1:${pages.port}/`;
  stoa = await Stoa.start();
  [a, b] = await Promise.all([Peer.open(alice, pages.url), Peer.open(bob, pages.url)]);
});
afterAll(async () => {
  await a?.close();
  await b?.close();
  pages?.close();
  await stoa?.dispose();
});

/** The width of what Bob decodes. */
async function width(): Promise<number> {
  const { inbound } = await b.streams();
  return inbound.find(({ decoded }) => decoded > 0)?.width ?? 0;
}

describe.each(ways)("livekit-client with $way", ({ way, options }) => {
  it.each(["vp9", "av1"])("chooses among the spatial layers of %s", async (codec) => {
    await Promise.all([a.page.close(), b.page.close()]);
    a = await Peer.inside(a.browser, alice, pages.url);
    b = await Peer.inside(b.browser, bob, pages.url);
    const room = `layers ${codec} ${way}`;
    await a.join(stoa.livekitUrl, await stoa.livekitToken(room, "Alice"), options);
    await b.join(stoa.livekitUrl, await stoa.livekitToken(room, "Bob"), options);
    await a.publishCamera({ videoCodec: codec, scalabilityMode: "L3T3_KEY" });
    await sees(b.video("Alice"), alice);
    // A publisher begins with the smallest, and adds the others as its own estimate allows.
    await until("the whole picture", async () => expect(await width()).toBe(1280), { timeout: 60_000 });
    const { outbound } = await a.streams();
    expect(outbound.map(({ scalability }) => scalability)).toEqual(["L3T3_KEY"]);
    await watchFrames(b.video("Alice"));
    for (const [quality, wanted] of [["LOW", 320], ["MEDIUM", 640], ["HIGH", 1280], ["MEDIUM", 640], ["LOW", 320], ["HIGH", 1280]] as const) {
      const began = Date.now();
      await b.page.evaluate((quality) => window.peer.choose("Alice", quality), quality);
      await until(`${quality}: ${wanted} pixels across`, async () => expect(await width()).toBe(wanted), { timeout: 30_000 });
      console.log(`${way}, ${codec}, ${quality}: ${wanted} after ${Date.now() - began} ms`);
      // It stays so, and plays.
      await sleep(2_000);
      expect(await keepsPlaying(b.video("Alice"))).toBe(true);
      expect(await width()).toBe(wanted);
    }
    // What is chosen comes with a keyframe; until then the picture before goes on.
    expect(await longestGap(b.video("Alice"))).toBeLessThan(2_000);
  });
});
