// A person at the web app, by what a person sees: roles and accessible names only.
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { openPage } from "../support/browser.ts";
import { describeConnections, watchConnections } from "../support/connections.ts";
import { hears, sees } from "../support/look.ts";
import type { Persona } from "../support/media.ts";
import { until } from "../support/wait.ts";

export type Media = "voice" | "video";

/** One line of "Recent calls". */
export interface HistoryLine {
  direction: string | null;
  result: string | null;
  /** Null where the call never connected. */
  seconds: number | null;
  text: string;
}

export class Person {
  private constructor(
    readonly who: Persona,
    readonly context: BrowserContext,
    private current: Page,
    private readonly url: string,
  ) {}

  /** Opens the web app in a fresh profile; nobody is signed in. */
  static async arrive(browser: Browser, url: string, who: Persona): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await watchConnections(context);
    const page = await openPage(context, who.name);
    await page.goto(url);
    await page.getByRole("heading", { name: "Sign in to Stoa", level: 1 }).waitFor();
    return new Person(who, context, page, url);
  }

  /** Arrives and enters by name alone, as `--dev` allows. */
  static async guest(browser: Browser, url: string, who: Persona): Promise<Person> {
    const person = await Person.arrive(browser, url, who);
    await person.enter();
    return person;
  }

  async enter(): Promise<void> {
    await this.page.getByRole("textbox", { name: "Your name" }).fill(this.name);
    await this.page.getByRole("button", { name: "Continue as guest" }).click();
    await this.atHome();
  }

  get page(): Page {
    return this.current;
  }
  get name(): string {
    return this.who.name;
  }

  async createAccount(username: string, password: string): Promise<void> {
    await this.page.getByRole("tab", { name: "Create account" }).click();
    const panel = this.page.getByRole("tabpanel", { name: "Create account" });
    await panel.getByRole("textbox", { name: "Username" }).fill(username);
    await panel.getByLabel("Password").fill(password);
    await panel.getByRole("textbox", { name: "Display name" }).fill(this.name);
    await panel.getByRole("button", { name: "Create account" }).click();
    await this.atHome();
  }

  async signIn(username: string, password: string): Promise<void> {
    await this.fillSignIn(username, password);
    await this.atHome();
  }

  async fillSignIn(username: string, password: string): Promise<void> {
    await this.page.getByRole("tab", { name: "Sign in" }).click();
    const panel = this.page.getByRole("tabpanel", { name: "Sign in" });
    await panel.getByRole("textbox", { name: "Username" }).fill(username);
    await panel.getByLabel("Password").fill(password);
    await panel.getByRole("button", { name: "Sign in" }).click();
  }

  async signOut(): Promise<void> {
    await this.page.getByRole("button", { name: `Account: ${this.name}` }).click();
    await this.page.getByRole("menuitem", { name: "Sign out" }).click();
    await this.page.getByRole("heading", { name: "Sign in to Stoa", level: 1 }).waitFor();
  }

  /** Who they are to the server. */
  async userId(): Promise<string> {
    const answer = await this.page.request.get(new URL("/api/session", this.url).href);
    return ((await answer.json()) as { user: { id: string } }).user.id;
  }

  /** The sidebar stands and the server is connected. */
  async atHome(): Promise<void> {
    await this.page.getByRole("button", { name: `Account: ${this.name}` }).waitFor();
  }

  /** The line of another person in the sidebar. */
  row(name: string): Locator {
    const list = this.page.getByRole("list", { name: "People", exact: true });
    return list.getByRole("listitem").filter({ has: this.page.getByRole("link", { name }) });
  }

  async seesPresence(name: string, presence: "offline" | "online" | "in_call"): Promise<void> {
    await until(
      `${this.name} to see ${name} ${presence}`,
      async () => {
        const seen = await this.row(name).first().getAttribute("data-presence", { timeout: 2_000 });
        if (seen !== presence) throw new Error(`${seen}`);
        return true;
      },
      { timeout: 30_000 },
    );
  }

  async call(name: string, media: Media = "video"): Promise<void> {
    const word = media === "video" ? "Video" : "Voice";
    await this.row(name).getByRole("button", { name: `${word} call ${name}` }).click();
  }

  async createChannel(channel: string, members: string[]): Promise<void> {
    await this.page.getByRole("button", { name: "New channel" }).click();
    const dialog = this.page.getByRole("dialog", { name: "New channel" });
    await dialog.getByRole("textbox", { name: "Name" }).fill(channel);
    for (const member of members) await dialog.getByRole("checkbox", { name: member }).click();
    await dialog.getByRole("button", { name: "Create channel" }).click();
    await this.channel(channel).waitFor();
  }

  /** The line of a channel in the sidebar. */
  channel(name: string): Locator {
    const list = this.page.getByRole("list", { name: "Channels", exact: true });
    return list.getByRole("listitem").filter({ has: this.page.getByRole("link", { name }) });
  }

  /** The dialog while a call rings here. */
  ring(from: string, media: Media = "video", channel?: string): Locator {
    const where = channel === undefined ? "" : ` in ${channel}`;
    return this.page.getByRole("alertdialog", { name: `Incoming ${media} call from ${from}${where}`, exact: true });
  }

  async accept(from: string, media: Media = "video", channel?: string): Promise<void> {
    await this.ring(from, media, channel).getByRole("button", { name: `Accept with ${media}` }).click();
  }

  /** The call, while in one. */
  get stage(): Locator {
    return this.page.getByRole("region", { name: /^(Call with |Call in |Group call)/ }).and(this.page.locator("[data-connection]"));
  }

  async inCall(): Promise<void> {
    await this.page.locator('[data-connection="connected"]').waitFor({ timeout: 45_000 });
  }

  /** The tile of somebody's camera. */
  tile(name: string): Locator {
    return this.page.getByRole("article", { name, exact: true });
  }
  video(name: string): Locator {
    return this.tile(name).locator("video");
  }
  screen(name: string): Locator {
    return this.page.getByRole("article", { name: `${name}’s screen`, exact: true });
  }

  /** The element that plays somebody's microphone here. */
  async voice(name: string): Promise<Locator> {
    const id = await this.tile(name).getAttribute("data-user-id");
    return this.page.locator(`audio[data-user-id="${id}"][data-source="microphone"]`);
  }
  async screenSound(name: string): Promise<Locator> {
    const id = await this.tile(name).getAttribute("data-user-id");
    return this.page.locator(`audio[data-user-id="${id}"][data-source="screen_share_audio"]`);
  }

  control(name: "Microphone" | "Camera" | "Share screen" | "Devices" | "Leave call" | "Cancel call"): Locator {
    return this.page.getByRole("toolbar", { name: "Call controls" }).getByRole("button", { name, exact: true });
  }

  /** Presses a toggle and waits until it says what it now is. */
  async toggle(name: "Microphone" | "Camera" | "Share screen", on: boolean): Promise<void> {
    await this.control(name).click();
    await this.page
      .getByRole("toolbar", { name: "Call controls" })
      .getByRole("button", { name, exact: true, pressed: on })
      .waitFor();
  }

  /** Whether a second call may ring: among the devices, while in a call. */
  async callWaiting(on: boolean): Promise<void> {
    await this.control("Devices").click();
    await this.page.getByRole("checkbox", { name: "Let a second call ring" }).setChecked(on);
    await this.page.keyboard.press("Escape");
  }

  /** Opens or closes what stands beside the stage. */
  async panel(name: "People" | "Chat", open = true): Promise<Locator> {
    const button = this.page.getByRole("toolbar", { name: "Call controls" }).getByRole("button", { name: new RegExp(`^${name}`) });
    if ((await button.getAttribute("aria-pressed")) !== String(open)) await button.click();
    return this.page.getByRole("complementary", { name: name === "People" ? "People in the call" : "Chat", exact: true });
  }

  /** An act on another participant, by the host. */
  async actOn(name: string, act: string): Promise<void> {
    const panel = await this.panel("People");
    await panel.getByRole("button", { name: `Actions for ${name}` }).click();
    await this.page.getByRole("menuitem", { name: act, exact: true }).click();
  }

  /** Hands the call over to somebody. */
  async transfer(name: string, how: "Transfer now" | "Talk first"): Promise<void> {
    await (await this.panel("People")).getByRole("button", { name: "Transfer call" }).click();
    const dialog = this.page.getByRole("dialog", { name: "Transfer call" });
    await dialog.getByRole("radio", { name }).check();
    await dialog.getByRole("button", { name: how }).click();
    await this.panel("People", false);
  }

  /** What to know of the call when it goes wrong. */
  async describe(): Promise<string> {
    const call = this.page.locator("[data-connection]");
    const state = await call.evaluateAll((all) => all.map((e) => `${e.getAttribute("data-connection")} by ${e.getAttribute("data-path")}`));
    return [`${this.name}: ${state.join(", ") || "no call"}`, ...(await describeConnections(this.page))].join("\n  ");
  }

  async leave(): Promise<void> {
    await this.control("Leave call").click();
  }

  async outOfCall(): Promise<void> {
    await this.page.locator("[data-connection]").waitFor({ state: "detached" });
  }

  async toast(text: string | RegExp): Promise<void> {
    await this.page.locator("[data-sonner-toast]").filter({ hasText: text }).first().waitFor();
  }

  /** Waits for a line of the history that is done, newest first, and answers it. */
  async lastCall(result: string): Promise<HistoryLine> {
    return until(`${this.name}'s history to say ${result}`, async () => {
      const list = this.page.getByRole("list", { name: "Recent calls" });
      // A call in a channel ends on the channel's page.
      if (!(await list.isVisible()) && !new URL(this.page.url()).pathname.endsWith("/history")) {
        await this.page.goto(new URL("/history", this.url).href);
        await this.atHome();
      }
      const line = list.getByRole("listitem").first();
      const seen = await line.getAttribute("data-result", { timeout: 2_000 });
      if (seen !== result) throw new Error(`${seen}`);
      const time = line.locator("time[data-seconds]");
      return {
        direction: await line.getAttribute("data-direction"),
        result: seen,
        seconds: (await time.count()) > 0 ? Number(await time.first().getAttribute("data-seconds")) : null,
        text: await line.innerText(),
      };
    });
  }

  /** The tab's process dies, as when the system runs out of memory. */
  async killTab(): Promise<void> {
    const session = await this.context.newCDPSession(this.page);
    const crashed = this.page.waitForEvent("crash");
    session.send("Page.crash").catch(() => undefined);
    await crashed;
    await this.page.close();
  }

  /** A new tab with the same cookies, as after a crash. */
  async comeBack(): Promise<void> {
    this.current = await openPage(this.context, this.name);
    await this.current.goto(this.url);
    await this.atHome();
  }
}

/** Each of the two sees the other's colour move and hears the other's tone. */
export async function meet(one: Person, other: Person): Promise<void> {
  for (const [me, you] of [[one, other], [other, one]] as const) {
    await sees(me.video(you.name), you.who);
    await hears(await me.voice(you.name), you.who);
  }
}
