// livekit-client in Chromium: publish and subscribe, every codec, simulcast layers, data, mute, screen, duplicate identity.
import { RoomConfiguration } from "livekit-server-sdk";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hears, hearsNothing, keepsPlaying, lookAt, sees } from "../support/look.ts";
import { alice, bob, fakeScreen } from "../support/media.ts";
import type { Pages } from "../support/pages.ts";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import { Peer, serveBarePage, ways } from "./peer.ts";

let pages: Pages;
let stoa: Stoa;
let a: Peer;
let b: Peer;
let room = 0;

/** A new room with two fresh pages in the standing browsers. */
async function meetIn(
  options: Record<string, unknown>,
  forB: Record<string, unknown> = {},
  roomConfig?: RoomConfiguration,
): Promise<string> {
  room += 1;
  const name = `media-${room}`;
  await Promise.all([a.page.close(), b.page.close()]);
  a = await Peer.inside(a.browser, alice, pages.url);
  b = await Peer.inside(b.browser, bob, pages.url);
  await a.join(stoa.livekitUrl, await stoa.livekitToken(name, "Alice", roomConfig), options);
  await b.join(stoa.livekitUrl, await stoa.livekitToken(name, "Bob"), { ...options, ...forB });
  return name;
}

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

describe.each(ways)("livekit-client with $way", ({ path, options }) => {
  it("publishes camera and microphone, which a second page sees and hears", async () => {
    await meetIn(options);
    expect(a.sockets.at(-1)).toBe(path);
    await a.publishCamera({ simulcast: true });
    await a.publishMicrophone();
    await sees(b.video("Alice"), alice);
    await hears(b.audio("Alice"), alice);
    // And the other way, in the same room, by who came second.
    await b.publishMicrophone();
    await b.publishCamera({ simulcast: true });
    await sees(a.video("Bob"), bob);
    await hears(a.audio("Bob"), bob);
    // Who speaks is told to all.
    await until("Alice to be seen speaking", async () =>
      (await b.events("activeSpeakersChanged")).some(({ detail }) => (detail as string[]).includes("Alice")),
    );
  });

  it("sends a latecomer what was published before, and takes away what is unpublished", async () => {
    const name = await meetIn(options);
    await a.publishCamera();
    await a.publishMicrophone();
    const late = await Peer.inside(b.browser, bob, pages.url);
    await late.join(stoa.livekitUrl, await stoa.livekitToken(name, "Late"), options);
    await sees(late.video("Alice"), alice);
    await hears(late.audio("Alice"), alice);
    await a.page.evaluate(() => window.peer.unpublishCamera());
    await late.video("Alice").waitFor({ state: "detached" });
    await a.publishCamera();
    await sees(late.video("Alice"), alice);
    await a.page.evaluate(() => window.peer.leave());
    await late.sawEvent("participantDisconnected", "Alice");
    await late.page.close();
  });

  it("switches simulcast layers with the size of the element", async () => {
    await meetIn(options, { adaptiveStream: true });
    await a.publishCamera({ simulcast: true });
    await sees(b.video("Alice"), alice);
    const width = async () => (await b.streams()).inbound[0]?.width ?? 0;
    const sent = (await a.streams()).outbound.map(({ rid }) => rid).sort();
    expect(sent).toEqual(["f", "h", "q"]);
    for (const [w, h, least, most] of [[160, 90, 160, 320], [1280, 720, 1280, 1280], [480, 270, 480, 640], [1280, 720, 1280, 1280]] as const) {
      await b.page.evaluate(([w, h]) => window.peer.resize("Alice", w, h), [w, h] as const);
      const seen = await until(
        `a width of ${least} to ${most} in an element of ${w}`,
        async () => {
          const now = await width();
          if (now < least || now > most) throw new Error(`${now}`);
          return now;
        },
        { timeout: 45_000 },
      );
      expect(seen).toBeGreaterThanOrEqual(least);
      expect(await keepsPlaying(b.video("Alice"), 2_000)).toBe(true);
    }
    expect((await lookAt(b.video("Alice")))?.width).toBe(1280);
  });

  it.each(["vp8", "h264", "vp9", "av1"])("carries %s, decoded by a second Chromium", async (codec) => {
    await meetIn(options);
    await a.publishCamera({ videoCodec: codec });
    await sees(b.video("Alice"), alice);
    const { inbound } = await b.streams();
    const live = inbound.filter(({ decoded }) => decoded > 0);
    expect(live.map((stream) => stream.codec?.toLowerCase())).toEqual([`video/${codec}`]);
    expect(await keepsPlaying(b.video("Alice"))).toBe(true);
  });

  it("carries a screen with its sound beside the camera", async () => {
    await meetIn(options);
    await a.publishCamera();
    await a.page.evaluate(() => window.peer.publishScreen());
    await sees(b.video("Alice"), alice);
    await until("the screen", async () => {
      const sight = await lookAt(b.video("Alice", "screen_share"));
      return sight !== null && Math.hypot(...sight.colour.map((c, i) => c - (fakeScreen[i] ?? 0))) < 60;
    });
    await hears(b.audio("Alice", "screen_share_audio"), alice);
  });

  it("holds video back and plays it in step with its sound, where that was said of the room", async () => {
    await meetIn(options, {}, new RoomConfiguration({ minPlayoutDelay: 800, maxPlayoutDelay: 2_000, syncStreams: true }));
    await a.publishCamera();
    await a.publishMicrophone();
    await sees(b.video("Alice"), alice);
    await hears(b.audio("Alice"), alice);
    const { camera, microphone } = await b.page.evaluate(() => window.peer.streamsOf("Alice"));
    expect(camera).toMatch(/^PA_[^|]+\|camera$/);
    expect(microphone).toBe(camera);
    await until("the picture to wait", async () => {
      const [video] = (await b.streams()).inbound;
      if ((video?.delay ?? 0) < 0.5) throw new Error(`${video?.delay} s`);
      return true;
    });
    // Elsewhere each is by itself, and nothing waits for long.
    await meetIn(options);
    await a.publishCamera();
    await a.publishMicrophone();
    await sees(b.video("Alice"), alice);
    await hears(b.audio("Alice"), alice);
    const apart = await b.page.evaluate(() => window.peer.streamsOf("Alice"));
    expect(apart.microphone).not.toBe(apart.camera);
    expect((await b.streams()).inbound[0]?.delay).toBeLessThan(0.5);
  });

  it("mutes and unmutes", async () => {
    await meetIn(options);
    await a.publishMicrophone();
    await hears(b.audio("Alice"), alice);
    await a.page.evaluate(() => window.peer.mute(true));
    await b.sawEvent("trackMuted", "Alice");
    await hearsNothing(b.audio("Alice"), alice);
    await a.page.evaluate(() => window.peer.mute(false));
    await b.sawEvent("trackUnmuted", "Alice");
    await hears(b.audio("Alice"), alice);
  });

  it("relays data: reliable in order and whole, lossy, and only to whom it is addressed", async () => {
    await meetIn(options);
    await a.page.evaluate(() => window.peer.send(200, { reliable: true, topic: "small" }));
    await a.page.evaluate(() => window.peer.send(20, { reliable: true, bytes: 60_000, topic: "large" }));
    await a.page.evaluate(() => window.peer.send(50, { reliable: false, topic: "lossy" }));
    await a.page.evaluate(() => window.peer.send(1, { reliable: true, topic: "elsewhere", to: ["Nobody"] }));
    await a.page.evaluate(() => window.peer.send(1, { reliable: true, topic: "last", to: ["Bob"] }));
    const received = () => b.page.evaluate(() => window.peer.data());
    await until("the last packet", async () => (await received()).some(({ topic }) => topic === "last"));
    const all = await received();
    const of = (topic: string) => all.filter((packet) => packet.topic === topic);
    expect(of("small").map(({ first }) => first)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(of("large").map(({ first, bytes }) => [first, bytes])).toEqual(Array.from({ length: 20 }, (_, i) => [i, 60_000]));
    expect(of("lossy").length).toBeGreaterThan(40);
    expect(of("elsewhere")).toEqual([]);
    expect(new Set(all.map(({ from }) => from))).toEqual(new Set(["Alice"]));
    expect(await a.page.evaluate(() => window.peer.data())).toEqual([]);
  });

  it("gives an identity to the newer of two", async () => {
    const name = await meetIn(options);
    const twin = await Peer.inside(b.browser, bob, pages.url);
    await twin.join(stoa.livekitUrl, await stoa.livekitToken(name, "Alice"), options);
    await a.sawEvent("disconnected");
    await twin.publishMicrophone();
    await b.audio("Alice").waitFor({ state: "attached" });
    expect(await b.page.evaluate(() => window.peer.others())).toEqual(["Alice"]);
    await twin.page.close();
  });
});
