// What stands at which path, for people and for programs.
import { afterAll, describe, expect, it } from "vitest";
import { alice } from "../support/media.ts";
import { closeBrowsers, scene } from "./scene.ts";

/** Each screen of the app, by what is written over it. */
const SCREENS = [
  ["/", "Recent calls"],
  ["/history", "Recent calls"],
  ["/recordings", "Recordings"],
  ["/people", "Recent calls"],
  ["/channels", "Recent calls"],
  ["/admin", "Administration"],
  ["/doctor", "Connection check"],
] as const;

describe("paths", () => {
  afterAll(closeBrowsers);

  it("of screens show them, and others say that nothing is there, with a 404", async () => {
    await scene(async ({ guest, stoa }) => {
      const { page } = await guest(alice);
      for (const [path, heading] of SCREENS) {
        const answer = await page.goto(stoa.url + path);
        expect(answer?.status(), path).toBe(200);
        await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
      }
      for (const path of ["/nowhere", "/channels/x/y", "/administration"]) {
        const answer = await page.goto(stoa.url + path);
        expect(answer?.status(), path).toBe(404);
        await page.getByRole("heading", { name: "Nothing here", level: 1 }).waitFor();
        expect(new URL(page.url()).pathname).toBe(path);
      }
      await page.getByRole("link", { name: "Recent calls" }).click();
      await page.getByRole("heading", { name: "Recent calls", level: 1 }).waitFor();
      // Files and protocols: never a page, whoever asks.
      for (const path of ["/sw.js", "/any/rtc/validate", "/api/nope"]) {
        const answer = await page.goto(stoa.url + path);
        expect([answer?.status(), await answer?.json()], path).toMatchObject([404, { error: { code: "not_found" } }]);
      }
    });
  });

  it("/admin tells administrators what they can do, and every API path it names exists", async () => {
    await scene(async ({ guest, stoa }) => {
      const { page } = await guest(alice);
      await page.goto(`${stoa.url}/admin`);
      await page.getByText("You’re not signed in as an administrator").waitFor();
      expect(await page.locator("main code").count()).toBe(0);

      const link = /\/admin#code=\S+/.exec(stoa.log)?.[0];
      await page.goto("about:blank");
      await page.goto(`${stoa.url}${link}`);
      await page.getByText("You’re signed in as an administrator").waitFor();
      expect(new URL(page.url()).hash, "the code is not kept in the address").toBe("");
      const named = (await page.locator("main code").allInnerTexts()).join(" ").match(/\/[\w/{}-]+/g) ?? [];
      expect(named.length).toBeGreaterThan(5);
      const document = (await (await fetch(`${stoa.url}/api/openapi.json`)).json()) as { paths: Record<string, unknown> };
      for (const path of named.filter((path) => path !== "/metrics")) expect(Object.keys(document.paths)).toContain(path);
      for (const name of ["API reference", "Connection check"]) {
        const href = await page.getByRole("main").getByRole("link", { name }).getAttribute("href");
        const answer = await fetch(new URL(href ?? "", stoa.url));
        expect(answer.status, name).toBe(200);
      }
    });
  });
});
