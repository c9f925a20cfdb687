/** A call's keyboard shortcuts, and whether single keys are on. People who dictate or press keys by accident can turn them off (WCAG 2.1.4); this browser remembers. */
import { useSyncExternalStore } from "react";

import type { Phrase } from "./words";

/** Each key, as it's labelled on keyboards, and what it does. */
export const CALL_KEYS = [
  ["M", "shortcuts.microphone"],
  ["V", "shortcuts.camera"],
  ["S", "shortcuts.screen"],
  ["H", "shortcuts.hold"],
  ["P", "shortcuts.people"],
  ["C", "shortcuts.chat"],
  ["D", "shortcuts.devices"],
] as const satisfies readonly (readonly [string, Phrase])[];

export type CallKey = (typeof CALL_KEYS)[number][0];

const STORED = "stoa.shortcuts";
const OFF = "off";

export class Shortcuts {
  readonly #storage: Pick<Storage, "getItem" | "setItem"> | null;
  readonly #listeners = new Set<() => void>();
  #on: boolean;

  constructor(storage: Pick<Storage, "getItem" | "setItem"> | null) {
    this.#storage = storage;
    this.#on = attempt(() => storage?.getItem(STORED)) !== OFF;
  }

  readonly read = (): boolean => this.#on;

  readonly set = (on: boolean): void => {
    this.#on = on;
    // Without storage, the choice lasts as long as the page.
    attempt(() => this.#storage?.setItem(STORED, on ? "on" : OFF));
    for (const listener of this.#listeners) listener();
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

const shortcuts = new Shortcuts(attempt(() => localStorage) ?? null);

/** Whether single keys are on, and a function to change that. */
export function useShortcuts(): [on: boolean, set: (on: boolean) => void] {
  return [useSyncExternalStore(shortcuts.subscribe, shortcuts.read), shortcuts.set];
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
