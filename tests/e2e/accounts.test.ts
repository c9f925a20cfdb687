// Signing in to the web app.
import { afterAll, describe, expect, it } from "vitest";
import { alice, bob } from "../support/media.ts";
import { closeBrowsers, scene } from "./scene.ts";

describe("accounts", () => {
  afterAll(closeBrowsers);

  it("can be created, signed out of and back in to; a wrong password says so and no more", async () => {
    await scene(
      async ({ arrive }) => {
        const a = await arrive(alice);
        expect(await a.page.getByRole("button", { name: "Continue as guest" }).count()).toBe(0);
        await a.createAccount("alice", "a long enough password");
        await a.signOut();
        await a.fillSignIn("alice", "not the password");
        const wrong = await a.page.getByRole("alert").innerText();
        await a.fillSignIn("nobody-here", "not the password");
        expect(await a.page.getByRole("alert").innerText()).toBe(wrong);
        await a.signIn("alice", "a long enough password");
        await a.page.reload();
        await a.atHome();
      },
      { dev: false },
    );
  });

  it("see each other come and go", async () => {
    await scene(async ({ guest }) => {
      const [a, b] = [await guest(alice), await guest(bob)];
      await a.seesPresence("Bob", "online");
      await b.page.goto("about:blank");
      await a.seesPresence("Bob", "offline");
    });
  });

  it("load nothing from any other host", async () => {
    await scene(async ({ arrive, stoa }) => {
      const a = await arrive(alice);
      const asked: string[] = [];
      a.page.on("request", (request) => asked.push(new URL(request.url()).host));
      await a.page.getByRole("textbox", { name: "Your name" }).fill("Alice");
      await a.page.getByRole("button", { name: "Continue as guest" }).click();
      await a.atHome();
      await a.page.reload();
      await a.atHome();
      expect(asked.length).toBeGreaterThan(3);
      expect(new Set(asked)).toEqual(new Set([new URL(stoa.url).host]));
    });
  });
});
