// Alice calls Bob.
import { afterAll, describe, expect, it } from "vitest";
import { fakeScreen, alice, bob } from "../support/media.ts";
import { hears, hearsNothing, keepsPlaying, lookAt, sees } from "../support/look.ts";
import { sleep, until } from "../support/wait.ts";
import { meet } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

describe("a one-to-one call", () => {
  afterAll(closeBrowsers);

  it("rings, connects, carries media both ways, and is in both histories with its duration", async () => {
    await scene(async ({ guest }) => {
      const a = await guest(alice);
      const b = await guest(bob);
      await a.seesPresence("Bob", "online");
      await a.call("Bob", "video");
      await b.ring("Alice").waitFor();
      await b.accept("Alice");
      await Promise.all([a.inCall(), b.inCall()]);
      const connected = Date.now();
      await meet(a, b);
      await a.seesPresence("Bob", "in_call");

      // Own pictures show oneself.
      await sees(a.tile("You").locator("video"), alice);

      // Mute is seen and heard.
      await a.toggle("Microphone", false);
      await b.page.locator('article[data-kind="camera"][aria-label="Alice"][data-muted="true"]').waitFor();
      await hearsNothing(await b.voice("Alice"), alice);
      await a.toggle("Microphone", true);
      await b.page.locator('article[aria-label="Alice"][data-muted="false"]').waitFor();
      await hears(await b.voice("Alice"), alice);

      // Camera off is seen; on again, the picture returns.
      await b.toggle("Camera", false);
      await a.page.locator('article[aria-label="Bob"][data-camera="off"]').waitFor();
      await b.toggle("Camera", true);
      await a.page.locator('article[aria-label="Bob"][data-camera="on"]').waitFor();
      await sees(a.video("Bob"), bob);

      // A shared screen stands beside the camera, which goes on.
      await a.toggle("Share screen", true);
      await b.screen("Alice").waitFor();
      await until("the shared screen's picture", async () => {
        const sight = await lookAt(b.screen("Alice").locator("video"));
        if (sight === null) throw new Error("no frame");
        const far = Math.hypot(...sight.colour.map((c, i) => c - (fakeScreen[i] ?? 0)));
        if (far > 60) throw new Error(`colour ${sight.colour.join(",")}`);
        return true;
      });
      expect(await keepsPlaying(b.screen("Alice").locator("video"))).toBe(true);
      await sees(b.video("Alice"), alice);
      await a.toggle("Share screen", false);
      await b.screen("Alice").waitFor({ state: "detached" });

      const talked = (Date.now() - connected) / 1000;
      await a.leave();
      await Promise.all([a.outOfCall(), b.outOfCall()]);
      const [mine, yours] = [await a.lastCall("completed"), await b.lastCall("completed")];
      expect(mine.direction).toBe("outgoing");
      expect(yours.direction).toBe("incoming");
      expect(mine.text).toContain("Bob");
      expect(yours.text).toContain("Alice");
      expect(mine.seconds).toBe(yours.seconds);
      expect(mine.seconds).toBeGreaterThanOrEqual(Math.floor(talked) - 1);
      expect(mine.seconds).toBeLessThan(talked + 15);
      await a.seesPresence("Bob", "online");
    });
  });

  it("is a voice call without cameras if started as one", async () => {
    await scene(async ({ guest }) => {
      const a = await guest(alice);
      const b = await guest(bob);
      await a.call("Bob", "voice");
      await b.accept("Alice", "voice");
      await Promise.all([a.inCall(), b.inCall()]);
      await hears(await a.voice("Bob"), bob);
      await hears(await b.voice("Alice"), alice);
      expect(await a.tile("Bob").getAttribute("data-camera")).toBe("off");
      expect(await b.tile("Alice").getAttribute("data-camera")).toBe("off");
      await b.leave();
      await Promise.all([a.outOfCall(), b.outOfCall()]);
      expect((await a.lastCall("completed")).direction).toBe("outgoing");
    });
  });

  it("reaches a callee who signs in while it rings, or reloads the page", async () => {
    await scene(async ({ guest, stoa }) => {
      const b = await guest(bob);
      const a = await guest(alice);
      await b.page.goto("about:blank");
      await a.call("Bob", "video");
      await sleep(500);
      await b.page.goto(stoa.url);
      await b.accept("Alice");
      await Promise.all([a.inCall(), b.inCall()]);
      await b.page.reload();
      await b.page.getByRole("button", { name: "Rejoin" }).click();
      await b.inCall();
      await meet(a, b);
      await a.leave();
      await b.outOfCall();
    });
  });
});
