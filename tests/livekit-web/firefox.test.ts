// Firefox and Chromium in one room, each seeing and hearing the other.
import type { Locator } from "playwright-core";
import type { Browser, ElementHandle, Page } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFirefox } from "../support/firefox.ts";
import { keepsPlaying, sees } from "../support/look.ts";
import { alice } from "../support/media.ts";
import type { Pages } from "../support/pages.ts";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import { Peer, serveBarePage, ways } from "./peer.ts";

let pages: Pages;
let stoa: Stoa;
let chromium: Peer;
let firefox: Browser;

beforeAll(async () => {
  pages = await serveBarePage();
  stoa = await Stoa.start();
  chromium = await Peer.open(alice, `http://127.0.0.1:${pages.port}/`);
  firefox = await startFirefox();
});
afterAll(async () => {
  await firefox?.close();
  await chromium?.close();
  pages?.close();
  await stoa?.dispose();
});

/** An element of the page, for the instruments: both drivers evaluate a function over an element alike. */
async function element(page: Page, selector: string): Promise<Locator> {
  const handle: ElementHandle | null = await page.waitForSelector(selector, { timeout: 45_000 });
  return handle as unknown as Locator;
}

/** The energy of all sound that arrived so far. Without a sound card Firefox runs no AudioContext, but it decodes. */
function soundEnergy(page: Page): Promise<number> {
  return page.evaluate(() => window.peer.sound());
}

describe.each(ways)("Firefox with $way", ({ way, options }) => {
  it("publishes to Chromium and receives from it", async () => {
    const room = `firefox-${way.split(" ")[0]}`;
    await chromium.page.goto(`http://127.0.0.1:${pages.port}/`);
    await chromium.page.waitForFunction(() => window.peer !== undefined);
    const page = await firefox.newPage();
    await page.goto(`http://127.0.0.1:${pages.port}/`);
    await page.waitForFunction(() => window.peer !== undefined);
    page.on("console", (message) => {
      if (message.type() === "error") console.log(`[Firefox] ${message.text()}`);
    });
    const join = [stoa.livekitUrl, await stoa.livekitToken(room, "Fox"), options] as const;
    await page.evaluate(async (url, token, roomOptions) => {
      await window.peer.join(url, token, { ...roomOptions });
    }, ...join);
    await chromium.join(stoa.livekitUrl, await stoa.livekitToken(room, "Alice"), options);

    await chromium.publishCamera({ simulcast: true });
    await chromium.publishMicrophone();
    await sees(await element(page, 'video[data-identity="Alice"]'), alice);
    const before = await soundEnergy(page);
    await until("Firefox to hear Alice", async () => (await soundEnergy(page)) > before + 0.001);

    await page.evaluate(async () => {
      await window.peer.publishCamera({ simulcast: true }, { width: 640, height: 480 });
      await window.peer.publishMicrophone();
    });
    await chromium.video("Fox").waitFor({ state: "visible" });
    expect(await until("Fox's camera to move", () => keepsPlaying(chromium.video("Fox"), 2_000))).toBe(true);
    await until("Fox's tone", async () => {
      const { strongest } = await strongestTone(chromium.audio("Fox"));
      return strongest > -60;
    });
    await page.close();
  });
});

/** The loudest that anything was within a second and a half. */
async function strongestTone(audio: Locator): Promise<{ strongest: number }> {
  return audio.evaluate(async (media) => {
    const context = new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource((media as HTMLAudioElement).srcObject as MediaStream).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    let strongest = -120;
    for (let i = 0; i < 30; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      analyser.getFloatFrequencyData(bins);
      strongest = Math.max(strongest, ...bins);
    }
    await context.close();
    return { strongest };
  });
}
