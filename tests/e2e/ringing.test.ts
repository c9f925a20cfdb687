// The calls that never come to talking, and the two devices of one person.
import { afterAll, describe, expect, it } from "vitest";
import { alice, bob, carol } from "../support/media.ts";
import { meet } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

describe("ringing", () => {
  afterAll(closeBrowsers);

  it("declined: the caller is told, both histories say so", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.call("Bob");
      await b.ring("Alice").getByRole("button", { name: "Decline" }).click();
      await a.toast("Bob declined");
      await a.outOfCall();
      const [mine, yours] = [await a.lastCall("declined"), await b.lastCall("declined")];
      expect([mine.direction, yours.direction]).toEqual(["outgoing", "incoming"]);
      expect([mine.seconds, yours.seconds]).toEqual([null, null]);
    });
  });

  it("cancelled: the ringing stops, and the callee has a missed call", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.call("Bob", "voice");
      await b.ring("Alice", "voice").waitFor();
      await a.page.getByRole("region", { name: "Calling Bob" }).getByRole("button", { name: "Cancel call" }).click();
      await b.ring("Alice", "voice").waitFor({ state: "detached" });
      await b.toast("Missed call from Alice");
      await a.lastCall("cancelled");
      await b.lastCall("missed");
    });
  });

  it("no answer: it stops after the ring time, and the callee can call back", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.call("Bob");
      await b.ring("Alice").waitFor();
      await b.ring("Alice").waitFor({ state: "detached", timeout: 60_000 });
      await a.toast("No answer from Bob");
      await b.toast("Missed call from Alice");
      await a.lastCall("no_answer");
      await b.lastCall("missed");
      await b.page.getByRole("list", { name: "Recent calls" }).getByRole("button", { name: "Call Alice back" }).click();
      await a.accept("Bob");
      await Promise.all([a.inCall(), b.inCall()]);
      await meet(a, b);
      await b.leave();
      await a.outOfCall();
    }, { config: '[call]\nring_timeout = "6s"\n' });
  });

  it("busy: somebody already in a call isn't rung, and the caller is told", async () => {
    await scene(async ({ guest }) => {
      const [a, b, c] = [await guest(alice), await guest(bob), await guest(carol)];
      await a.call("Bob");
      await b.accept("Alice");
      await Promise.all([a.inCall(), b.inCall()]);
      await c.seesPresence("Bob", "in_call");
      await b.callWaiting(false);
      await c.call("Bob");
      await c.toast("Bob is busy");
      await c.lastCall("busy");
      expect(await b.page.getByRole("alertdialog").count()).toBe(0);
      await meet(a, b);
      await a.leave();
      await b.outOfCall();
    });
  });

  it("answered on the second device: the first one stops ringing and stays out", async () => {
    await scene(async ({ guest, arrive }) => {
      const a = await guest(alice);
      const first = await arrive(bob, 0);
      await first.createAccount("bob", "correct horse battery");
      const second = await arrive(bob, 1);
      await second.signIn("bob", "correct horse battery");
      await a.seesPresence("Bob", "online");
      await a.call("Bob");
      await Promise.all([first.ring("Alice").waitFor(), second.ring("Alice").waitFor()]);
      await second.accept("Alice");
      await first.ring("Alice").waitFor({ state: "detached" });
      await first.toast("Answered on another device");
      await Promise.all([a.inCall(), second.inCall()]);
      await meet(a, second);
      expect(await first.page.locator("[data-connection]").count()).toBe(0);
      await a.leave();
      await second.outOfCall();
      await first.lastCall("completed");
    });
  });
});
