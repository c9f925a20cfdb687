// Calls that go from browser to browser, and what they do when they cannot. Needs root: the browsers live in a network
// namespace, joined to the server's by a cable.
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startBrowser } from "../support/browser.ts";
import type { Watched } from "../support/connections.ts";
import { longestGap, usualGap, watchFrames } from "../support/gaps.ts";
import { hears, keepsPlaying, sees } from "../support/look.ts";
import { alice, bob, carol, type Persona } from "../support/media.ts";
import { Namespace } from "../support/namespace.ts";
import { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import { meet, Person } from "./person.ts";

/** Which way the media goes. */
async function path(person: Person, wanted: "p2p" | "sfu"): Promise<void> {
  await person.page.locator(`[data-connection="connected"][data-path="${wanted}"]`).waitFor({ timeout: 45_000 });
}

/** Has the page's connections ask for another path, at a moment of this machine's clock. */
async function restartAt(page: Page, moment: number): Promise<void> {
  await page.evaluate(async (at) => {
    await new Promise((resolve) => setTimeout(resolve, at - Date.now()));
    for (const connection of (globalThis as Watched).connections ?? []) connection.restartIce();
  }, moment);
}

describe("a call from browser to browser", () => {
  let ns: Namespace;
  let stoa: Stoa;
  let people: Person[] = [];
  const browsers = new Map<string, Promise<Browser>>();

  beforeAll(() => {
    ns = Namespace.create();
  });
  afterAll(async () => {
    for (const browser of browsers.values()) await (await browser).close();
    ns?.remove();
  });
  beforeEach(async () => {
    stoa = await Stoa.start({ host: "0.0.0.0", extraArgs: ["--announce", ns.outside] });
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") await report();
    ns.allowUdp();
    for (const { context } of people) await context.close();
    people = [];
    await stoa.dispose();
  });

  async function report(): Promise<void> {
    const { cacheDir } = await import("../support/paths.ts");
    for (const person of people) {
      await person.page.screenshot({ path: `${cacheDir("failures")}/${Date.now()}-${person.name}.png` }).catch(() => undefined);
      console.log(await person.describe().catch(String));
    }
    console.log(`the end of stoa's log:\n${stoa.log.split("\n").slice(-30).join("\n")}`);
  }

  /** Somebody whose browser runs in the namespace. */
  async function guest(who: Persona): Promise<Person> {
    const origin = `http://${ns.outside}:${stoa.ports.http}`;
    // Every test has a server of its own, on ports of its own.
    const key = `${who.name}/${origin}`;
    const browser = browsers.get(key) ?? startBrowser(who, { executablePath: ns.chromium(), trustedOrigins: [origin] });
    browsers.set(key, browser);
    const person = await Person.guest(await browser, origin, who);
    people.push(person);
    return person;
  }

  async function talk(a: Person, b: Person): Promise<void> {
    await a.call(b.name);
    await b.accept(a.name);
    await Promise.all([path(a, "p2p"), path(b, "p2p")]);
    await meet(a, b);
  }

  it("only needs the server for signalling: it goes on while the server's UDP is cut off", async () => {
    const [a, b] = [await guest(alice), await guest(bob)];
    ns.dropUdp();
    await talk(a, b);

    await a.toggle("Microphone", false);
    await b.page.locator('article[aria-label="Alice"][data-muted="true"]').waitFor();
    await a.toggle("Microphone", true);
    await a.toggle("Camera", false);
    await b.page.locator('article[aria-label="Alice"][data-camera="off"]').waitFor();
    await a.toggle("Camera", true);
    await sees(b.video("Alice"), alice);
    await b.toggle("Share screen", true);
    await a.screen("Bob").waitFor();
    expect(await keepsPlaying(a.screen("Bob").locator("video"))).toBe(true);
    await b.toggle("Share screen", false);
    await a.screen("Bob").waitFor({ state: "detached" });

    const chat = await a.panel("Chat");
    await chat.getByRole("textbox", { name: "Message" }).fill("Can you read this?");
    await chat.getByRole("button", { name: "Send" }).click();
    await b.page.getByRole("button", { name: "Chat, 1 new" }).waitFor();
    await (await b.panel("Chat")).getByText("Can you read this?").waitFor();

    await Promise.all([path(a, "p2p"), path(b, "p2p")]);
    await a.leave();
    await Promise.all([a.outOfCall(), b.outOfCall()]);
    expect((await b.lastCall("completed")).direction).toBe("incoming");
  });

  it("moves to the server when a third person joins, and the video barely pauses", async () => {
    const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
    await talk(a, b);
    const usual = Math.max(...(await Promise.all([usualGap(a.video("Bob")), usualGap(b.video("Alice"))])));
    await Promise.all([watchFrames(a.video("Bob")), watchFrames(b.video("Alice"))]);
    const panel = await a.panel("People");
    await panel.getByRole("button", { name: "Invite people" }).click();
    await a.page.getByRole("checkbox", { name: "Carol" }).check();
    await a.page.getByRole("button", { name: "Invite", exact: true }).click();
    await a.panel("People", false);
    await c.accept("Alice");
    await c.inCall();
    await Promise.all([path(a, "sfu"), path(b, "sfu")]);
    await meet(a, c);
    await meet(b, c);
    await meet(a, b);
    const gaps = [await longestGap(a.video("Bob")), await longestGap(b.video("Alice"))];
    console.log(`without frames while moving: ${gaps.map(Math.round).join(" and ")} ms, before it ${Math.round(usual)} ms`);
    expect(Math.max(...gaps)).toBeLessThan(Math.max(1_000, 10 * usual));
  });

  it("recovers within ten seconds when the browsers lose each other, over the relay or the room", async () => {
    const [a, b] = [await guest(alice), await guest(bob)];
    await talk(a, b);
    await Promise.all([watchFrames(a.video("Bob")), watchFrames(b.video("Alice"))]);
    ns.dropUdpInside();
    // What has arrived already is still shown; then each stands still, before it goes on.
    for (const video of [a.video("Bob"), b.video("Alice")]) await until("the failure to be seen", async () => (await longestGap(video)) > 1_000);
    await Promise.all([a.inCall(), b.inCall()]);
    await meet(a, b);
    await hears(await a.voice("Bob"), bob);
    const gaps = [await longestGap(a.video("Bob")), await longestGap(b.video("Alice"))];
    console.log(`without frames after the failure: ${gaps.map(Math.round).join(" and ")} ms`);
    expect(Math.max(...gaps)).toBeLessThan(10_000);
  });

  it("moves to the server when both browsers look for a new path at once", async () => {
    const [a, b] = [await guest(alice), await guest(bob)];
    await talk(a, b);
    await Promise.all([watchFrames(a.video("Bob")), watchFrames(b.video("Alice"))]);
    const moment = Date.now() + 1_000;
    await Promise.all([a, b].map(({ page }) => restartAt(page, moment)));
    await Promise.all([path(a, "sfu"), path(b, "sfu")]);
    await meet(a, b);
    const gaps = [await longestGap(a.video("Bob")), await longestGap(b.video("Alice"))];
    console.log(`without frames where two offers met: ${gaps.map(Math.round).join(" and ")} ms`);
    expect(Math.max(...gaps)).toBeLessThan(10_000);
  });

  it("moves to the server within ten seconds when the browsers lose each other and there's no relay", async () => {
    await stoa.dispose();
    stoa = await Stoa.start({ host: "0.0.0.0", relay: false, extraArgs: ["--announce", ns.outside] });
    const [a, b] = [await guest(alice), await guest(bob)];
    await talk(a, b);
    await Promise.all([watchFrames(a.video("Bob")), watchFrames(b.video("Alice"))]);
    ns.dropUdpInside();
    await Promise.all([path(a, "sfu"), path(b, "sfu")]);
    await meet(a, b);
    await hears(await a.voice("Bob"), bob);
    const gaps = [await longestGap(a.video("Bob")), await longestGap(b.video("Alice"))];
    console.log(`without frames after the failure: ${gaps.map(Math.round).join(" and ")} ms`);
    expect(Math.max(...gaps)).toBeLessThan(10_000);
  });

  it("recovers by itself after a brief outage", async () => {
    const [a, b] = [await guest(alice), await guest(bob)];
    await talk(a, b);
    ns.dropUdpInside();
    // What was measured before is no word on a line that is not there. Only the one who looks for a new path notices.
    const bars = '[data-connection="reconnecting"] button[aria-label="Connection: interrupted"]:not(:has([data-lit="true"]))';
    await Promise.any([a, b].map(({ page }) => page.locator(bars).waitFor()));
    ns.allowUdp();
    await until("both to play again", async () => (await keepsPlaying(a.video("Bob"), 1_500)) && (await keepsPlaying(b.video("Alice"), 1_500)));
    await Promise.all([path(a, "p2p"), path(b, "p2p")]);
    await meet(a, b);
  });
});
