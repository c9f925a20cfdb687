/** The call this tab is in, the calls that ring, and those it could join. */
import {
  gridFor, isPresent, isRinging, keepingTiles, noMarks, rejoinable, type Call, type CallRecording, type ChatMessage, type Current, type Incoming, type Marks, type Participant, type Tile,
} from "@stoa/client";
import { useEffect, useMemo, useState } from "react";

import { useStoa } from "./context";
import { useMediaState, useStoaState } from "./store";

/** The current call, for as long as it should be shown. */
export function useCurrentCall(): Current | null {
  return useStoaState((s) => (s.book.current?.phase === "leaving" ? null : s.book.current));
}

/** The call that has been ringing here the longest. During a call there is none: further calls wait. */
export function useIncomingCall(): Incoming | null {
  return useStoaState((s) => (s.book.current ? null : (s.book.incoming[0] ?? null)));
}

/** The call that is waiting during the current one. */
export function useWaitingCall(): Incoming | null {
  return useStoaState((s) => (s.book.current ? (s.book.incoming[0] ?? null) : null));
}

/** This tab's parked calls. */
export function useParkedCalls(): readonly Call[] {
  return useStoaState((s) => s.book.parked.flatMap((id) => s.book.running[id] ?? []));
}

/** What goes with the current call: holds, locks, a transfer, and how good the connections are. */
export function useMarks(): Marks {
  return useStoaState((s) => (s.book.current && s.book.marks[s.book.current.callId]) ?? noMarks);
}

export interface Recording {
  /** The recording that is being made of the current call; null if none is. */
  recording: CallRecording | null;
  /** Whether I may start and stop it. */
  mayRecord: boolean;
  /** Whether I'm asked for my consent and haven't answered. */
  asked: boolean;
  /** Whether what I say and show is recorded. */
  mine: boolean;
}

export function useRecording(): Recording {
  const me = useStoaState((s) => s.me?.id ?? "");
  const allowed = useStoaState((s) => s.session?.features.callRecording ?? false);
  const permitted = useStoaState((s) => s.session?.permissions.some((p) => p === "calls:record" || p === "admin") ?? false);
  const recording = useStoaState((s) => s.book.current?.call?.recording ?? null);
  const consent = useStoaState((s) => s.book.current?.call?.participants.find((p) => p.userId === me)?.recordingConsentGiven ?? null);
  const asks = recording?.policy === "ask";
  return { recording, mayRecord: allowed && permitted, asked: asks && consent === null, mine: recording !== null && (!asks || consent === true) };
}

/** Whether I may mute and remove people: as the caller, as the first to join once the caller has left, or as an administrator. */
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

/** Everyone who is in the current call or being rung into it. */
export function useParticipants(): readonly Participant[] {
  const call = useStoaState((s) => s.book.current?.call ?? null);
  return useMemo(() => call?.participants.filter((p) => isPresent(p) || isRinging(p)) ?? [], [call]);
}

export interface Chat {
  messages: readonly ChatMessage[];
  /** Sends a message; false if nobody can be reached yet. */
  say: (text: string) => Promise<boolean>;
}

export function useChat(): Chat {
  const { media } = useStoa();
  const messages = useMediaState((s) => s.chat);
  return useMemo(() => ({ messages, say: (text) => media.say(text) }), [media, messages]);
}

/** My running calls that this tab isn't in but may join. */
export function useRejoinableCalls(): readonly Call[] {
  const { deviceId } = useStoa();
  return useStoaState((s) => rejoinable(s.book, { userId: s.me?.id ?? "", deviceId }));
}

/** How many people are in a channel's running call; null if this tab doesn't know. */
export function useTalking(callId: string | null): number | null {
  return useStoaState((s) => {
    const call = callId === null ? undefined : s.book.running[callId];
    return call ? call.participants.filter(isPresent).length : null;
  });
}

/** The tiles of the current call. One that hasn't changed is the same object as before. */
export function useTiles(): readonly Tile[] {
  const [tilesOf] = useState(keepingTiles);
  const call = useStoaState((s) => s.book.current?.call ?? null);
  const me = useStoaState((s) => s.me?.id ?? "");
  const people = useMediaState((s) => s.people);
  const { held } = useMarks();
  return useMemo(() => tilesOf(call, people, me, held), [tilesOf, call, people, me, held]);
}

/** Whole seconds since a server time, counting up. */
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

/** `m:ss`, or `h:mm:ss` from an hour on. */
export function clockText(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The best grid for `count` tiles in an element, updated as its size changes. */
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
  // A tall window gets square tiles, which fit faces better.
  const shape = size.width < size.height ? 1 : 16 / 9;
  return gridFor(count, size.width, size.height, gap, shape);
}
