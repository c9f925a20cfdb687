// Names the tests that passed only when they were run once more, on the screen and in .cache/flaky.txt.
// `scripts/test` lets scenes with real browsers have a second try and prints the file at its end. A flaky scene is a fault whose
// cause is to be found.
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { Reporter, TestCase } from "vitest/node";
import { cacheDir } from "./paths.ts";

export default class FlakyReporter implements Reporter {
  onTestCaseResult(test: TestCase): void {
    if (!test.diagnostic()?.flaky) return;
    const line = `flaky: ${test.module.relativeModuleId} > ${test.fullName}\n`;
    process.stdout.write(line);
    appendFileSync(join(cacheDir("."), "flaky.txt"), line);
    const first = test.result().errors?.[0];
    if (first !== undefined) process.stdout.write(`${first.stack ?? first.message}\n`);
  }
}
