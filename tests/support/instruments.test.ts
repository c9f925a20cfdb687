// The instruments themselves, over a peer connection inside one page: a test that sees the wrong colour must fail.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Browser, Page } from "playwright-core";
import { openPage, startBrowser } from "./browser.ts";
import { hears, hearsNothing, isColourOf, isToneOf, keepsPlaying, listen, lookAt, sees } from "./look.ts";
import { alice, bob, carol, everyone } from "./media.ts";
import { servePages } from "./pages.ts";

describe("fake devices and instruments", () => {
  const pages = servePages({ "/": "<!doctype html><title>loop</title><video autoplay muted playsinline></video><audio autoplay></audio>" });
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await startBrowser(bob);
    page = await openPage(await browser.newContext(), "loop");
    await page.goto((await pages).url);
    await page.evaluate(async () => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
      const [from, to] = [new RTCPeerConnection(), new RTCPeerConnection()];
      from.onicecandidate = ({ candidate }) => void to.addIceCandidate(candidate ?? undefined);
      to.onicecandidate = ({ candidate }) => void from.addIceCandidate(candidate ?? undefined);
      to.ontrack = ({ track }) => {
        const element = document.querySelector(track.kind === "video" ? "video" : "audio");
        if (element instanceof HTMLMediaElement) element.srcObject = new MediaStream([track]);
      };
      for (const track of stream.getTracks()) from.addTrack(track, stream);
      await from.setLocalDescription();
      await to.setRemoteDescription(from.localDescription as RTCSessionDescription);
      await to.setLocalDescription();
      await from.setRemoteDescription(to.localDescription as RTCSessionDescription);
      Object.assign(window, { stream });
    });
  });
  afterAll(async () => {
    await browser.close();
    (await pages).close();
  });

  it("see the camera's colour and its movement through an encoder", async () => {
    const sight = await sees(page.locator("video"), bob);
    expect(isColourOf(sight.colour, alice)).toBe(false);
    expect(isColourOf(sight.colour, carol)).toBe(false);
    expect(await keepsPlaying(page.locator("video"))).toBe(true);
  });

  it("hear the microphone's tone through Opus and echo cancellation", async () => {
    const hearing = await hears(page.locator("audio"), bob);
    expect(everyone.filter((who) => isToneOf(hearing, who))).toEqual([bob]);
  });

  it("still hear it after noise suppression has settled", async () => {
    await page.waitForTimeout(6_000);
    expect(isToneOf(await listen(page.locator("audio")), bob)).toBe(true);
  });

  it("tell silence and a dark camera from the real thing", async () => {
    await page.evaluate(() => {
      for (const track of (window as unknown as { stream: MediaStream }).stream.getTracks()) track.enabled = false;
    });
    await hearsNothing(page.locator("audio"), bob);
    const sight = await lookAt(page.locator("video"));
    expect(sight === null || !isColourOf(sight.colour, bob)).toBe(true);
  });
});
