// Three in a channel, one of whom comes late and one whose tab dies and comes back.
import { afterAll, describe, expect, it } from "vitest";
import { alice, bob, carol } from "../support/media.ts";
import { hears, keepsPlaying, sees } from "../support/look.ts";
import { meet } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

describe("a call in a channel", () => {
  afterAll(closeBrowsers);

  it("lets a third person join late, and somebody rejoin whose tab crashed", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await a.createChannel("Agora", ["Bob", "Carol"]);
      await Promise.all([b.channel("Agora").waitFor(), c.channel("Agora").waitFor()]);
      await a.channel("Agora").getByRole("button", { name: "Video call Agora" }).click();
      await b.accept("Alice", "video", "Agora");
      await c.ring("Alice", "video", "Agora").getByRole("button", { name: "Decline" }).click();
      await Promise.all([a.inCall(), b.inCall()]);
      await meet(a, b);

      await c.channel("Agora").getByRole("button", { name: "Join call in Agora" }).click();
      await c.page.locator('[data-connection]').waitFor();
      await c.inCall();
      await meet(a, c);
      await meet(b, c);

      await b.killTab();
      await b.comeBack();
      await b.page.getByRole("button", { name: "Rejoin" }).click();
      await b.inCall();
      await meet(a, b);
      await meet(b, c);
      expect(await a.page.getByRole("article", { name: "Bob", exact: true }).count()).toBe(1);

      // One leaves, the others go on; the last but one leaves, and in a group the last stays until leaving.
      await a.leave();
      await a.outOfCall();
      await b.tile("Alice").waitFor({ state: "detached" });
      expect(await keepsPlaying(b.video("Carol"))).toBe(true);
      await sees(b.video("Carol"), carol);
      await hears(await c.voice("Bob"), bob);
      await b.leave();
      await c.leave();
      for (const person of [a, b, c]) {
        await person.outOfCall();
        const line = await person.lastCall("completed");
        expect(line.text).toContain("Agora");
        expect(line.seconds).toBeGreaterThan(0);
        expect(line.direction).toBe(person === a ? "outgoing" : "incoming");
      }
    });
  });
});
