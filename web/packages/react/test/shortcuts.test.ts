import { describe, expect, it } from "vitest";

import { CALL_KEYS, Shortcuts } from "../src/hooks/shortcuts";
import { english } from "../src/hooks/words";

function storage(kept: Record<string, string> = {}) {
  return { kept, getItem: (key: string) => kept[key] ?? null, setItem: (key: string, value: string) => void (kept[key] = value) };
}

describe("single-key shortcuts", () => {
  it("are on until they're turned off, and the browser remembers", () => {
    const disk = storage();
    const first = new Shortcuts(disk);
    let told = 0;
    const stop = first.subscribe(() => (told += 1));
    expect(first.read()).toBe(true);
    first.set(false);
    expect([first.read(), new Shortcuts(disk).read(), told]).toEqual([false, false, 1]);
    stop();
    first.set(true);
    expect([first.read(), new Shortcuts(disk).read(), told]).toEqual([true, true, 1]);
  });

  it("can be turned off without storage", () => {
    const refuse = (): never => {
      throw new Error("SecurityError");
    };
    for (const nowhere of [null, { getItem: refuse, setItem: refuse }]) {
      const shortcuts = new Shortcuts(nowhere);
      expect(shortcuts.read()).toBe(true);
      shortcuts.set(false);
      expect(shortcuts.read()).toBe(false);
    }
  });

  it("are one letter each, and each has a description", () => {
    const keys = CALL_KEYS.map(([key]) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => /^[A-Z]$/.test(key))).toBe(true);
    for (const [, phrase] of CALL_KEYS) expect(english[phrase]).not.toMatch(/\([A-Z]\)/);
  });
});
