/** The call this tab is in, the ones that ring, the ones one could be in. */
import { gridFor, isPresent, rejoinable, tilesOf, type Call, type Current, type Incoming, type Tile } from "@stoa/client";
import { useEffect, useMemo, useState } from "react";

import { useStoa } from "./context";
import { useMediaState, useStoaState } from "./store";

/** The current call, while it is to be shown. */
export function useCurrentCall(): Current | null {
  return useStoaState((s) => (s.book.current?.phase === "leaving" ? null : s.book.current));
}

/** The call that rings here longest. */
export function useIncomingCall(): Incoming | null {
  return useStoaState((s) => s.book.incoming[0] ?? null);
}

/** Calls of mine that run without this tab and that it may enter. */
export function useRejoinableCalls(): readonly Call[] {
  const { deviceId } = useStoa();
  return useStoaState((s) => rejoinable(s.book, { userId: s.me?.id ?? "", deviceId }));
}

/** How many talk in a channel's running call, as far as this tab knows; null when it knows nothing of it. */
export function useTalking(callId: string | null): number | null {
  return useStoaState((s) => {
    const call = callId === null ? undefined : s.book.running[callId];
    return call ? call.participants.filter(isPresent).length : null;
  });
}

export function useTiles(): readonly Tile[] {
  const call = useStoaState((s) => s.book.current?.call ?? null);
  const me = useStoaState((s) => s.me?.id ?? "");
  const people = useMediaState((s) => s.people);
  return useMemo(() => tilesOf(call, people, me), [call, people, me]);
}

/** Whole seconds since a server time, counting. */
export function useSecondsSince(since: string | null): number | null {
  const { clock } = useStoa();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (since === null) return;
    const tick = (): void => setNow(Date.now());
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [since]);
  if (since === null) return null;
  return Math.max(0, Math.floor((now - clock.toLocal(since, now)) / 1000));
}

/** `m:ss`, with hours where there are any. */
export function clockText(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The grid for so many tiles in an element, kept right as it changes size. */
export function useGrid(element: HTMLElement | null, count: number, gap: number): { columns: number; rows: number } {
  const [size, setSize] = useState({ width: 16, height: 9 });
  useEffect(() => {
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  // A tall window shows tall tiles: faces fit in them.
  const shape = size.width < size.height ? 1 : 16 / 9;
  return gridFor(count, size.width, size.height, gap, shape);
}
