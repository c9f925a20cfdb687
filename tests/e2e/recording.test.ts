// Recording a call: everyone is asked, sees the mark, and is recorded only with consent. Afterwards: the list, the player, the end.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { alice, bob } from "../support/media.ts";
import type { Stoa } from "../support/stoa.ts";
import { until } from "../support/wait.ts";
import type { Person } from "./person.ts";
import { closeBrowsers, scene, type Scene } from "./scene.ts";

afterAll(closeBrowsers);

const mark = (person: Person, text: string) => person.page.locator(".stoa-recording").filter({ hasText: text });

async function becomeAdministrator({ page }: Person, stoa: Stoa): Promise<void> {
  const link = new URL(/\S+\/admin#code=\S+/.exec(stoa.log)?.[0] ?? "");
  await page.goto("about:blank");
  await page.goto(stoa.url + link.pathname + link.hash);
  await page.getByText("signed in as an administrator").waitFor();
  await page.goto(stoa.url);
}

const RECORDS = { config: "[features]\ncall_recording = true\n" };

it("recording: asks for consent, shows everyone the mark, and records who agrees", async () => {
  await scene(
    async ({ stoa, arrive, guest }) => {
      const a = await arrive(alice);
      await becomeAdministrator(a, stoa);
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
    RECORDS,
  );
});

/** Alice, an administrator, records some seconds of a video call with Bob, who agrees. Both have left it. */
async function recordedCall({ stoa, arrive, guest }: Scene): Promise<{ a: Person; b: Person }> {
  const a = await arrive(alice);
  await becomeAdministrator(a, stoa);
  const b = await guest(bob);
  await b.call("Administrator");
  await a.page.getByRole("alertdialog").getByRole("button", { name: "Accept with video" }).click();
  await Promise.all([a.inCall(), b.inCall()]);
  const people = await a.panel("People");
  await people.getByRole("button", { name: "Record call" }).click();
  await b.page.getByRole("button", { name: "Record me", exact: true }).click();
  await mark(b, "with you in it").waitFor();
  // As long as it takes until there is something to seek in, by what the recorder has written.
  const written = async () => (await readdir(join(stoa.dataDir, "recordings"), { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  await until("some seconds of four tracks to be on the disk", async () => {
    const sizes = await Promise.all((await written()).map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total < 200_000) throw new Error(`${total} bytes in ${sizes.length} files`);
    return true;
  });
  await people.getByRole("button", { name: "Stop recording" }).click();
  await mark(a, "Recording").waitFor({ state: "detached" });
  await b.leave();
  await a.outOfCall();
  return { a, b };
}

it("recording: a call becomes a file that is found, played, sought in, handed on and deleted", async () => {
  await scene(
    async (all) => {
      const { a, b } = await recordedCall(all);
      const { stoa } = all;
      const { page } = a;

      // From the call in the history to its recordings, and to the one that there is.
      await page.getByRole("list", { name: "Recent calls" }).getByRole("link", { name: "Recordings of the call with Bob" }).click();
      await page.getByRole("heading", { name: "Recordings of this call", level: 1 }).waitFor();
      const line = page.getByRole("list", { name: "Recordings" }).getByRole("listitem");
      await line.filter({ hasText: "Ready" }).waitFor({ timeout: 120_000 });
      expect(await line.count()).toBe(1);
      expect(await line.innerText()).toMatch(/Bob[\s\S]*Ready[\s\S]*\d:\d\d[\s\S]*[kM]B/);
      await line.getByRole("link", { name: /^Bob/ }).click();
      await page.getByRole("heading", { name: "Bob", level: 1 }).waitFor();

      const video = page.locator("video");
      const state = () => video.evaluate((element) => {
        const { currentTime, duration, readyState, paused, playbackRate } = element as HTMLVideoElement;
        return { currentTime, duration, readyState, paused, playbackRate };
      });
      await until("the length to be known", async () => (await state()).readyState >= 1);
      const { duration } = await state();
      expect(duration).toBeGreaterThan(3);
      await video.evaluate((element) => (element as HTMLVideoElement).play());
      await until("it to play", async () => (await state()).currentTime > 0.3 && (await state()).readyState >= 2);
      await page.getByRole("combobox", { name: "Speed" }).selectOption("0.5");
      await page.getByRole("button", { name: "Forward 10 seconds" }).click();
      await until("it to be near the end", async () => (await state()).currentTime >= Math.min(duration, 10) - 0.5);
      await page.getByRole("button", { name: "Back 10 seconds" }).click();
      await until("it to be near the beginning again", async () => (await state()).currentTime < Math.max(duration - 10, 0) + 2);
      expect((await state()).playbackRate).toBe(0.5);
      await video.evaluate((element) => {
        const media = element as HTMLVideoElement;
        media.currentTime = 1;
        return media.play();
      });
      await until("it to go on from where it was sought", async () => (await state()).currentTime > 1.2 && (await state()).readyState >= 2);

      const href = await page.getByRole("link", { name: "Download" }).getAttribute("href");
      const part = await fetch(new URL(href ?? "", stoa.url), { headers: { range: "bytes=100-199" } });
      expect([part.status, (await part.arrayBuffer()).byteLength], "a range of what is downloaded, without a session").toEqual([206, 100]);

      await a.context.grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Copy link" }).click();
      await a.toast(/^Link copied\. Anyone who has it can watch until \d/);
      const copied = await page.evaluate(() => navigator.clipboard.readText());
      expect((await fetch(copied, { method: "HEAD" })).status, "the link that was copied").toBe(200);

      const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent);
      const change = page.getByRole("button", { name: /^Change/ });
      await change.focus();
      await page.keyboard.press("Enter");
      await page.getByRole("combobox", { name: "For" }).selectOption("30");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText(/^Kept until /).waitFor();
      await until("the focus to be back", async () => (await focused()) === "Change");

      // Who took part finds it, too, and may not delete it.
      await b.page.goto(stoa.url + new URL(page.url()).pathname);
      await b.page.getByRole("heading", { name: "Administrator", level: 1 }).waitFor();
      await b.page.getByRole("link", { name: "Download" }).waitFor();
      expect(await b.page.getByRole("button", { name: "Delete" }).count()).toBe(0);

      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("alertdialog", { name: "Delete this recording" }).getByRole("button", { name: "Delete" }).click();
      await page.getByRole("heading", { name: "Recordings", level: 1 }).waitFor();
      await page.getByText("When you record a call, you’ll find it here.").last().waitFor();
      await until("the focus to be on the page", async () => (await focused()) === "content");
      expect((await fetch(new URL(href ?? "", stoa.url))).status, "the link that was handed on").toBe(404);
    },
    RECORDS,
  );
});

it("recording: where nothing is put together, what each person sent is there to play", async () => {
  await scene(
    async (all) => {
      const { page } = (await recordedCall(all)).a;
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Recordings" }).click();
      const line = page.getByRole("list", { name: "Recordings" }).getByRole("listitem");
      await line.filter({ hasText: "Separate tracks" }).waitFor({ timeout: 60_000 });
      await line.getByRole("link", { name: /^Bob/ }).click();
      await page.getByText("There’s no single file of this call").waitFor();
      for (const [what, element] of [["Microphone", "audio"], ["Camera", "video"]] as const) {
        await page.getByRole("list", { name: "Bob" }).getByRole("button", { name: new RegExp(`^Play ${what}.* of Bob$`) }).first().click();
        const player = page.locator(element);
        await until(`${what} to play`, () => player.evaluate((media) => (media as HTMLMediaElement).currentTime > 0.3));
        expect(await player.evaluate((media) => document.activeElement === media), "the focus goes to the player").toBe(true);
      }
    },
    { config: `${RECORDS.config}[recording]\ncompose = false\n` },
  );
});
