// What the screens of a call show and where its controls stand: on phones, by day, while things are waited for or missing.
import type { Page } from "playwright-core";
import { afterAll, describe, expect, it } from "vitest";
import { startBrowser } from "../support/browser.ts";
import { sees } from "../support/look.ts";
import { alice, bob, carol } from "../support/media.ts";
import { until } from "../support/wait.ts";
import { Person, type Media } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

async function talk(a: Person, b: Person, media: Media = "video"): Promise<void> {
  await a.call(b.name, media);
  await b.accept(a.name, media);
  await Promise.all([a.inCall(), b.inCall()]);
}

/** The buttons of the call that a finger would miss, by name and size. */
function hardToPress(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>(".stoa-call button")]
      .map((button) => ({ name: button.getAttribute("aria-label") ?? button.textContent, box: button.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 44 || box.height < 44 || box.left < 0 || box.right > innerWidth || box.bottom > innerHeight)
      .map(({ name, box }) => `${name}: ${Math.round(box.width)}×${Math.round(box.height)} from ${Math.round(box.left)} to ${Math.round(box.right)}`),
  );
}

/** How bright what stands at a selector is, 0 to 255. */
function brightness(page: Page, selector: string): Promise<number> {
  return page.locator(selector).first().evaluate((element) => {
    const canvas = document.createElement("canvas").getContext("2d");
    if (canvas === null) throw new Error("no canvas");
    canvas.fillStyle = getComputedStyle(element).backgroundColor;
    canvas.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0] = canvas.getImageData(0, 0, 1, 1).data;
    return (r + g + b) / 3;
  });
}

describe("the screens of a call", () => {
  afterAll(closeBrowsers);

  it("have every button within reach of a finger, however narrow the phone", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.seesPresence("Bob", "online");
      for (const width of [320, 390]) {
        await a.page.setViewportSize({ width, height: 690 });
        await a.page.getByRole("link", { name: "People" }).click();
        await talk(a, b);
        expect(await hardToPress(a.page), `at ${width}`).toEqual([]);
        await a.panel("People");
        expect(await hardToPress(a.page), `at ${width} with the panel`).toEqual([]);
        await a.panel("Chat");
        expect(await hardToPress(a.page), `at ${width} with the chat`).toEqual([]);
        await a.leave();
        await b.outOfCall();
      }
    });
  });

  it("are dark in the light theme too, along with everything that opens over them", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.page.emulateMedia({ colorScheme: "light" });
      await talk(a, b, "voice");
      await a.control("Devices").click();
      expect(await brightness(a.page, ".stoa-popover"), "devices").toBeLessThan(80);
      await a.page.keyboard.press("Escape");
      const panel = await a.panel("People");
      await panel.getByRole("button", { name: "Actions for Bob" }).click();
      expect(await brightness(a.page, ".stoa-menu"), "menu").toBeLessThan(80);
      await a.page.getByRole("menuitem", { name: "Mute", exact: true }).click();
      await b.toast("Alice muted you");
      await panel.getByRole("button", { name: "Invite people" }).click();
      expect(await brightness(a.page, ".stoa-dialog"), "dialog").toBeLessThan(80);
      await a.page.keyboard.press("Escape");
      await b.page.emulateMedia({ colorScheme: "light" });
      expect(await brightness(b.page, "[data-sonner-toast]"), "toast").toBeLessThan(80);
      await a.leave();
      await a.outOfCall();
      expect(await brightness(a.page, "body"), "by day again").toBeGreaterThan(200);
    });
  });

  it("say that they're waiting for video while a camera is on but shows none yet", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      // A camera that gives a picture only once it is told to.
      await b.page.evaluate((colour) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [640, 360];
        const context = canvas.getContext("2d");
        const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (wanted) => {
          const stream = await ask(wanted);
          for (const track of stream.getVideoTracks()) {
            stream.removeTrack(track);
            stream.addTrack(canvas.captureStream().getVideoTracks()[0] as MediaStreamTrack);
          }
          return stream;
        };
        let frame = 0;
        Object.assign(globalThis, {
          film: () =>
            setInterval(() => {
              if (context === null) return;
              context.fillStyle = `rgb(${colour.join(" ")})`;
              context.fillRect(0, 0, 640, 360);
              context.fillStyle = "white";
              context.fillRect(((frame += 1) % 28) * 20, 0, 80, 360);
            }, 70),
        });
      }, bob.colour);
      await talk(a, b);
      await a.tile("Bob").getByText("Waiting for video…").waitFor();
      expect(await a.tile("Bob").locator(".stoa-avatar").isVisible()).toBe(true);
      await b.page.evaluate(() => (globalThis as unknown as { film(): number }).film());
      await a.tile("Bob").getByText("Waiting for video…").waitFor({ state: "detached" });
      await sees(a.video("Bob"), bob);
      expect(await a.tile("Bob").locator(".stoa-avatar").count()).toBe(0);
    });
  });

  it("say who is on hold beside their picture, not on it", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await talk(a, b);
      await b.page.keyboard.press("h");
      const held = a.tile("Bob").getByText("On hold");
      for (const [width, height] of [[320, 640], [390, 760], [1440, 900]] as const) {
        await a.page.setViewportSize({ width, height });
        await held.waitFor();
        const [picture, sign] = [await a.tile("Bob").locator(".stoa-avatar").boundingBox(), await held.boundingBox()];
        if (picture === null || sign === null) throw new Error(`nothing to see at ${width}`);
        expect(sign.y, `at ${width}`).toBeGreaterThanOrEqual(picture.y + picture.height);
      }
    });
  });

  it("give the presenter a way to stop, and don't mirror their screen", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await talk(a, b);
      await a.toggle("Share screen", true);
      await b.screen("Alice").waitFor();
      const bar = a.page.getByRole("region", { name: "Your screen" });
      await bar.getByText("You’re sharing your screen").waitFor();
      expect(await a.page.locator('article[data-kind="screen"]').count()).toBe(0);
      await bar.getByRole("button", { name: "Stop sharing" }).click();
      await b.screen("Alice").waitFor({ state: "detached" });
      await bar.waitFor({ state: "detached" });
    });
  });

  it("keep saying what is missing, and offer to try again or continue without", async () => {
    const browser = await startBrowser(alice, { asks: true });
    await scene(async ({ guest, stoa }) => {
      const [b, a] = [await guest(bob), await Person.guest(browser, stoa.url, alice)];
      await talk(a, b);
      const notice = a.page.getByRole("alert", { name: "Camera and microphone" });
      await notice.getByText("No one can hear or see you").waitFor();
      await notice.getByText("Allow both in the address bar").waitFor();
      await notice.getByRole("button", { name: "Try again" }).click();
      await notice.getByRole("button", { name: "Try again" }).waitFor();

      await a.context.grantPermissions(["microphone", "camera"]);
      await notice.getByRole("button", { name: "Try again" }).click();
      await notice.waitFor({ state: "detached" });
      await sees(b.video("Alice"), alice);
      await b.page.locator('article[aria-label="Alice"][data-muted="false"]').waitFor();
      await a.leave();
      await b.outOfCall();

      await a.context.clearPermissions();
      await talk(a, b, "voice");
      await notice.getByText("No one can hear you").waitFor();
      await notice.getByRole("button", { name: "Continue without" }).click();
      await notice.waitFor({ state: "detached" });
      await a.page.getByRole("button", { name: "Microphone", exact: true, pressed: false }).waitFor();
    }).finally(() => browser.close());
  });
});

describe("the screens around a call", () => {
  afterAll(closeBrowsers);

  it("tell people of one name apart wherever one is chosen", async () => {
    await scene(async ({ guest }) => {
      const a = await guest(alice);
      const namesakes = [await guest(bob), await guest(bob)];
      const rows = a.page.getByRole("list", { name: "People", exact: true }).getByRole("listitem").filter({ hasText: "Bob (" });
      await until("both", async () => (await rows.count()) === namesakes.length);
      const names = await rows.getByRole("link").allInnerTexts();
      const ids = await rows.evaluateAll((all) => all.map((row) => row.getAttribute("data-user-id") ?? ""));
      expect(new Set(names).size).toBe(2);
      for (const [i, name] of names.entries()) expect(`Bob (…${ids[i]?.slice(-(name.length - "Bob (…)".length))})`).toBe(name);

      const [one = "", other = ""] = names;
      await a.call(one, "voice");
      const callee = await Promise.any(namesakes.map((person) => person.ring("Alice", "voice").waitFor().then(() => person)));
      await callee.accept("Alice", "voice");
      await a.inCall();
      expect(await a.tile(one).getAttribute("data-user-id")).toBe(ids[0]);
      await a.stage.and(a.page.getByRole("region", { name: `Call with ${one}`, exact: true })).waitFor();
      const panel = await a.panel("People");
      await panel.getByRole("button", { name: `Actions for ${one}` }).waitFor();
      for (const [button, kind] of [["Invite people", "checkbox"], ["Transfer call", "radio"]] as const) {
        await panel.getByRole("button", { name: button }).click();
        const choices = a.page.getByRole("dialog", { name: button }).getByRole(kind);
        await until("a choice", async () => (await choices.count()) === 1);
        expect(await choices.first().getAttribute("aria-label")).toBe(other);
        await a.page.keyboard.press("Escape");
      }
    });
  });

  it("say that they're loading, not that nobody is there", async () => {
    await scene(async ({ guest }) => {
      const a = await guest(alice);
      await guest(bob);
      await a.seesPresence("Bob", "online");
      let go = (): void => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      await a.page.route("**/api/users*", async (route) => {
        await gate;
        await route.continue();
      });
      await a.page.reload();
      await a.atHome();
      const people = a.page.getByRole("region", { name: "People" });
      await people.getByText("Loading…").waitFor();
      expect(await people.getByText("just you so far").count()).toBe(0);
      go();
      await a.row("Bob").waitFor();
    });
  });

  it("lead back into a running group call from a phone's list of recent calls", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await talk(a, b, "voice");
      await (await a.panel("People")).getByRole("button", { name: "Invite people" }).click();
      await a.page.getByRole("checkbox", { name: "Carol" }).check();
      await a.page.getByRole("button", { name: "Invite", exact: true }).click();
      await c.page.setViewportSize({ width: 390, height: 800 });
      await c.accept("Alice", "voice");
      await c.inCall();
      await c.leave();
      await c.outOfCall();
      const line = c.page.getByRole("list", { name: "Recent calls" }).getByRole("listitem").first();
      await line.getByRole("button", { name: /^Join the call with/ }).click();
      await c.inCall();
      await until("all three to be there", async () => (await c.page.locator('article[data-kind="camera"]').count()) === 3);
      await c.leave();
      await a.leave();
      await b.leave();
      await c.outOfCall();
      await line.getByRole("button", { name: /again$/ }).waitFor();
    });
  });
});
