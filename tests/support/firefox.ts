// Debian's Firefox ESR, driven over WebDriver BiDi. Its own fake camera and microphone; loopback allowed for ICE.
import puppeteer, { type Browser } from "puppeteer-core";

export const firefoxPath = process.env.STOA_TEST_FIREFOX ?? "/usr/bin/firefox-esr";

export function startFirefox(): Promise<Browser> {
  return puppeteer.launch({
    browser: "firefox",
    executablePath: firefoxPath,
    headless: true,
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.peerconnection.ice.loopback": true,
      "media.autoplay.default": 0,
      "media.autoplay.blocking_policy": 0,
      // It must ask nobody for anything while it runs here.
      "media.gmp-manager.updateEnabled": false,
      "app.update.enabled": false,
      "network.captive-portal-service.enabled": false,
      "network.connectivity-service.enabled": false,
    },
  });
}
