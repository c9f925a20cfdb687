// What comes unasked while somebody types: it takes no key that was meant for a field.
import { afterAll, describe, expect, it } from "vitest";
import { alice, bob, carol } from "../support/media.ts";
import { until } from "../support/wait.ts";
import type { Person } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

// Spaces press buttons; c, m, v, p, d, h and s are keys of the call.
const SENTENCE = "come up and see the maps, please; v is my home ";

/** Types as people do, for a few seconds. */
async function type(person: Person): Promise<void> {
  await person.page.keyboard.type(SENTENCE, { delay: 110 });
}

/** The words of every toast from now on. */
async function toasts(person: Person): Promise<() => Promise<string[]>> {
  const told = await person.page.evaluateHandle(() => {
    const words = new Set<string>();
    const read = () => {
      for (const one of document.querySelectorAll("[data-sonner-toast]")) words.add(one.textContent);
    };
    new MutationObserver(read).observe(document.body, { subtree: true, childList: true, characterData: true });
    return words;
  });
  return () => told.evaluate((words) => [...words]);
}

/** Where the focus is: the role of the element. */
function focused(person: Person): Promise<string | null> {
  return person.page.evaluate(() => document.activeElement?.getAttribute("role") ?? document.activeElement?.localName ?? null);
}

describe("typing", () => {
  afterAll(closeBrowsers);

  it("doesn't answer a call that starts ringing, and every letter stays in the field", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.seesPresence("Bob", "online");
      const field = b.page.getByRole("searchbox", { name: "Find people" });
      await field.focus();
      const typed = type(b);
      await until("Bob to have begun", async () => (await field.inputValue()).length > 3);
      await a.call("Bob");
      await b.ring("Alice").waitFor();
      const before = await b.page.locator('input[type="search"]').first().inputValue();
      expect(before.length, "rings while he types").toBeLessThan(SENTENCE.length - 10);
      await typed;
      // The dialog hides what lies under it from readers of screens, so the field is found by what it is.
      expect(await b.page.locator('input[type="search"]').first().inputValue()).toBe(SENTENCE);
      expect(await b.page.locator("[data-connection]").count(), "no call was answered").toBe(0);
      expect(await b.ring("Alice").isVisible(), "it rings on").toBe(true);

      // Then the dialog has the focus, none of its buttons; a space there says nothing, and the keys reach its buttons.
      await until("the dialog to have the focus", async () => (await focused(b)) === "alertdialog");
      await b.page.keyboard.press("Space");
      expect(await b.page.locator("[data-connection]").count()).toBe(0);
      await b.page.keyboard.press("Tab");
      expect(await focused(b)).toBe("button");
      await until("Enter to answer", async () => {
        await b.page.keyboard.press("Enter");
        return (await b.page.locator("[data-connection]").count()) > 0;
      });
      await Promise.all([a.inCall(), b.inCall()]);
      await a.leave();
      await b.outOfCall();
    });
  });

  it("continues in the field, with nothing selected, once the ringing is over", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.seesPresence("Bob", "online");
      const field = b.page.getByRole("searchbox", { name: "Find people" });
      await field.focus();
      await b.page.keyboard.type("Al");
      await a.call("Bob");
      await until("the dialog to have the focus", async () => (await focused(b)) === "alertdialog");
      await b.page.keyboard.press("Escape");
      await b.ring("Alice").waitFor({ state: "detached" });
      await until("the field to have the focus", async () => (await focused(b)) === "input");
      await b.page.keyboard.type("ice");
      expect(await field.inputValue()).toBe("Alice");
      await a.outOfCall();
    });
  });

  it("in the chat triggers nothing when the call ends and the next one rings", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await a.call("Bob", "voice");
      await b.accept("Alice", "voice");
      await Promise.all([a.inCall(), b.inCall()]);
      await c.seesPresence("Bob", "in_call");
      const message = (await b.panel("Chat")).getByRole("textbox", { name: "Message" });
      await message.focus();
      const typed = type(b);
      await until("Bob to have begun", async () => (await message.inputValue()).length > 3);
      await c.call("Bob");
      await b.page.getByRole("alert", { name: "Another call" }).waitFor();
      expect(await message.evaluate((field) => field === document.activeElement), "a knock takes no focus").toBe(true);
      const told = await toasts(b);
      await a.leave();
      await b.ring("Carol").waitFor();
      await typed;
      expect(await b.page.locator("[data-connection]").count(), "Carol's call was not answered").toBe(0);
      expect(await b.ring("Carol").isVisible()).toBe(true);
      expect(await told(), "no word of an end beside a call that rings").toEqual([]);
      await b.ring("Carol").getByRole("button", { name: "Decline" }).click();
      await c.outOfCall();
    });
  });
});
