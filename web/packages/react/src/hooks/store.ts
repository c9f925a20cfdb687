/** Connects the framework-free stores to React. */
import { sameMembers, type DevicesState, type MediaState, type StoaState } from "@stoa/client";
import { useCallback, useRef, useSyncExternalStore } from "react";

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
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store]);
  return useSyncExternalStore(subscribe, read);
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
  return Array.isArray(a) === Array.isArray(b) && sameMembers(a, b);
}
