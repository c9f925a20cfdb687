/** The Socket.IO namespace as types: what arrives, what may be sent, and the acknowledgements. */
import type { LineReport, QualityBand, TransferMode } from "./calls/marks";
import type { Call, CallRecording, Channel, EndReason, Participant, Presence, Topology, User } from "./types";

interface OfCall {
  callId: string;
  at: string;
}

interface Transfer {
  userId: string;
  targetUserId: string;
  mode: TransferMode;
}

/** Relayed from one participant to another. The server vouches for `from`; the rest is the sender's. */
interface Relayed {
  callId: string;
  from: string;
  session?: unknown;
}

/** What happened to the recording of a call. `by` is whoever did it, null if nobody in person. */
type OfRecording = OfCall & { recording: CallRecording; by: string | null };

/** Server → client, by name. */
export interface ServerEvents {
  "call:incoming": OfCall & { call: Call; caller: User; ringUntil: string };
  "call:accepted": OfCall & { userId: string };
  "call:declined": OfCall & { userId: string; reason: EndReason };
  "call:cancelled": OfCall;
  "call:missed": OfCall & { callerId: string; type: string; channelId: string | null };
  "call:answered-elsewhere": OfCall & { deviceId: string | null };
  /** Somebody is being rung into an existing call. */
  "call:participant-invited": OfCall & { userId: string; by: string; participant: Participant };
  "call:participant-joined": OfCall & { userId: string; participant: Participant };
  "call:participant-left": OfCall & { userId: string; reason: EndReason };
  "call:media-state-changed": OfCall & {
    userId: string;
    isMuted: boolean;
    isVideoEnabled: boolean;
    isScreenSharing: boolean;
  };
  /** When the call moves to the server, it comes with the token and URL of the room. */
  "call:topology-changed": OfCall & { topology: Topology; token?: string | null; livekitUrl?: string | null };
  "call:waiting": OfCall & { call: Call; caller: User; ringUntil: string; activeCallId?: string };
  "call:held": OfCall & { userId: string; by: string };
  "call:resumed": OfCall & { userId: string; by: string };
  "call:muted": OfCall & { userId: string; by: string; hard: boolean; muted: boolean };
  "call:transfer-started": OfCall & Transfer;
  "call:transferred": OfCall & Transfer;
  "call:transfer-failed": OfCall & Transfer & { reason: string };
  /** Two people called each other at once: `mergedCallId` is now another ID of this call. */
  "call:merged": OfCall & { call: Call; mergedCallId: string; token: string | null; livekitUrl: string | null };
  "call:quality": OfCall & { userId: string } & LineReport;
  "call:quality-alert": OfCall & { userId: string; band: QualityBand; since: string };
  "call:offer": Relayed & { offer?: unknown; sdp?: unknown };
  "call:answer": Relayed & { answer?: unknown; sdp?: unknown };
  "call:ice-candidate": Relayed & { candidate?: unknown };
  /** The names of people who were shown by their ID in an earlier event, because the server hadn't read them yet. */
  "call:names": OfCall & { users: Pick<Participant, "userId" | "name" | "avatarUrl" | "isGuest">[] };
  /** May this user be recorded? Only those who agree are. */
  "recording:asked": OfCall & { recording: CallRecording };
  "recording:started": OfRecording;
  "recording:paused": OfRecording;
  "recording:resumed": OfRecording;
  "recording:stopped": OfRecording;
  "recording:failed": OfRecording & { error: { code: string } };
  "recording:consent": OfCall & { userId: string; given: boolean };
  "call:ended": OfCall & { call: Call; reason: EndReason; endedBy: string | null; duration: number | null };
  "presence:state": { users: Record<string, Presence> };
  "presence:changed": { userId: string; presence: Presence; at: string };
  "channel:changed": { channel: Channel };
  "channel:deleted": { channelId: string };
  /** The user has too many devices, or the credentials are no longer valid. The connection closes after this. */
  refused: { error: { code: string; message: string } };
  /** Some events were lost on the way: fetch everything again. */
  sync: { at: string };
}

export type ServerEventName = keyof ServerEvents;

/** Any event, as a union to switch on. */
export type ServerEvent = { [K in ServerEventName]: { name: K; data: ServerEvents[K] } }[ServerEventName];

/** The events about calls, which go to the call book. */
export type CallEvent = Exclude<Extract<ServerEvent, { name: `call:${string}` | `recording:${string}` }>, PeerEvent>;

/** Signals from another participant's browser. */
export type PeerEvent = Extract<ServerEvent, { name: "call:offer" | "call:answer" | "call:ice-candidate" }>;

/** Client → server. Each is answered with an `Ack`. */
export type ClientEventName = PeerEvent["name"] | "device:set" | "auth:refresh";

export type Ack = { ok: true } | { ok: false; error: { code: string; message: string } };

export const SERVER_EVENTS: readonly ServerEventName[] = [
  "call:incoming",
  "call:accepted",
  "call:declined",
  "call:cancelled",
  "call:missed",
  "call:answered-elsewhere",
  "call:participant-invited",
  "call:participant-joined",
  "call:participant-left",
  "call:media-state-changed",
  "call:topology-changed",
  "call:waiting",
  "call:held",
  "call:resumed",
  "call:muted",
  "call:transfer-started",
  "call:transferred",
  "call:transfer-failed",
  "call:merged",
  "call:quality",
  "call:quality-alert",
  "call:offer",
  "call:answer",
  "call:ice-candidate",
  "call:names",
  "recording:asked",
  "recording:started",
  "recording:paused",
  "recording:resumed",
  "recording:stopped",
  "recording:failed",
  "recording:consent",
  "call:ended",
  "presence:state",
  "presence:changed",
  "channel:changed",
  "channel:deleted",
  "refused",
  "sync",
];
