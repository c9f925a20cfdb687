/** A past call as a line in a list: who it was with, who called, and how it ended. Pure. */
import type { Call } from "../types";
import { isOver, participantOf } from "./book";

/** How a call came out for me. */
export type CallResult =
  | "running" | "completed" | "missed" | "declined" | "busy" | "no_answer" | "cancelled" | "failed";

/** A past or running call as its line in a list shows it. */
export interface HistoryLine {
  callId: string;
  direction: "outgoing" | "incoming";
  result: CallResult;
  /** Seconds of conversation; null if there was none. */
  seconds: number | null;
  /** Whether it was more than voice. */
  video: boolean;
  /** When it was begun, in server time (RFC 3339). */
  at: string;
  /** It's running, and I may join it (again). */
  enterable: boolean;
  /** Whether anything of it was recorded, or is now. */
  recorded: boolean;
  /** Who a call back would reach. */
  other: { kind: "user"; id: string } | { kind: "channel"; id: string } | { kind: "users"; ids: string[] };
}

/** A call as this user sees it in their list. */
export function historyLine(call: Call, userId: string): HistoryLine {
  const mine = participantOf(call, userId);
  const outgoing = call.initiatorId === userId;
  const talked = mine?.joinedAt != null && call.connectedAt !== null;
  const result = resultOf(call, outgoing, talked, mine?.status);
  return {
    callId: call.id,
    direction: outgoing ? "outgoing" : "incoming",
    result,
    seconds: talked ? lengthOf(call, mine.duration) : null,
    video: call.media !== "voice",
    at: call.createdAt,
    enterable: result === "running" && call.kind === "group" && mine?.leftReason !== "removed",
    recorded: call.isRecorded,
    other: otherOf(call, userId),
  };
}

function resultOf(call: Call, outgoing: boolean, talked: boolean, mine: string | undefined): CallResult {
  if (!isOver(call)) return "running";
  if (talked) return "completed";
  if (!outgoing) return mine === "declined" || mine === "busy" ? "declined" : "missed";
  switch (call.status) {
    case "declined":
    case "busy":
    case "cancelled":
      return call.status;
    case "timeout":
    case "no_answer":
      return "no_answer";
    case "failed":
      return "failed";
    case "ended":
    case "initiating":
    case "ringing":
    case "connecting":
    case "connected":
      return "cancelled";
  }
}

/** The length of a one-to-one call; in a group, how long I was in it. */
function lengthOf(call: Call, mine: number): number | null {
  return call.kind === "one_to_one" || mine === 0 ? call.duration : mine;
}

function otherOf(call: Call, userId: string): HistoryLine["other"] {
  if (call.kind === "group" && call.channelId !== null) return { kind: "channel", id: call.channelId };
  const ids = call.participants.map((p) => p.userId).filter((id) => id !== userId);
  const [first] = ids;
  return ids.length === 1 && first !== undefined ? { kind: "user", id: first } : { kind: "users", ids };
}
