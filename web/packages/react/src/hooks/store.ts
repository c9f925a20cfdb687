/** Connects the framework-free stores to React. */
import type { DevicesState, MediaState, StoaState } from "@stoa/client";
import { useRef, useSyncExternalStore } from "react";

import { useStoa } from "./context";

interface Readable<S> {
  getState(): S;
  subscribe(listener: () => void): () => void;
}

/** Follows a part of a store. If its members are all equal it keeps its identity, so nothing renders again. */
export function useReadable<S, T>(store: Readable<S>, select: (state: S) => T): T {
  const last = useRef<{ state: S; select: (state: S) => T; part: T } | null>(null);
  const read = (): T => {
    const state = store.getState();
    const before = last.current;
    if (before && before.state === state && before.select === select) return before.part;
    const part = select(state);
    const kept = before && alike(before.part, part) ? before.part : part;
    last.current = { state, select, part: kept };
    return kept;
  };
  return useSyncExternalStore((listener) => store.subscribe(listener), read);
}

export function useStoaState<T>(select: (state: StoaState) => T): T {
  return useReadable(useStoa().store, select);
}

export function useMediaState<T>(select: (state: MediaState) => T): T {
  return useReadable(useStoa().media.store, select);
}

export function useDevicesState<T>(select: (state: DevicesState) => T): T {
  return useReadable(useStoa().devices.store, select);
}

/** Whether two values are equal, or are arrays or plain objects with equal members. */
export function alike(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return keys.length === Object.keys(b).length && keys.every((key) => key in right && Object.is(left[key], right[key]));
}
