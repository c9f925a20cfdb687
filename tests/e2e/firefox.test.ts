// The web app in Firefox: a call with Chromium, browser to browser.
import type { Browser, Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startFirefox } from "../support/firefox.ts";
import { keepsPlaying } from "../support/look.ts";
import { alice } from "../support/media.ts";
import { startSpeaker, type Speaker } from "../support/speaker.ts";
import { sleep, until } from "../support/wait.ts";
import { closeBrowsers, scene } from "./scene.ts";

let speaker: Speaker;
let firefox: Browser;

beforeAll(async () => {
  speaker = await startSpeaker();
  firefox = await startFirefox({ env: speaker.env });
});
afterAll(async () => {
  await firefox?.close();
  speaker?.close();
  await closeBrowsers();
});

/** Enters as a guest; what stands on the page is found by role and name, as by a reader of screens. */
async function enter(url: string, name: string): Promise<Page> {
  const page = await firefox.newPage();
  await page.goto(url);
  await page.locator('::-p-aria([name="Your name"][role="textbox"])').fill(name);
  await page.locator('::-p-aria([name="Continue as guest"][role="button"])').click();
  await page.locator(`::-p-aria([name="Account: ${name}"][role="button"])`).wait();
  return page;
}

/** Which way the media goes. */
function path(page: Page): Promise<string | null> {
  return page.evaluate(() => document.querySelector('[data-connection="connected"]')?.getAttribute("data-path") ?? null);
}

/** How many frames of Alice are shown within the time. Firefox does not count them by itself for a stream. */
function frames(page: Page, milliseconds: number): Promise<number> {
  return page.evaluate(async (milliseconds) => {
    const video = document.querySelector<HTMLVideoElement>('article[aria-label="Alice"] video');
    let count = 0;
    const next = () => {
      count += 1;
      video?.requestVideoFrameCallback(next);
    };
    video?.requestVideoFrameCallback(next);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    return count;
  }, milliseconds);
}

it("stays browser to browser with Firefox at one end, and carries media both ways", async () => {
  await scene(async ({ stoa, guest }) => {
    const a = await guest(alice);
    const page = await enter(stoa.url, "Fiona");
    await a.seesPresence("Fiona", "online");
    await a.call("Fiona");
    await page.locator('::-p-aria([name="Accept with video"][role="button"])').click();
    await a.inCall();
    await until("Alice's picture in Firefox", async () => (await frames(page, 500)) > 2);
    // Longer than a line that is taken for dead would be waited for.
    await sleep(8_000);
    expect(await frames(page, 3_000)).toBeGreaterThan(5);
    expect(await keepsPlaying(a.video("Fiona"))).toBe(true);
    expect(await path(page)).toBe("p2p");
    // Its fake microphone hums without end, and its counters do not say how loudly.
    await page.locator('article[data-local="true"][data-speaking="true"]').wait();
    // A picture that plays is not shown as one that stands still.
    expect(await page.evaluate(() => document.querySelector('article[aria-label="Alice"]')?.getAttribute("data-state"))).toBe("connected");
    await page.locator('::-p-aria([name="Microphone"][role="button"])').click();
    await page.locator('article[data-local="true"][data-speaking="false"]').wait();
    await a.page.locator('[data-connection="connected"][data-path="p2p"]').waitFor({ timeout: 1_000 });
    await page.close();
  });
});
