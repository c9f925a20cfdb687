// By keyboard alone: where the focus is after each thing that takes it away, and which keys do what.
import { afterAll, describe, expect, it } from "vitest";
import { alice, bob, carol } from "../support/media.ts";
import { until } from "../support/wait.ts";
import type { Media, Person } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

/** What has the focus: its name, else its role or its tag. */
function focused({ page }: Person): Promise<string> {
  return page.evaluate(() => {
    const { activeElement: element } = document;
    return element?.getAttribute("aria-label") ?? element?.textContent?.trim().slice(0, 40) ?? "nothing";
  });
}

/** Waits until the focus is within what the selector finds. */
async function focusIn(person: Person, selector: string): Promise<void> {
  await until(`${person.name}'s focus at ${selector}`, async () => {
    const there = await person.page.evaluate((selector) => document.activeElement?.matches(selector), selector);
    if (!there) throw new Error(await focused(person));
    return true;
  });
}

/** Waits until the control of that name has the focus. */
async function focusOn(person: Person, name: string): Promise<void> {
  await until(`${person.name}'s focus on ${name}`, async () => {
    const here = await focused(person);
    if (here !== name) throw new Error(here);
    return true;
  });
}

/** Presses Enter on the focused button of a ringing call until it rings no more: keys that come with the ring answer nothing. */
async function answer(person: Person, caller: string, media: Media): Promise<void> {
  await until(`${person.name}'s answer to be taken`, async () => {
    if ((await person.ring(caller, media).count()) === 0) return true;
    await press(person, "Enter");
    return false;
  });
}

/** Goes on with Tab to the control of that name. */
async function tabTo(person: Person, name: string, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
  const passed: string[] = [];
  for (let steps = 0; steps < 40; steps += 1) {
    await person.page.keyboard.press(key);
    const here = await focused(person);
    if (here === name) return;
    passed.push(here);
  }
  throw new Error(`${key} does not lead to ${name}, but to ${passed.join(", ")}`);
}

async function press(person: Person, ...keys: string[]): Promise<void> {
  for (const key of keys) await person.page.keyboard.press(key);
}

const CONTENT = "#content";
const CALL = "[data-connection]";

describe("by keyboard", () => {
  afterAll(closeBrowsers);

  it("focus is on the page after signing in, after declining and after a call, and in the call during one", async () => {
    await scene(async ({ arrive }) => {
      const [a, b] = [await arrive(alice), await arrive(bob)];
      for (const person of [a, b]) {
        await focusIn(person, "input");
        await person.page.keyboard.type(person.name);
        await press(person, "Enter");
        await person.atHome();
        await focusIn(person, CONTENT);
      }
      await a.seesPresence("Bob", "online");

      await tabTo(a, "Video call Bob", "Shift+Tab");
      await press(a, "Enter");
      await focusIn(a, CALL);
      await b.ring("Alice").waitFor();
      await tabTo(b, "Decline");
      await answer(b, "Alice", "video");
      await focusIn(b, CONTENT);
      await a.outOfCall();
      await focusIn(a, CONTENT);

      await tabTo(a, "Voice call Bob", "Shift+Tab");
      await press(a, "Enter");
      await b.ring("Alice", "voice").waitFor();
      await tabTo(b, "Accept with voice");
      await answer(b, "Alice", "voice");
      await Promise.all([a.inCall(), b.inCall()]);
      await focusIn(b, CALL);

      // What goes away in the call leaves the focus in the call.
      await press(a, "h");
      await tabTo(a, "Resume");
      await press(a, "Enter");
      await a.page.locator(".stoa-hold").waitFor({ state: "detached" });
      await focusIn(a, CALL);

      await tabTo(a, "Microphone");
      await press(a, "End");
      await focusOn(a, "Leave call");
      await press(a, "Enter");
      await Promise.all([a.outOfCall(), b.outOfCall()]);
      await focusIn(a, CONTENT);
      await focusIn(b, CONTENT);

      await tabTo(a, "Account: Alice", "Shift+Tab");
      await press(a, "Enter");
      await focusIn(a, "[role=menu] *, [role=menu]");
      await press(a, "End");
      await focusOn(a, "Sign out");
      await press(a, "Enter");
      await a.page.getByRole("heading", { name: "Sign in to Stoa" }).waitFor();
      await focusIn(a, "input");
    });
  });

  it("the call controls are one tab stop, and arrow keys move between them", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.call("Bob", "voice");
      await b.accept("Alice", "voice");
      await a.inCall();
      await tabTo(a, "Microphone");
      const order = ["Camera", "Share screen", "Hold", "People", "Chat", "Devices", "Leave call", "Microphone"];
      for (const name of order) {
        await press(a, "ArrowRight");
        await focusOn(a, name);
      }
      for (const name of ["Leave call", "Devices"]) {
        await press(a, "ArrowLeft");
        await focusOn(a, name);
      }
      await press(a, "Home");
      await focusOn(a, "Microphone");
      // It remembers where one was, and the next stop is behind it.
      await press(a, "ArrowRight");
      await focusOn(a, "Camera");
      await press(a, "Tab");
      expect(order).not.toContain(await focused(a));
      await tabTo(a, "Camera", "Shift+Tab");
    });
  });

  it("Esc closes the panel wherever the focus is, after anything open over it, and returns to where you were", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await guest(carol);
      await a.call("Bob", "voice");
      await b.accept("Alice", "voice");
      await a.inCall();
      const panel = (name: string) => a.page.getByRole("complementary", { name, exact: true });

      await tabTo(a, "Microphone");
      for (const name of ["Leave call", "Devices", "Chat"]) {
        await press(a, "ArrowLeft");
        await focusOn(a, name);
      }
      await press(a, "Enter");
      await focusIn(a, "input");
      await press(a, "Escape");
      await panel("Chat").waitFor({ state: "detached" });
      await focusOn(a, "Chat");

      await press(a, "p");
      await panel("People in the call").waitFor();
      await tabTo(a, "Invite people", "Shift+Tab");
      await press(a, "Enter");
      await a.page.getByRole("dialog", { name: "Invite people" }).waitFor();
      await press(a, "Escape");
      await a.page.getByRole("dialog", { name: "Invite people" }).waitFor({ state: "detached" });
      expect(await panel("People in the call").isVisible(), "only the dialog was closed").toBe(true);
      await focusOn(a, "Invite people");
      await tabTo(a, "Close", "Shift+Tab");
      await press(a, "Enter");
      await panel("People in the call").waitFor({ state: "detached" });
      await focusOn(a, "Chat");

      await press(a, "p");
      await panel("People in the call").waitFor();
      await tabTo(a, "Chat");
      await press(a, "Escape");
      await panel("People in the call").waitFor({ state: "detached" });
      await focusOn(a, "Chat");

      // A letter in a menu looks for an entry, and mutes nobody.
      await press(a, "p");
      await tabTo(a, "Actions for Bob", "Shift+Tab");
      await press(a, "Enter");
      await a.page.getByRole("menuitem", { name: "Mute", exact: true }).waitFor();
      await press(a, "m");
      await press(a, "Escape");
      await a.page.getByRole("menu").waitFor({ state: "detached" });
      expect(await panel("People in the call").isVisible(), "only the menu was closed").toBe(true);
      expect(await a.control("Microphone").getAttribute("aria-pressed")).toBe("true");
    });
  });

  it("single keys can be turned off, are then no longer mentioned, and stay off in this browser", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      const dialog = a.page.getByRole("dialog", { name: "Keyboard shortcuts" });
      const listed = async (): Promise<string[]> => {
        await tabTo(a, "Account: Alice", "Shift+Tab");
        await press(a, "Enter");
        await a.page.getByRole("menuitem", { name: "Keyboard shortcuts" }).press("Enter");
        await dialog.waitFor();
        return dialog.locator("kbd").allInnerTexts();
      };
      expect(await listed()).toEqual(["M", "V", "S", "H", "P", "C", "D", "←", "→", "Esc"]);
      await press(a, "Escape");
      await dialog.waitFor({ state: "detached" });

      await a.seesPresence("Bob", "online");
      await tabTo(a, "Video call Bob");
      await tabTo(a, "Account: Alice", "Shift+Tab");
      await press(a, "Enter");
      await a.page.getByRole("menuitemcheckbox", { name: "Single-key shortcuts", checked: true }).press("Enter");
      await a.page.getByRole("menuitemcheckbox", { name: "Single-key shortcuts", checked: false }).waitFor();
      await press(a, "Escape");
      await a.page.reload();
      await a.atHome();
      expect(await listed()).toEqual(["←", "→", "Esc"]);
      expect(await dialog.getByRole("checkbox", { name: "Single-key shortcuts" }).isChecked()).toBe(false);
      await press(a, "Escape");

      await a.seesPresence("Bob", "online");
      await a.call("Bob", "voice");
      await b.accept("Alice", "voice");
      await a.inCall();
      const microphone = a.control("Microphone");
      await press(a, "m", "c", "p", "h");
      expect(await microphone.getAttribute("aria-pressed")).toBe("true");
      expect(await a.page.locator(CALL).getByRole("complementary").count()).toBe(0);
      expect([await microphone.getAttribute("title"), await microphone.getAttribute("aria-keyshortcuts")]).toEqual(["Mute", null]);
      // Keys that are no letters go on.
      await a.panel("People");
      await press(a, "Escape");
      await a.page.locator(CALL).getByRole("complementary").waitFor({ state: "detached" });

      await a.control("Devices").press("Enter");
      await a.page.getByRole("checkbox", { name: "Single-key shortcuts" }).press(" ");
      await press(a, "Escape");
      expect([await microphone.getAttribute("title"), await microphone.getAttribute("aria-keyshortcuts")]).toEqual(["Mute (M)", "M"]);
      await press(a, "m");
      await a.page.getByRole("button", { name: "Microphone", pressed: false }).waitFor();
    });
  });
});
