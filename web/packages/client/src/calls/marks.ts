/** What goes with a running call: who is on hold, who can't unmute, a transfer under way, how good each connection is. Pure. */
import type { CallEvent } from "../events";
import type { Call } from "../types";

/** The server's judgement of a connection. */
export type QualityBand = "excellent" | "good" | "fair" | "poor";
/** `blind`: the call goes over at once. `attended`: once whoever transfers it says so. */
export type TransferMode = "blind" | "attended";

/** How a participant's connection did when they last reported it. What they couldn't measure is null. */
export interface LineReport {
  band: QualityBand;
  /** Packets that were lost, in percent (0 to 100). */
  packetLoss: number | null;
  /** Milliseconds. */
  jitterMs: number | null;
  /** Milliseconds to the server or peer and back. */
  roundTripMs: number | null;
}

/** What goes with a running call. */
export interface Marks {
  /** User ID of everyone on hold → who put them there. */
  held: Readonly<Record<string, string>>;
  /** User ID of everyone who can't unmute → who muted them; empty if that isn't known. */
  locked: Readonly<Record<string, string>>;
  /** The transfer under way, with user IDs; null if there is none. */
  transfer: { by: string; target: string; mode: TransferMode } | null;
  /** User ID → the last report of their connection. */
  quality: Readonly<Record<string, LineReport>>;
}

/** What goes with a call of which nothing is known. */
export const noMarks: Marks = { held: {}, locked: {}, transfer: null, quality: {} };

/** The fields of a participant and a call that say the same to somebody who joins late. */
interface Snapshot {
  isOnHold?: boolean;
  isHardMuted?: boolean;
}

interface WithTransfer {
  transfer?: { userId: string; targetUserId: string; mode: TransferMode } | null;
}

/** Reads the marks from a call as the server returns it. That doesn't say who did it, so what was known stays. */
export function marksOf(call: Call, before: Marks = noMarks): Marks {
  const held: Record<string, string> = {};
  const locked: Record<string, string> = {};
  for (const participant of call.participants) {
    const { userId } = participant;
    const { isOnHold, isHardMuted } = participant as Snapshot;
    if (isOnHold ?? userId in before.held) held[userId] = before.held[userId] ?? userId;
    if (isHardMuted ?? userId in before.locked) locked[userId] = before.locked[userId] ?? "";
  }
  const { transfer } = call as WithTransfer;
  return { ...before, held, locked, transfer: transfer === undefined ? before.transfer : transferOf(transfer) };
}

function transferOf(transfer: NonNullable<WithTransfer["transfer"]> | null): Marks["transfer"] {
  return transfer && { by: transfer.userId, target: transfer.targetUserId, mode: transfer.mode };
}

export function markEvent(marks: Marks, event: CallEvent): Marks {
  switch (event.name) {
    case "call:held":
      return { ...marks, held: { ...marks.held, [event.data.userId]: event.data.by } };
    case "call:resumed":
      return { ...marks, held: without(marks.held, event.data.userId) };
    case "call:muted": {
      const { userId, by, hard, muted } = event.data;
      if (!hard && muted) return marks;
      return { ...marks, locked: muted ? { ...marks.locked, [userId]: by } : without(marks.locked, userId) };
    }
    case "call:transfer-started": {
      const { userId, targetUserId, mode } = event.data;
      return { ...marks, transfer: { by: userId, target: targetUserId, mode } };
    }
    case "call:transferred":
    case "call:transfer-failed":
      return { ...marks, transfer: null };
    case "call:quality": {
      const { userId, band, packetLoss, jitterMs, roundTripMs } = event.data;
      return { ...marks, quality: { ...marks.quality, [userId]: { band, packetLoss, jitterMs, roundTripMs } } };
    }
    case "call:participant-left": {
      const { userId } = event.data;
      return { ...marks, held: without(marks.held, userId), locked: without(marks.locked, userId), quality: without(marks.quality, userId) };
    }
    default:
      return marks;
  }
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  if (!(key in record)) return record;
  const { [key]: _gone, ...rest } = record;
  return rest;
}
