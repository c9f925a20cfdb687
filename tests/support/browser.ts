// Chromium with a camera and a microphone of one persona. One browser process a user: the fake devices are process-wide.
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { cameraFile, toneFile, type Persona, type Picture } from "./media.ts";

export interface BrowserOptions {
  picture?: Picture;
  /** Runs Chromium through another program, e.g. one that enters a network namespace. */
  executablePath?: string;
  /** Origins on which camera and microphone are allowed although they are not https. */
  trustedOrigins?: string[];
  /** Asks before it gives a page camera and microphone; nobody answers but `grantPermissions`. */
  asks?: boolean;
  extraArgs?: string[];
}

export const chromiumPath = process.env.STOA_TEST_CHROMIUM ?? "/usr/bin/chromium";

/** Starts a browser whose camera shows `who`'s colour and whose microphone plays `who`'s tone. */
export async function startBrowser(who: Persona, options: BrowserOptions = {}): Promise<Browser> {
  const trusted = options.trustedOrigins ?? [];
  return chromium.launch({
    executablePath: options.executablePath ?? chromiumPath,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      ...(options.asks ? [] : ["--use-fake-ui-for-media-stream"]),
      `--use-file-for-fake-video-capture=${cameraFile(who, options.picture)}`,
      `--use-file-for-fake-audio-capture=${toneFile(who)}`,
      "--autoplay-policy=no-user-gesture-required",
      // A machine without any network card still has loopback.
      "--allow-loopback-in-peer-connection",
      // A window in the background must go on as one in the foreground: several browsers share one screen here.
      "--disable-backgrounding-occluded-windows",
      "--disable-renderer-backgrounding",
      "--disable-background-timer-throttling",
      ...(trusted.length > 0 ? [`--unsafely-treat-insecure-origin-as-secure=${trusted.join(",")}`] : []),
      ...(options.extraArgs ?? []),
    ],
  });
}

/** A page that prints what went wrong in it to the test's log. */
export async function openPage(context: BrowserContext, label: string): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.log(`[${label}] page error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && process.env.STOA_TEST_LOG) console.log(`[${label}] console error: ${message.text()}`);
  });
  return page;
}
