// Every screen and every dialog of the web app, without a fault that axe-core finds. One server and one browser for all.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Person } from "../e2e/person.ts";
import { startBrowser } from "../support/browser.ts";
import { alice, bob, carol } from "../support/media.ts";
import { Stoa } from "../support/stoa.ts";
import { audit } from "./audit.ts";
import { recordings, showRecordings } from "./recordings.ts";

/** Whose picture is two letters that stand beside each other in no name. */
const twoNames = { ...carol, name: "Carol Diaz" };

let stoa: Stoa;
let browser: Browser;
let a: Person;
let b: Person;
let c: Person;

/** The screens that were looked at, and what was found. */
class Round {
  private readonly faults: string[] = [];

  async look(screen: string, person: Person = a): Promise<void> {
    this.faults.push(...(await audit(person.page, screen)));
    if (process.env.STOA_TEST_PICTURES) await pictures(person, screen);
  }

  end(): void {
    expect(this.faults.join("\n")).toBe("");
  }
}

/** For who wants to see the screens, too. */
async function pictures({ page }: Person, screen: string): Promise<void> {
  const folder = process.env.STOA_TEST_PICTURES;
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [320, 390, 1440]) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: width > 1000 ? 900 : 760 });
      await page.screenshot({ path: `${folder}/${screen.replaceAll(/\W+/g, "-")}-${scheme}-${width}.png` });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function open(person: Person, path: string): Promise<void> {
  await person.page.goto(new URL(path, stoa.url).href);
}

describe("axe finds nothing", () => {
  beforeAll(async () => {
    stoa = await Stoa.start();
    browser = await startBrowser(alice);
    [a, b, c] = [await Person.arrive(browser, stoa.url, alice), await Person.guest(browser, stoa.url, bob), await Person.guest(browser, stoa.url, twoNames)];
  });
  afterAll(async () => {
    await browser?.close();
    await stoa?.dispose();
  });

  it("on the sign-in page", async () => {
    const round = new Round();
    await round.look("sign-in");
    await a.page.getByRole("tab", { name: "Create account" }).click();
    await round.look("create account");
    await a.fillSignIn("nobody", "not a password");
    await a.page.getByRole("alert").waitFor();
    await round.look("wrong password");
    await a.page.route("**/api/session", (route) => route.abort());
    await a.page.reload();
    await a.page.getByText("reach the server").waitFor();
    await round.look("unreachable");
    await a.page.unroute("**/api/session");
    await a.page.getByRole("heading", { name: "Sign in to Stoa" }).waitFor();
    await a.enter();
    round.end();
  });

  it("on the pages", async () => {
    const round = new Round();
    await round.look("no calls yet");
    await a.page.getByRole("button", { name: "Account: Alice" }).click();
    await round.look("account menu");
    await a.page.getByRole("menuitem", { name: "Keyboard shortcuts" }).click();
    await a.page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await round.look("keyboard shortcuts");
    await a.page.keyboard.press("Escape");
    await a.page.getByRole("button", { name: "New channel" }).click();
    await round.look("new channel");
    await a.page.keyboard.press("Escape");
    await a.createChannel("Agora", ["Bob", "Carol"]);
    await round.look("channel");
    await a.page.getByRole("button", { name: "Edit channel" }).click();
    await round.look("edit channel");
    await a.page.keyboard.press("Escape");
    await a.page.getByRole("button", { name: "Leave channel" }).click();
    await round.look("leave channel");
    await a.page.keyboard.press("Escape");
    await a.row("Bob").getByRole("link", { name: "Bob" }).click();
    await a.page.getByRole("heading", { name: "Bob", level: 1 }).waitFor();
    await round.look("person");
    for (const [path, heading] of [["/people", "People"], ["/channels", "Channels"], ["/admin", "Administration"], ["/nowhere", "Nothing here"]] as const) {
      await open(a, path);
      await a.page.getByRole("heading", { name: heading }).first().waitFor();
      await round.look(path);
    }
    for (const path of ["/people/none", "/channels/none"]) {
      await open(a, path);
      await a.page.getByText(/with that ID/).waitFor();
      await round.look(path);
    }
    for (const [path, list] of [["/people/none", "**/api/users*"], ["/channels/none", "**/api/channels*"]] as const) {
      await a.page.route(list, () => undefined);
      await open(a, path);
      await a.page.getByRole("heading", { name: "Loading…", level: 1 }).waitFor();
      await round.look(`${path}, loading`);
      await a.page.unroute(list);
    }
    await open(a, "/doctor");
    await round.look("connection check, trying");
    await a.page.getByRole("button", { name: "Try again" }).waitFor();
    await round.look("connection check");
    await open(a, "/history");
    await a.atHome();
    round.end();
  });

  it("among recordings", async () => {
    const round = new Round();
    const { page } = b;
    const answers = await showRecordings(page, await b.userId(), await c.userId());
    await open(b, "/history");
    await page.getByRole("link", { name: "Recordings of the call with Carol Diaz" }).waitFor();
    await round.look("recent calls, one recorded", b);
    await open(b, "/recordings");
    await page.getByRole("list", { name: "Recordings" }).getByRole("listitem").nth(recordings.length - 1).waitFor();
    await round.look("recordings", b);
    await page.getByRole("searchbox", { name: "Find by person or channel" }).fill("nobody at all");
    await page.getByText("No recordings match.").last().waitFor();
    await round.look("no recordings match", b);
    answers.fail = true;
    await open(b, "/recordings");
    await page.getByRole("alert").getByRole("button", { name: "Try again" }).waitFor();
    await round.look("recordings, unreadable", b);
    await page.unrouteAll();
    await open(b, "/history");
    await b.atHome();
    round.end();
  });

  it("on the page of a recording", async () => {
    const round = new Round();
    const { page } = b;
    await showRecordings(page, await b.userId(), await c.userId());
    for (const [stage, shown] of [["ready", "Download"], ["processing", "42%"], ["live", "Being recorded"], ["tracks", "What each person sent"], ["failed", "There’s nothing to play."]] as const) {
      await open(b, `/recordings/${stage}`);
      await page.getByText(shown).first().waitFor();
      await round.look(`recording, ${stage}`, b);
    }
    await open(b, "/recordings/tracks");
    await page.getByRole("button", { name: "Play Microphone of Bob" }).click();
    await round.look("a track of a recording", b);
    await open(b, "/recordings/ready");
    await page.getByRole("button", { name: /^Change/ }).click();
    await page.getByRole("combobox", { name: "For" }).selectOption("7");
    await round.look("keep a recording", b);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Delete" }).click();
    await round.look("delete a recording", b);
    await page.keyboard.press("Escape");
    await open(b, "/recordings/none");
    await page.getByText("There’s no recording here with that ID.").waitFor();
    await round.look("no such recording", b);
    await page.unrouteAll();
    await open(b, "/history");
    await b.atHome();
    round.end();
  });

  it("in the API reference", async () => {
    const round = new Round();
    await open(a, "/api/docs");
    await a.page.getByText("/api/calls/initiate").first().waitFor();
    await round.look("API reference");
    await a.page.getByText("/api/calls/initiate").first().click();
    await a.page.getByRole("button", { name: "Try it out" }).waitFor();
    await round.look("an operation of the API");
    await open(a, "/history");
    await a.atHome();
    round.end();
  });

  it("while it rings", async () => {
    const round = new Round();
    await b.call("Alice", "voice");
    await a.ring("Bob", "voice").waitFor();
    await round.look("incoming voice call");
    await b.control("Cancel call").click();
    await a.toast("Missed call from Bob");
    await round.look("missed call");
    await b.outOfCall();
    await b.channel("Agora").getByRole("button", { name: "Video call Agora" }).click();
    await a.ring("Bob", "video", "Agora").waitFor();
    await round.look("incoming video call in a channel");
    await round.look("calling a channel", b);
    await b.control("Cancel call").click();
    await b.outOfCall();
    await a.call("Bob");
    await b.ring("Alice").waitFor();
    await round.look("calling");
    await b.ring("Alice").getByRole("button", { name: "Decline" }).click();
    await a.toast("Bob declined");
    await a.outOfCall();
    await round.look("recent calls");
    round.end();
  });

  it("in a call", async () => {
    const round = new Round();
    await a.call("Bob");
    await b.accept("Alice");
    await Promise.all([a.inCall(), b.inCall()]);
    await c.seesPresence("Bob", "in_call");
    await round.look("people in a call", c);
    await round.look("call");
    await a.control("Devices").click();
    await a.page.getByRole("dialog", { name: "Devices" }).waitFor();
    await round.look("devices");
    await a.page.keyboard.press("Escape");
    await a.page.getByRole("button", { name: /^Connection: / }).click();
    await round.look("quality");
    await a.page.keyboard.press("Escape");
    const people = await a.panel("People");
    await round.look("people in the call");
    await people.getByRole("button", { name: "Actions for Bob" }).click();
    await round.look("actions");
    await a.page.keyboard.press("Escape");
    await people.getByRole("button", { name: "Invite people" }).click();
    await round.look("invite");
    await a.page.keyboard.press("Escape");
    await people.getByRole("button", { name: "Transfer call" }).click();
    await round.look("transfer");
    await a.page.keyboard.press("Escape");
    const chat = await a.panel("Chat");
    await round.look("chat, empty");
    for (const [person, text] of [[a, "Shall we meet at noon?"], [b, "At the fountain"]] as const) {
      await (await person.panel("Chat")).getByRole("textbox", { name: "Message" }).fill(text);
      await person.page.keyboard.press("Enter");
      await chat.getByText(text).waitFor();
    }
    await round.look("chat");
    await a.panel("Chat", false);
    await a.actOn("Bob", "Mute and lock");
    await b.page.getByRole("button", { name: "Microphone", exact: true, disabled: true }).waitFor();
    await round.look("muted and locked", b);
    await a.panel("People", false);
    await b.panel("Chat", false);
    await a.toggle("Share screen", true);
    await b.screen("Alice").waitFor();
    await round.look("sharing");
    await round.look("a shared screen", b);
    await a.toggle("Share screen", false);
    await a.page.keyboard.press("h");
    await a.page.getByText("You put this call on hold").waitFor();
    await round.look("on hold");
    await round.look("put on hold", b);
    await a.page.getByRole("button", { name: "Resume" }).click();
    round.end();
  });

  it("with waiting and parked calls", async () => {
    const round = new Round();
    await c.call("Bob");
    const knock = b.page.getByRole("alert", { name: "Another call" });
    await knock.waitFor();
    await round.look("another call", b);
    await knock.getByRole("button", { name: "Hold and accept" }).click();
    await c.inCall();
    await b.page.getByRole("region", { name: "Calls on hold" }).waitFor();
    await round.look("a call on hold beside", b);
    await c.leave();
    await c.outOfCall();
    await b.page.getByRole("region", { name: "Calls on hold" }).getByRole("button", { name: "Resume" }).waitFor();
    await round.look("a call on hold and no other", b);
    await b.page.getByRole("button", { name: "Resume" }).click();
    await b.inCall();
    await b.transfer("Carol", "Talk first");
    await b.page.getByRole("button", { name: "Complete transfer" }).waitFor();
    await round.look("transferring", b);
    await c.page.getByRole("alertdialog").getByRole("button", { name: "Decline" }).click();
    await b.page.getByRole("region", { name: "Transfer" }).waitFor({ state: "detached" });
    await a.page.reload();
    await a.page.getByRole("button", { name: "Rejoin" }).waitFor();
    await round.look("a call to rejoin");
    await b.leave();
    await b.outOfCall();
    round.end();
  });

  it("in a channel's call", async () => {
    const round = new Round();
    await a.channel("Agora").getByRole("button", { name: "Voice call Agora" }).click();
    await b.accept("Alice", "voice", "Agora");
    await Promise.all([a.inCall(), b.inCall()]);
    await c.ring("Alice", "voice", "Agora").getByRole("button", { name: "Decline" }).click();
    await c.channel("Agora").getByRole("link", { name: "Agora" }).click();
    await c.page.getByRole("button", { name: "Join with voice" }).waitFor();
    await round.look("a channel's call goes on", c);
    await c.page.getByRole("button", { name: "Join with voice" }).click();
    await c.inCall();
    await a.tile(twoNames.name).waitFor();
    await round.look("three in a call");
    for (const person of [a, b, c]) await person.leave();
    await a.outOfCall();
    round.end();
  });

  it("for administrators, and while the server is away", async () => {
    const round = new Round();
    const link = /\S+\/admin#code=\S+/.exec(stoa.log)?.[0] ?? "";
    await a.signOut();
    // The code is good for once: nothing may load the page again before it has been taken.
    await open(a, new URL(link).pathname + new URL(link).hash);
    await a.page.getByText("signed in as an administrator").waitFor();
    await round.look("administration");
    await stoa.end();
    await c.page.getByText("Reconnecting to the server").waitFor();
    await round.look("the server is away", c);
    round.end();
  });
});
