// Figures worth knowing, printed and not judged: machines differ. `make figures`.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { closeBrowsers, scene } from "../e2e/scene.ts";
import { meet, type Person } from "../e2e/person.ts";
import { alice, bob, carol } from "../support/media.ts";
import { cacheDir } from "../support/paths.ts";
import { freePorts } from "../support/ports.ts";
import { binary } from "../support/stoa.ts";
import { sleep } from "../support/wait.ts";

const residentMiB = (pid: number): number => {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").split("\n").find((l) => l.startsWith("VmRSS"));
  return Number(line?.match(/\d+/)?.[0]) / 1024;
};

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

afterAll(closeBrowsers);

/** Starts a server on `dataDir` and answers how long it took until it took a connection. */
async function startUp(dataDir: string): Promise<number> {
  const base = await freePorts(5);
  const began = performance.now();
  const child = spawn(binary, [
    ...["serve", "--dev", "--data-dir", dataDir, "--workers", "2"],
    ...["--http", `127.0.0.1:${base}`, "--https", `127.0.0.1:${base + 1}`],
    ...["--tcp-port", `${base + 2}`, "--udp-ports", `${base + 3}-${base + 4}`, "--turn-port", "off"],
  ], { stdio: "ignore" });
  for (;;) {
    const up = await fetch(`http://127.0.0.1:${base}/healthz`).then((answer) => answer.ok, () => false);
    if (up) break;
    if (child.exitCode !== null) throw new Error(`stoa ended with ${child.exitCode}`);
    await sleep(2);
  }
  const took = performance.now() - began;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
  return took;
}

it("from `stoa serve` to the first answer", async () => {
  const fresh: number[] = [];
  const again: number[] = [];
  for (let i = 0; i < 5; i++) {
    const dataDir = mkdtempSync(join(cacheDir("data"), "figures-"));
    fresh.push(await startUp(dataDir));
    again.push(await startUp(dataDir));
    rmSync(dataDir, { recursive: true, force: true });
  }
  console.log(`start, new data directory: ${median(fresh).toFixed(0)} ms; again: ${median(again).toFixed(0)} ms (medians of 5)`);
  expect(fresh).toHaveLength(5);
}, 120_000);

/** Notes on the page when the first remote frame is presented after a click on "Accept". */
async function watchFirstFrame(person: Person): Promise<void> {
  await person.page.evaluate(() => {
    const marks = { accepted: 0, frame: 0 };
    Object.assign(window, { marks });
    document.addEventListener("click", () => { marks.accepted ||= performance.now(); }, { capture: true });
    const seen = new Set<HTMLVideoElement>();
    const look = () => {
      for (const video of document.querySelectorAll<HTMLVideoElement>('article[data-kind="camera"]:not([data-local="true"]) video')) {
        if (seen.has(video)) continue;
        seen.add(video);
        video.requestVideoFrameCallback(() => { marks.frame ||= performance.now(); });
      }
      if (marks.frame === 0) requestAnimationFrame(look);
    };
    look();
  });
}

it("from accepting to the first remote frame, and memory", async () => {
  const waits: number[] = [];
  await scene(async ({ guest, stoa }) => {
    await sleep(1_000);
    console.log(`resident, idle: ${residentMiB(stoa.pid).toFixed(0)} MiB`);
    const a = await guest(alice);
    const b = await guest(bob);
    for (let i = 0; i < 3; i++) {
      await watchFirstFrame(b);
      await a.call("Bob", "video");
      await b.ring("Alice").waitFor();
      await sleep(500);
      await b.accept("Alice");
      await b.page.waitForFunction(() => (window as unknown as { marks: { frame: number } }).marks.frame > 0);
      waits.push(await b.page.evaluate(() => {
        const { marks } = window as unknown as { marks: { accepted: number; frame: number } };
        return marks.frame - marks.accepted;
      }));
      await a.leave();
      await Promise.all([a.outOfCall(), b.outOfCall()]);
      await Promise.all([a.page.reload(), b.page.reload()]);
      await Promise.all([a.atHome(), b.atHome()]);
    }
    console.log(`accept to the first decoded remote frame: ${median(waits).toFixed(0)} ms (of ${waits.map((w) => w.toFixed(0)).join(", ")})`);
    const c = await guest(carol);
    await a.createChannel("Three", ["Bob", "Carol"]);
    await a.channel("Three").getByRole("button", { name: "Video call Three" }).click();
    await b.accept("Alice", "video", "Three");
    await c.accept("Alice", "video", "Three");
    await Promise.all([meet(a, b), meet(b, c)]);
    await sleep(5_000);
    console.log(`resident, in a video call of three: ${residentMiB(stoa.pid).toFixed(0)} MiB`);
  });
  expect(waits).toHaveLength(3);
}, 240_000);
