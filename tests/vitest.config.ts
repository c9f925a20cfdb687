// One browser scene at a time: every test here runs real browsers, and two cores are all there may be.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["support/**/*.test.ts", "e2e/**/*.test.ts", "axe/**/*.test.ts", "livekit-web/**/*.test.ts", "dialects/**/*.test.ts", "turn/**/*.test.ts", "livekit-server/**/*.test.ts", "figures/**/*.test.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    reporters: ["verbose"],
  },
});
