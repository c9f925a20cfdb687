/** The call this tab is in, the ones that ring, the ones one could be in. */
import {
  gridFor, isPresent, isRinging, noMarks, rejoinable, tilesOf, type Call, type ChatMessage, type Current, type Incoming, type Marks, type Participant, type Tile,
} from "@stoa/client";
import { useEffect, useMemo, useState } from "react";

import { useStoa } from "./context";
import { useMediaState, useStoaState } from "./store";

/** The current call, while it is to be shown. */
export function useCurrentCall(): Current | null {
  return useStoaState((s) => (s.book.current?.phase === "leaving" ? null : s.book.current));
}

/** The call that rings here longest; while one talks, calls only knock. */
export function useIncomingCall(): Incoming | null {
  return useStoaState((s) => (s.book.current ? null : (s.book.incoming[0] ?? null)));
}

/** The call that knocks while another one goes on. */
export function useWaitingCall(): Incoming | null {
  return useStoaState((s) => (s.book.current ? (s.book.incoming[0] ?? null) : null));
}

/** Calls of this tab that are set aside. */
export function useParkedCalls(): readonly Call[] {
  return useStoaState((s) => s.book.parked.flatMap((id) => s.book.running[id] ?? []));
}

/** What stands beside the current call: holds, locks, a transfer, how good the lines are. */
export function useMarks(): Marks {
  return useStoaState((s) => (s.book.current && s.book.marks[s.book.current.callId]) ?? noMarks);
}

/** Whether I may mute and remove: the one who called, or, once they left, who came first; and who runs the server. */
export function useIsHost(): boolean {
  const me = useStoaState((s) => s.me?.id ?? "");
  const admin = useStoaState((s) => s.session?.permissions.includes("admin") ?? false);
  const call = useStoaState((s) => s.book.current?.call ?? null);
  return admin || (call !== null && hostOf(call) === me);
}

export function hostOf(call: Call): string | null {
  const here = call.participants.filter(isPresent);
  if (here.some((p) => p.userId === call.initiatorId)) return call.initiatorId;
  const first = here.toSorted((a, b) => (a.joinedAt ?? "").localeCompare(b.joinedAt ?? ""))[0];
  return first?.userId ?? null;
}

/** Who is in the current call or is being rung into it. */
export function useParticipants(): readonly Participant[] {
  const call = useStoaState((s) => s.book.current?.call ?? null);
  return useMemo(() => call?.participants.filter((p) => isPresent(p) || isRinging(p)) ?? [], [call]);
}

export interface Chat {
  messages: readonly ChatMessage[];
  /** False where nobody can be reached yet. */
  say: (text: string) => Promise<boolean>;
}

export function useChat(): Chat {
  const { media } = useStoa();
  const messages = useMediaState((s) => s.chat);
  return useMemo(() => ({ messages, say: (text) => media.say(text) }), [media, messages]);
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
  const { held } = useMarks();
  return useMemo(() => tilesOf(call, people, me, held), [call, people, me, held]);
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
