// The page that says which way to the server is open.
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Browser, type Page } from "playwright-core";
import { startBrowser } from "../support/browser.ts";
import { alice } from "../support/media.ts";
import { Namespace } from "../support/namespace.ts";
import { Stoa } from "../support/stoa.ts";

let network: Namespace;
let stoa: Stoa;
let browser: Browser;
let page: Page;

beforeEach(async () => {
  network = Namespace.create();
  stoa = await Stoa.start({ host: "0.0.0.0" });
  const url = `http://${network.outside}:${stoa.ports.http}`;
  browser = await startBrowser(alice, { executablePath: network.chromium(), trustedOrigins: [url] });
  page = await browser.newPage();
  await page.goto(url);
  await page.getByLabel("Your name").fill("Alice");
  await page.getByRole("button", { name: "Enter as guest" }).click();
  await page.getByRole("heading", { name: "Recent calls" }).waitFor();
});
afterEach(async () => {
  await browser?.close();
  await stoa?.dispose();
  network?.remove();
});

async function results(): Promise<Record<string, string | null>> {
  await page.goto(`http://${network.outside}:${stoa.ports.http}/doctor`);
  await page.locator("[data-verdict]").waitFor({ timeout: 45_000 });
  const rows = await page.locator("[data-leg]").all();
  const found = await Promise.all(rows.map(async (row) => [await row.getAttribute("data-leg"), await row.getAttribute("data-result")]));
  return Object.fromEntries(found);
}

it("finds every way open where nothing is in between", async () => {
  expect(await results()).toMatchObject({ media_udp: "works", media_tcp: "works", stun: "works", udp: "works", tcp: "works" });
  expect(await page.locator("[data-verdict]").innerText()).toContain("straight over UDP");
});

it("names the way that a firewall closes, and what to open", async () => {
  network.allowOnly({ tcp: [stoa.ports.http, stoa.ports.turn] });
  expect(await results()).toMatchObject({ media_udp: "unreachable", media_tcp: "unreachable", udp: "unreachable", tcp: "works" });
  const text = await page.locator('[data-leg="udp"]').innerText();
  expect(text).toContain(`UDP ${stoa.ports.turn} does not get through`);
  expect(await page.locator("[data-verdict]").innerText()).toContain("UDP is blocked");
});

it("names the one media port that was forgotten", async () => {
  const { http, udp, turn } = stoa.ports;
  network.allowOnly({ tcp: [http], udp: [udp, turn] });
  expect(await results()).toMatchObject({ media_udp: "unreachable", udp: "works" });
  const text = await page.locator('[data-leg="media_udp"]').innerText();
  expect(text).toContain(`Nothing answers (${udp + 1}: `);
  expect(await page.locator("[data-verdict]").innerText()).toContain("over UDP and the relay");
});
