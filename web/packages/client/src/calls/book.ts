/**
 * The call book: what this tab knows about calls, and how each server event changes it. Pure: an event goes in, and the
 * next book comes out with the notices worth showing. It owns no socket, no media and no clock.
 */
import type { CallEvent } from "../events";
import { markEvent, marksOf, noMarks, type Marks } from "./marks";
import type { Call, CallRecording, CallStatus, EndReason, Participant, ParticipantStatus } from "../types";

/** A call ringing on this device. */
export interface Incoming {
  call: Call;
  callerName: string;
  /** When it stops ringing, in server time (RFC 3339). */
  ringUntil: string;
}

/**
 * Where this tab is in its call: `dialing` (requested, the server hasn't answered), `ringing` (the others' devices ring),
 * `joining` (we're on our way in), `active`, `leaving` (hung up, the server hasn't confirmed it).
 */
export type CallPhase = "dialing" | "ringing" | "joining" | "active" | "leaving";

/** The call this tab is in. Its id is chosen here, so that events that arrive before the answer match it; until the answer, `call` is null. */
export interface Current {
  callId: string;
  /** Null until the server has answered. */
  call: Call | null;
  /** Whether we called or were called. */
  direction: "outgoing" | "incoming";
  phase: CallPhase;
  /** Who is being called, to show while there is no call yet. */
  target: CallTarget;
  /** When the conversation began, in server time (RFC 3339). Null before. */
  since: string | null;
}

/** Who is called: a person, several, a channel, or whoever is in a running call. */
export type CallTarget = { userId: string } | { userIds: string[] } | { channelId: string } | { callId: string };

/** Every call that this tab knows of. */
export interface CallBook {
  /** Ringing here, oldest first. */
  incoming: readonly Incoming[];
  /** My ringing and running calls, by ID. */
  running: Readonly<Record<string, Call>>;
  /** Null while this tab is in no call. */
  current: Current | null;
  /** This tab's calls that are parked while it is in another one, in the order they were parked. */
  parked: readonly string[];
  /** Holds, locks, transfers and line quality of running calls, by ID. */
  marks: Readonly<Record<string, Marks>>;
}

/**
 * Something to tell the user, once. `userId` is who it is about, `by` who did it. `no_answer` names nobody (null) in a group.
 * `seconds` is how long the conversation was, null if there was none. `mine`: we were the one who transferred the call.
 */
export type Notice =
  | { kind: "missed"; callId: string; userId: string; channelId: string | null; video: boolean }
  | { kind: "declined" | "busy"; callId: string; userId: string }
  | { kind: "no_answer"; callId: string; userId: string | null }
  | { kind: "elsewhere"; callId: string }
  | { kind: "joined" | "left"; callId: string; userId: string }
  | { kind: "cancelled" | "lost" | "removed"; callId: string }
  | { kind: "muted" | "locked" | "unlocked" | "held" | "resumed"; callId: string; by: string }
  | { kind: "transferred"; callId: string; userId: string; mine: boolean }
  | { kind: "transfer_failed"; callId: string; userId: string; reason: string }
  | { kind: "poor_line"; callId: string; userId: string }
  | { kind: `recording_${"started" | "paused" | "resumed" | "stopped" | "failed"}`; callId: string; by: string | null }
  | { kind: "ended"; callId: string; seconds: number | null };

/** The book after an event, and what to tell about it. */
export interface Step {
  book: CallBook;
  notices: Notice[];
}

/** The book of somebody without calls. */
export const emptyBook: CallBook = { incoming: [], running: {}, current: null, parked: [], marks: {} };

/** The signed-in user on this device. */
export interface Me {
  userId: string;
  deviceId: string;
}

const OVER: ReadonlySet<CallStatus> = new Set<CallStatus>([
  "ended", "failed", "cancelled", "declined", "busy", "timeout", "no_answer",
]);
const RINGS: ReadonlySet<ParticipantStatus> = new Set<ParticipantStatus>(["invited", "ringing"]);
const PRESENT: ReadonlySet<ParticipantStatus> = new Set<ParticipantStatus>(["connecting", "connected", "disconnected"]);

export const isOver = (call: Call): boolean => OVER.has(call.status);
export const isRinging = (p: Participant): boolean => RINGS.has(p.status);
export const isPresent = (p: Participant): boolean => PRESENT.has(p.status);

export function participantOf(call: Call, userId: string): Participant | undefined {
  return call.participants.find((p) => p.userId === userId);
}

/**
 * My running calls that this tab isn't in but may join: after a reload (it's the same device), or when the device that had
 * the call has lost its connection.
 */
export function rejoinable(book: CallBook, me: Me): Call[] {
  if (book.current) return [];
  return Object.values(book.running).filter((call) => !book.parked.includes(call.id) && placeOf(call, me) === "free");
}

/** Whether I'm in a call on another of my devices. No event would say that it ended there. */
export function runsElsewhere(book: CallBook, me: Me): boolean {
  return !book.current && Object.values(book.running).some((call) => placeOf(call, me) === "taken");
}

function placeOf(call: Call, me: Me): "none" | "free" | "taken" {
  const mine = participantOf(call, me.userId);
  if (!mine || !isPresent(mine)) return "none";
  return mine.status === "disconnected" || mine.deviceId === me.deviceId ? "free" : "taken";
}

/** The next book after one server event. */
export function applyEvent(before: CallBook, event: CallEvent, me: Me): Step {
  const book = withMarks(before, event);
  switch (event.name) {
    case "call:incoming":
    case "call:waiting":
      return onIncoming(book, event.data);
    case "call:accepted":
      return onAnswered(book, event.data, me);
    case "call:declined":
      return onDeclined(book, event.data);
    case "call:cancelled":
      return quiet(stopRinging(book, event.data.callId));
    case "call:missed": {
      const { callId, callerId, channelId, type } = event.data;
      const video = type === "video";
      return { book: stopRinging(book, callId), notices: [{ kind: "missed", callId, userId: callerId, channelId, video }] };
    }
    case "call:answered-elsewhere":
      return onElsewhere(book, event.data, me);
    case "call:participant-invited":
      return quiet(onInvited(book, event.data));
    case "call:participant-joined":
      return onJoined(book, event.data, me);
    case "call:participant-left":
      return onLeft(book, event.data, me);
    case "call:media-state-changed": {
      const { callId, userId, isMuted, isVideoEnabled, isScreenSharing } = event.data;
      return quiet(patchParticipant(book, callId, userId, { isMuted, isVideoEnabled, isScreenSharing }));
    }
    case "call:topology-changed":
      return quiet(patchCall(book, event.data.callId, (call) => ({ ...call, topology: event.data.topology })));
    case "call:merged":
      return onMerged(book, event.data, me);
    case "call:muted": {
      const { callId, userId, by, hard, muted } = event.data;
      const next = muted ? patchParticipant(book, callId, userId, { isMuted: true }) : book;
      return told(next, callId, userId === me.userId ? { kind: muted ? (hard ? "locked" : "muted") : "unlocked", callId, by } : null);
    }
    case "call:held":
    case "call:resumed": {
      const { callId, userId, by } = event.data;
      const kind = event.name === "call:held" ? "held" : "resumed";
      return told(book, callId, userId === me.userId && by !== me.userId ? { kind, callId, by } : null);
    }
    case "call:transferred": {
      const { callId, userId, targetUserId } = event.data;
      return { book, notices: [{ kind: "transferred", callId, userId: targetUserId, mine: userId === me.userId }] };
    }
    case "call:transfer-failed": {
      const { callId, userId, targetUserId, reason } = event.data;
      return told(book, callId, userId === me.userId && reason !== "cancelled" ? { kind: "transfer_failed", callId, userId: targetUserId, reason } : null);
    }
    case "call:quality-alert":
      return told(book, event.data.callId, { kind: "poor_line", callId: event.data.callId, userId: event.data.userId });
    case "call:names":
      return quiet(event.data.users.reduce((next, { userId, ...names }) => named(next, event.data.callId, userId, names), book));
    case "call:transfer-started":
    case "call:quality":
      return quiet(book);
    case "recording:asked":
      return quiet(patchCall(book, event.data.callId, (call) => recordedAs(call, event.data.recording)));
    case "recording:started":
      return onRecording(book, "recording_started", event.data, (call) => ({ ...recordedAs(call, event.data.recording), isRecorded: true }));
    case "recording:paused":
      return onRecording(book, "recording_paused", event.data, (call) => recordedAs(call, event.data.recording));
    case "recording:resumed":
      return onRecording(book, "recording_resumed", event.data, (call) => recordedAs(call, event.data.recording));
    case "recording:stopped":
      return onRecording(book, "recording_stopped", event.data, (call) => ({ ...call, recording: null }));
    case "recording:failed":
      return onRecording(book, "recording_failed", event.data, (call) => ({ ...call, recording: null }));
    case "recording:consent": {
      const { callId, userId, given, at } = event.data;
      return quiet(patchParticipant(book, callId, userId, { recordingConsentGiven: given, recordingConsentAt: at }));
    }
    case "call:ended":
      return endCall(book, event.data.call, event.data.reason, me);
  }
}

function withMarks(book: CallBook, event: CallEvent): CallBook {
  const { callId } = event.data;
  if (!(callId in book.running)) return book;
  const before = book.marks[callId] ?? noMarks;
  const after = markEvent(before, event);
  return after === before ? book : { ...book, marks: { ...book.marks, [callId]: after } };
}

function told(book: CallBook, callId: string, notice: Notice | null): Step {
  const here = book.current?.callId === callId || book.parked.includes(callId);
  return { book, notices: here && notice ? [notice] : [] };
}

type RecordingKind = Extract<Notice, { kind: `recording_${string}` }>["kind"];

function onRecording(
  book: CallBook, kind: RecordingKind, data: { callId: string; by: string | null; recording: CallRecording }, change: (call: Call) => Call,
): Step {
  const { callId } = data;
  const by = kind === "recording_started" ? data.recording.startedBy : data.by;
  return told(patchCall(book, callId, change), callId, { kind, callId, by });
}

/** A call with the recording that is being made of it. A new one asks everyone anew; whoever starts it agrees to it. */
function recordedAs(call: Call, recording: CallRecording): Call {
  if (call.recording?.id === recording.id) return { ...call, recording };
  const starts = (p: Participant): boolean => recording.policy === "ask" && p.userId === recording.startedBy;
  const participants = call.participants.map((p) => ({
    ...p, recordingConsentGiven: starts(p) ? true : null, recordingConsentAt: starts(p) ? recording.startedAt : null,
  }));
  return { ...call, recording, participants };
}

/** Two people who called each other are now in one call. If ours was merged away, we're in the other. */
function onMerged(book: CallBook, data: { callId: string; mergedCallId: string; call: Call }, me: Me): Step {
  const { call, mergedCallId } = data;
  const parked = book.parked.map((id) => (id === mergedCallId ? call.id : id));
  const { running, ...rest } = withoutCall({ ...book, parked }, mergedCallId);
  const next = stopRinging({ ...rest, running: { ...running, [call.id]: call } }, call.id);
  const { current } = next;
  if (current?.callId !== mergedCallId && current?.callId !== call.id) return quiet(next);
  return quiet({ ...next, current: withCall({ ...current, callId: call.id }, call, me) });
}

/** The book after reading all calls from the server, as on every connect: calls that are gone go, calls that ring ring. */
export function applySnapshot(book: CallBook, active: readonly Call[], me: Me): CallBook {
  const running = Object.fromEntries(active.map((call) => [call.id, call]));
  const { current } = book;
  const kept = current ? running[current.callId] : undefined;
  const incoming = active.flatMap((call): Incoming[] => {
    const mine = participantOf(call, me.userId);
    if (!mine || !isRinging(mine) || call.initiatorId === me.userId || call.id === current?.callId) return [];
    return [book.incoming.find((i) => i.call.id === call.id) ?? incomingOf(call)];
  });
  const parked = book.parked.filter((id) => id in running);
  const marks = Object.fromEntries(active.map((call) => [call.id, marksOf(call, book.marks[call.id])]));
  // Not requested yet, or the request is under way: its answer decides.
  if (!current || current.call === null) return { ...book, incoming, running, parked, marks };
  return { incoming, running, parked, marks, current: kept ? withCall(current, kept, me) : null };
}

/** The book once this device is in `call`, which came as the answer to accept, join or initiate. */
export function enterCall(book: CallBook, call: Call, me: Me): CallBook {
  const marks = { ...book.marks, [call.id]: marksOf(call, book.marks[call.id]) };
  const next = stopRinging({ ...book, marks, running: { ...book.running, [call.id]: call } }, call.id);
  if (!next.current) return next;
  return { ...next, current: withCall({ ...next.current, callId: call.id }, call, me) };
}

/** Ends a call: an event said so, or the answer to our own hang-up, or the server no longer knows it. */
export function endCall(book: CallBook, call: Call, reason: EndReason, me: Me): Step {
  const set = book.parked.includes(call.id);
  const next = withoutCall(book, call.id);
  if (next.current?.callId !== call.id) return { book: next, notices: set ? [endNotice(call, reason, me)] : [] };
  return { book: { ...next, current: null }, notices: [endNotice(call, reason, me)] };
}

function endNotice(call: Call, reason: EndReason, me: Me): Notice {
  const callId = call.id;
  const other = call.participants.find((p) => p.userId !== me.userId)?.userId ?? null;
  switch (reason) {
    case "declined":
    case "busy":
      return other === null ? { kind: "cancelled", callId } : { kind: reason, callId, userId: other };
    case "no_answer":
    case "timeout":
      return { kind: "no_answer", callId, userId: call.kind === "one_to_one" ? other : null };
    case "cancelled":
      return { kind: "cancelled", callId };
    case "connection_lost":
    case "server_failure":
      return { kind: "lost", callId };
    case "completed":
    case "empty":
    case "removed":
      return { kind: "ended", callId, seconds: call.duration };
  }
}

function onIncoming(book: CallBook, data: { call: Call; caller: { name: string }; ringUntil: string }): Step {
  const { call, caller, ringUntil } = data;
  const next = { ...book, running: { ...book.running, [call.id]: call } };
  if (book.current?.callId === call.id || book.incoming.some((i) => i.call.id === call.id)) return quiet(next);
  return quiet({ ...next, incoming: [...book.incoming, { call, callerName: caller.name, ringUntil }] });
}

function onAnswered(book: CallBook, data: { callId: string; userId: string; at: string }, me: Me): Step {
  const next = patchParticipant(book, data.callId, data.userId, { status: "connecting" });
  return quiet(data.userId === me.userId ? next : begin(next, data.callId, data.at));
}

function onDeclined(book: CallBook, data: { callId: string; userId: string; reason: EndReason }): Step {
  const status = data.reason === "busy" ? "busy" : "declined";
  const next = patchParticipant(book, data.callId, data.userId, { status });
  const { current } = next;
  // In a one-to-one call, the end of the call says it.
  if (current?.callId !== data.callId || current.call?.kind !== "group") return quiet(next);
  return { book: next, notices: [{ kind: status, callId: data.callId, userId: data.userId }] };
}

function onElsewhere(book: CallBook, data: { callId: string; deviceId: string | null }, me: Me): Step {
  if (data.deviceId === me.deviceId) return quiet(book);
  const rang = book.incoming.some((i) => i.call.id === data.callId);
  const next = stopRinging(book, data.callId);
  return rang ? { book: next, notices: [{ kind: "elsewhere", callId: data.callId }] } : quiet(next);
}

/** Another person is rung into a call, which makes it a group. */
function onInvited(book: CallBook, { callId, participant }: { callId: string; participant: Participant }): CallBook {
  return patchCall(book, callId, (call) => ({ ...call, kind: "group", participants: upsert(call.participants, participant) }));
}

function onJoined(book: CallBook, data: { callId: string; userId: string; at: string; participant: Participant }, me: Me): Step {
  const { callId, userId, at, participant } = data;
  const before = book.running[callId];
  const known = before ? participantOf(before, userId) : undefined;
  const next = patchCall(book, callId, (call) => ({ ...call, participants: upsert(call.participants, participant) }));
  if (userId === me.userId) return quiet(next);
  const begun = begin(next, callId, at);
  // Coming back after a lost connection isn't joining.
  if (begun.current?.callId !== callId || known?.status === "disconnected") return quiet(begun);
  return { book: begun, notices: [{ kind: "joined", callId, userId }] };
}

function onLeft(book: CallBook, data: { callId: string; userId: string; reason: EndReason; at: string }, me: Me): Step {
  const { callId, userId, reason, at } = data;
  const next = patchParticipant(book, callId, userId, { status: "left", leftAt: at, leftReason: reason });
  if (userId === me.userId) return onMyLeaving(next, callId, reason);
  if (next.current?.callId !== callId) return quiet(next);
  return { book: next, notices: [{ kind: "left", callId, userId }] };
}

/** Removed, or released by a transfer: the call goes on without us. Recovering a lost connection is up to the media. */
function onMyLeaving(book: CallBook, callId: string, reason: EndReason): Step {
  if (reason === "connection_lost" || reason === "server_failure") return quiet(book);
  const notices: Notice[] = reason === "removed" ? [{ kind: "removed", callId }] : [];
  if (book.parked.includes(callId)) return { book: { ...book, parked: book.parked.filter((id) => id !== callId) }, notices };
  const { current } = book;
  if (current?.callId !== callId || current.phase === "leaving" || current.phase === "joining") return quiet(book);
  return { book: { ...book, current: null }, notices };
}

/** Somebody else is there: the conversation begins, unless it already has. */
function begin(book: CallBook, callId: string, at: string): CallBook {
  const { current } = book;
  if (current?.callId !== callId) return book;
  const phase = current.phase === "ringing" ? "active" : current.phase;
  return { ...book, current: { ...current, phase, since: current.since ?? at } };
}

function withCall(current: Current, call: Call, me: Me): Current {
  const others = current.since !== null || call.participants.some((p) => p.userId !== me.userId && isPresent(p));
  const settled = current.phase === "dialing" || current.phase === "joining" || current.phase === "ringing";
  const phase = settled ? (others || current.direction === "incoming" ? "active" : "ringing") : current.phase;
  return { ...current, call, phase, since: current.since ?? call.connectedAt ?? (others ? call.startedAt : null) };
}

/** Drops everything kept under a call's ID, except for the call we're in. */
function withoutCall(book: CallBook, callId: string): CallBook {
  const { [callId]: _gone, ...running } = book.running;
  const { [callId]: _marks, ...marks } = book.marks;
  return stopRinging({ ...book, running, marks, parked: book.parked.filter((id) => id !== callId) }, callId);
}

function stopRinging(book: CallBook, callId: string): CallBook {
  if (!book.incoming.some((i) => i.call.id === callId)) return book;
  return { ...book, incoming: book.incoming.filter((i) => i.call.id !== callId) };
}

function patchParticipant(book: CallBook, callId: string, userId: string, change: Partial<Participant>): CallBook {
  return patchCall(book, callId, (call) => ({
    ...call,
    participants: call.participants.map((p) => (p.userId === userId ? { ...p, ...change } : p)),
  }));
}

/** Somebody's name, which came after they were shown without. */
function named(book: CallBook, callId: string, userId: string, names: Pick<Participant, "name" | "avatarUrl" | "isGuest">): CallBook {
  const next = patchParticipant(book, callId, userId, names);
  const incoming = next.incoming.map((i) => (i.call.id === callId && i.call.initiatorId === userId ? { ...i, callerName: names.name } : i));
  return { ...next, incoming };
}

function patchCall(book: CallBook, callId: string, change: (call: Call) => Call): CallBook {
  const call = book.running[callId];
  if (!call) return book;
  const changed = change(call);
  const { current } = book;
  return {
    ...book,
    incoming: book.incoming.map((i) => (i.call.id === callId ? { ...i, call: changed } : i)),
    running: { ...book.running, [callId]: changed },
    current: current?.callId === callId ? { ...current, call: changed } : current,
  };
}

function upsert(participants: readonly Participant[], one: Participant): Participant[] {
  const known = participants.some((p) => p.userId === one.userId);
  return known ? participants.map((p) => (p.userId === one.userId ? one : p)) : [...participants, one];
}

function incomingOf(call: Call): Incoming {
  const caller = participantOf(call, call.initiatorId);
  return { call, callerName: caller?.name ?? call.initiatorId, ringUntil: call.ringUntil };
}

function quiet(book: CallBook): Step {
  return { book, notices: [] };
}
