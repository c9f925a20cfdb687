// Debian's Firefox ESR, driven over WebDriver BiDi. Its own fake camera and microphone; loopback allowed for ICE.
import { type ChildProcess } from "node:child_process";
import puppeteer, { type Browser } from "puppeteer-core";
import type { Namespace } from "./namespace.ts";
import { freePorts } from "./ports.ts";

export const firefoxPath = process.env.STOA_TEST_FIREFOX ?? "/usr/bin/firefox-esr";

export interface FirefoxOptions {
  /** Runs it in there. */
  network?: Namespace;
  /** A certificate authority that it trusts by its enterprise policy. */
  authority?: string;
  /** Set for it besides the test's own, as where its speaker is. */
  env?: Record<string, string>;
}

export async function startFirefox({ network, authority, env }: FirefoxOptions = {}): Promise<Browser> {
  const debuggingPort = network === undefined ? undefined : await freePorts(1);
  const way: ChildProcess[] = network === undefined || debuggingPort === undefined ? [] : network.bringOut(debuggingPort);
  const firefox = await puppeteer.launch({
    browser: "firefox",
    executablePath: network?.firefox(firefoxPath, authority) ?? firefoxPath,
    headless: true,
    env: { ...process.env, ...env },
    ...(debuggingPort === undefined ? {} : { debuggingPort }),
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.peerconnection.ice.loopback": true,
      "media.autoplay.default": 0,
      "media.autoplay.blocking_policy": 0,
      // The bare page comes by plain HTTP, from another address than loopback.
      "media.devices.insecure.enabled": true,
      "media.getusermedia.insecure.enabled": true,
      // It must ask nobody for anything while it runs here.
      "media.gmp-manager.updateEnabled": false,
      "app.update.enabled": false,
      "network.captive-portal-service.enabled": false,
      "network.connectivity-service.enabled": false,
    },
  });
  firefox.once("disconnected", () => {
    for (const one of way) one.kill();
  });
  return firefox;
}
