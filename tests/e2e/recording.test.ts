// Recording a call: everyone is asked, sees the mark, and is recorded only with consent.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { alice, bob } from "../support/media.ts";
import { until } from "../support/wait.ts";
import type { Person } from "./person.ts";
import { closeBrowsers, scene } from "./scene.ts";

afterAll(closeBrowsers);

const mark = (person: Person, text: string) => person.page.locator(".stoa-recording").filter({ hasText: text });

it("recording: asks for consent, shows everyone the mark, and records who agrees", async () => {
  await scene(
    async ({ stoa, arrive, guest }) => {
      const a = await arrive(alice);
      const link = new URL(/\S+\/admin#code=\S+/.exec(stoa.log)?.[0] ?? "");
      await a.page.goto("about:blank");
      await a.page.goto(stoa.url + link.pathname + link.hash);
      await a.page.getByText("signed in as an administrator").waitFor();
      await a.page.goto(stoa.url);
      const b = await guest(bob);
      await b.call("Administrator");
      await a.page.getByRole("alertdialog").getByRole("button", { name: "Accept with video" }).click();
      await Promise.all([a.inCall(), b.inCall()]);

      const people = await a.panel("People");
      await people.getByRole("button", { name: "Record call" }).click();
      const question = b.page.getByRole("alertdialog", { name: "Administrator is recording this call" });
      await question.waitFor();
      await mark(a, "Recording").waitFor();
      await mark(b, "not you").waitFor();
      expect(await a.page.getByRole("alertdialog").count(), "whoever starts it has agreed").toBe(0);

      const [folder] = await readdir(join(stoa.dataDir, "recordings"));
      if (folder === undefined) throw new Error("nothing is recorded");
      const said = () => readFile(join(stoa.dataDir, "recordings", folder, "events.jsonl"), "utf8");
      const joined = async () => (await said()).split("\n").filter((line) => line.includes('"type":"part"')).length;
      const before = await until("Alice's tracks to be recorded", async () => (await joined()) >= 2 && (await joined()));
      await question.getByRole("button", { name: "Record me", exact: true }).click();
      await question.waitFor({ state: "detached" });
      await mark(b, "with you in it").waitFor();
      await until("Bob's tracks to be recorded, too", async () => (await joined()) >= before + 2);

      await people.getByRole("button", { name: "Stop recording" }).click();
      await Promise.all([a, b].map((person) => mark(person, "Recording").waitFor({ state: "detached" })));
      await people.getByRole("button", { name: "Record call" }).waitFor();
      await until("the recording to be complete", async () => (await said()).includes('"type":"stopped"'));
      await b.leave();
    },
    { config: "[features]\ncall_recording = true\n" },
  );
});
