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
let url: string;

beforeEach(() => {
  network = Namespace.create();
});

async function enter(executablePath?: string): Promise<void> {
  browser = await startBrowser(alice, { trustedOrigins: [url], ...(executablePath === undefined ? {} : { executablePath }) });
  page = await browser.newPage();
  await page.goto(url);
  await page.getByLabel("Your name").fill("Alice");
  await page.getByRole("button", { name: "Continue as guest" }).click();
  await page.getByRole("heading", { name: "Recent calls" }).waitFor();
}

/** The server here, the browser behind a firewall. */
async function browserInside(): Promise<void> {
  stoa = await Stoa.start({ host: "0.0.0.0" });
  url = `http://${network.outside}:${stoa.ports.http}`;
  await enter(network.chromium());
}
afterEach(async () => {
  await browser?.close();
  await stoa?.dispose();
  network?.remove();
});

async function results(): Promise<Record<string, string | null>> {
  await page.goto(`${url}/doctor`);
  await page.locator("[data-verdict]").waitFor({ timeout: 45_000 });
  const rows = await page.locator("[data-leg]").all();
  const found = await Promise.all(rows.map(async (row) => [await row.getAttribute("data-leg"), await row.getAttribute("data-result")]));
  return Object.fromEntries(found);
}

it("finds every path open when nothing is in between", async () => {
  await browserInside();
  expect(await results()).toMatchObject({ media_udp: "works", media_tcp: "works", stun: "works", udp: "works", tcp: "works" });
  expect(await page.locator("[data-verdict]").innerText()).toContain("straight over UDP");
});

it("names the path that a firewall blocks, and what to open", async () => {
  await browserInside();
  network.allowOnly({ tcp: [stoa.ports.http, stoa.ports.turn] });
  expect(await results()).toMatchObject({ media_udp: "unreachable", media_tcp: "unreachable", stun: "unreachable", udp: "unreachable", tcp: "works" });
  const text = await page.locator('[data-leg="udp"]').innerText();
  expect(text).toContain(`UDP ${stoa.ports.turn} doesn’t get through`);
  expect(await page.locator("[data-verdict]").innerText()).toContain("UDP is blocked");
});

it("names the one media port that was left closed", async () => {
  await browserInside();
  const { http, udp, turn } = stoa.ports;
  network.allowOnly({ tcp: [http], udp: [udp, turn] });
  expect(await results()).toMatchObject({ media_udp: "unreachable", udp: "works" });
  const text = await page.locator('[data-leg="media_udp"]').innerText();
  expect(text).toContain(`No answer (${udp + 1}: `);
  expect(await page.locator("[data-verdict]").innerText()).toContain("over UDP through the relay");
});

it("finds a server whose own firewall drops UDP, from both ends, and names what to open", async () => {
  stoa = await Stoa.start({ host: "0.0.0.0", network });
  url = stoa.url;
  const { turn } = stoa.ports;
  expect((await stoa.doctor()).join("\n")).toContain(`ok    TURN over UDP at ${network.inside}:${turn} works`);
  network.dropUdpTo(turn);

  const found = await stoa.doctor();
  const failed = found.findIndex((line) => line.startsWith(`fail  TURN over UDP at ${network.inside}:${turn}: no answer`));
  expect(failed, found.join("\n")).toBeGreaterThan(-1);
  expect(found[failed + 1]).toContain(`allow UDP ${turn} in this host's firewall`);
  expect(found.join("\n")).toContain(`ok    TURN over TCP at ${network.inside}:${turn} works`);

  await enter();
  expect(await results()).toMatchObject({ media_udp: "works", udp: "unreachable", tcp: "works" });
  expect(await page.locator('[data-leg="udp"]').innerText()).toContain(`UDP ${turn} doesn’t get through`);
});
