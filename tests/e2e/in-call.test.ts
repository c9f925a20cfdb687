// What may be done with a call that runs: hold, transfer, invite, remove, mute, a second call, and calling at once.
import { afterAll, describe, expect, it } from "vitest";
import { hears, hearsNothing, keepsPlaying, sees } from "../support/look.ts";
import { alice, bob, carol } from "../support/media.ts";
import { meet, type Person } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

async function talk(a: Person, b: Person): Promise<void> {
  await a.call(b.name);
  await b.accept(a.name);
  await Promise.all([a.inCall(), b.inCall()]);
  await meet(a, b);
}

const heldTile = (who: Person, name: string) => who.page.locator(`article[aria-label="${name}"][data-held="true"]`);

describe("in a call", () => {
  afterAll(closeBrowsers);

  it("hold: neither hears or sees the other until the call is resumed", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await talk(a, b);
      await a.page.keyboard.press("h");
      await a.page.getByText("You put this call on hold").waitFor();
      await heldTile(b, "Alice").waitFor();
      await b.page.locator('article[aria-label="Alice"][data-camera="off"]').waitFor();
      await hearsNothing(await b.voice("Alice"), alice);
      expect(await a.page.locator("audio[data-user-id]").count(), "what is on hold is not played").toBe(0);
      await a.page.getByRole("button", { name: "Resume" }).click();
      await heldTile(b, "Alice").waitFor({ state: "detached" });
      await meet(a, b);
      await a.leave();
      await b.outOfCall();
    });
  });

  it("blind transfer: you're out of the call once the target answers", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b);
      await b.transfer("Carol", "Transfer now");
      await b.page.getByRole("region", { name: "Transfer" }).getByText("Transferring to Carol").waitFor();
      await c.page.getByRole("alertdialog").getByRole("button", { name: "Accept with video" }).click();
      await b.outOfCall();
      await b.toast("Call transferred to Carol");
      await c.inCall();
      await meet(a, c);
      await a.leave();
      await c.outOfCall();
    });
  });

  it("declined blind transfer: the call goes on, and you're told", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b);
      await b.transfer("Carol", "Transfer now");
      await c.page.getByRole("alertdialog").getByRole("button", { name: "Decline" }).click();
      await b.toast("Carol didn’t take the call");
      await b.page.getByRole("region", { name: "Transfer" }).waitFor({ state: "detached" });
      await meet(a, b);
      await a.leave();
      await b.outOfCall();
    });
  });

  it("attended transfer: talk first, then complete it", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b);
      await b.transfer("Carol", "Talk first");
      await a.page.locator(".stoa-hold").getByText("Bob put you on hold").waitFor();
      await c.page.getByRole("alertdialog").getByRole("button", { name: "Accept with video" }).click();
      await c.inCall();
      await meet(b, c);
      await hearsNothing(await c.voice("Alice").catch(() => c.voice("Bob")), alice);
      await b.page.getByRole("button", { name: "Complete transfer" }).click();
      await b.outOfCall();
      await a.page.locator(".stoa-hold").waitFor({ state: "detached" });
      await meet(a, c);
      await a.leave();
      await c.outOfCall();
    });
  });

  it("cancelled attended transfer: back to the first person", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b);
      await b.transfer("Carol", "Talk first");
      await c.page.getByRole("alertdialog").getByRole("button", { name: "Accept with video" }).click();
      await c.inCall();
      await b.page.getByRole("button", { name: "Cancel transfer" }).click();
      await c.outOfCall();
      await a.page.locator(".stoa-hold").waitFor({ state: "detached" });
      await meet(a, b);
      await a.leave();
      await b.outOfCall();
    });
  });

  it("invite and remove: a third person joins, is removed, and the other two go on", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b);
      await (await a.panel("People")).getByRole("button", { name: "Invite people" }).click();
      await a.page.getByRole("checkbox", { name: "Carol" }).check();
      await a.page.getByRole("button", { name: "Invite", exact: true }).click();
      // Bob sees whom Alice rings in.
      await (await b.panel("People")).locator("li", { hasText: "Carol" }).getByText("Ringing…").waitFor();
      await c.page.getByRole("alertdialog").getByRole("button", { name: "Accept with video" }).click();
      await c.inCall();
      await meet(b, c);
      await a.actOn("Carol", "Remove from call");
      await c.outOfCall();
      await c.toast("You were removed from the call");
      await b.tile("Carol").waitFor({ state: "detached" });
      expect(await keepsPlaying(b.video("Alice"))).toBe(true);
      await sees(b.video("Alice"), alice);
      // Only who calls may do that.
      expect(await (await b.panel("People")).getByRole("button", { name: /^Actions for/ }).count()).toBe(0);
    });
  });

  it("mute: you can unmute yourself, unless you were muted and locked", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await talk(a, b);
      await a.actOn("Bob", "Mute");
      await b.toast("Alice muted you");
      await a.page.locator('article[aria-label="Bob"][data-muted="true"]').waitFor();
      await hearsNothing(await a.voice("Bob"), bob);
      await b.toggle("Microphone", true);
      await hears(await a.voice("Bob"), bob);

      await a.actOn("Bob", "Mute and lock");
      await b.page.getByRole("button", { name: "Microphone", exact: true, disabled: true }).waitFor();
      await b.control("Microphone").click({ force: true });
      await b.page.keyboard.press("m");
      await hearsNothing(await a.voice("Bob"), bob);
      expect(await b.control("Microphone").getAttribute("title")).toContain("Alice muted you. You can’t unmute");
      await a.actOn("Bob", "Let them unmute");
      await b.page.getByRole("button", { name: "Microphone", exact: true, disabled: false }).waitFor();
      await b.toggle("Microphone", true);
      await hears(await a.voice("Bob"), bob);
    });
  });

  it("call waiting: a second call rings; the first goes on hold and is resumed", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b);
      await c.call("Bob");
      const knock = b.page.getByRole("alert", { name: "Another call" });
      await knock.getByText("Carol is calling").waitFor();
      await meet(a, b);
      await knock.getByRole("button", { name: "Hold and accept" }).click();
      await c.inCall();
      await meet(b, c);
      await heldTile(a, "Bob").waitFor();
      await b.page.getByRole("region", { name: "Calls on hold" }).getByRole("button", { name: "Switch" }).click();
      await meet(a, b);
      await heldTile(c, "Bob").waitFor();
      await a.leave();
      await b.page.getByRole("region", { name: "Calls on hold" }).getByRole("button", { name: "Resume" }).click();
      await meet(b, c);
      await b.leave();
      await c.outOfCall();
    });
  });

  it("glare: two people who call each other at once end up in one call", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await Promise.all([a.seesPresence("Bob", "online"), b.seesPresence("Alice", "online")]);
      // Both press at one moment of the clock: found first, since a call that rings covers the list.
      const at = Date.now() + 1_000;
      const press = async (who: Person, name: string) => {
        const button = await who.row(name).getByRole("button", { name: `Video call ${name}` }).elementHandle();
        await button?.evaluate((element: HTMLElement, when) => void setTimeout(() => element.click(), when - Date.now()), at);
      };
      await Promise.all([press(a, "Bob"), press(b, "Alice")]);
      await Promise.all([a.inCall(), b.inCall()]);
      await meet(a, b);
      await a.leave();
      await Promise.all([a.outOfCall(), b.outOfCall()]);
      const list = a.page.getByRole("list", { name: "Recent calls" }).getByRole("listitem");
      await a.lastCall("completed");
      expect(await list.count()).toBe(1);
    });
  });

  it("glare: calling somebody who is calling you connects the two and stops the ringing, whichever call remains", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await Promise.all([a.seesPresence("Bob", "online"), b.seesPresence("Alice", "online")]);
      // The call asked for later has the lowest id there is, so that the one that rings gives its name up.
      await b.page.evaluate(() => {
        crypto.getRandomValues = (into) => into;
      });
      const back = await b.row("Alice").getByRole("button", { name: "Video call Alice" }).elementHandle();
      await a.call("Bob");
      await b.ring("Alice").waitFor();
      await back?.evaluate((button: HTMLElement) => button.click());
      await Promise.all([a.inCall(), b.inCall()]);
      await meet(a, b);
      const rings = b.page.getByText("Alice is calling").or(b.page.getByRole("alertdialog"));
      expect(await rings.count(), "while they talk").toBe(0);
      await a.leave();
      await Promise.all([a.outOfCall(), b.outOfCall()]);
      await b.lastCall("completed");
      expect(await rings.count(), "after it").toBe(0);
    });
  });

  it("shows how good the connection is", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await talk(a, b);
      const bars = a.page.getByRole("button", { name: /^Connection: (excellent|good|fair|poor)$/ });
      await bars.waitFor();
      await bars.click();
      await a.page.getByRole("dialog").getByText("Packet loss").waitFor();
      await a.page.getByRole("dialog").locator("dd").filter({ hasText: /\d+(\.\d)? ms/ }).first().waitFor({ timeout: 30_000 });
    });
  });
});
