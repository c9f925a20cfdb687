/** The Socket.IO namespace in types: what arrives, what may be sent, and the acknowledgements. */
import type { Call, Channel, EndReason, Participant, Presence, Topology, User } from "./types";

interface OfCall {
  callId: string;
  at: string;
}

/** From one participant to another, carried by the server, which says from whom; what it holds is the sender's. */
interface Relayed {
  callId: string;
  from: string;
  session?: unknown;
}

/** Server → client, by name. */
export interface ServerEvents {
  "call:incoming": OfCall & { call: Call; caller: User; ringUntil: string };
  "call:accepted": OfCall & { userId: string };
  "call:declined": OfCall & { userId: string; reason: EndReason };
  "call:cancelled": OfCall;
  "call:missed": OfCall & { callerId: string; type: string; channelId: string | null };
  "call:answered-elsewhere": OfCall & { deviceId: string | null };
  "call:participant-joined": OfCall & { userId: string; participant: Participant };
  "call:participant-left": OfCall & { userId: string; reason: EndReason };
  "call:media-state-changed": OfCall & {
    userId: string;
    isMuted: boolean;
    isVideoEnabled: boolean;
    isScreenSharing: boolean;
  };
  /** With what connects to the room, where the call goes by the server from now on. */
  "call:topology-changed": OfCall & { topology: Topology; token?: string; livekitUrl?: string };
  "call:offer": Relayed & { offer?: unknown; sdp?: unknown };
  "call:answer": Relayed & { answer?: unknown; sdp?: unknown };
  "call:ice-candidate": Relayed & { candidate?: unknown };
  "call:ended": OfCall & { call: Call; reason: EndReason; endedBy: string | null; duration: number | null };
  "presence:state": { users: Record<string, Presence> };
  "presence:changed": { userId: string; presence: Presence; at: string };
  "channel:changed": { channel: Channel };
  "channel:deleted": { channelId: string };
  /** The server takes no more of this user's devices; the connection is closed after it. */
  refused: { error: { code: string; message: string } };
  /** Some events were lost on the way: what is shown has to be fetched anew. */
  sync: { at: string };
}

export type ServerEventName = keyof ServerEvents;

/** One event as it came in: a union to switch on. */
export type ServerEvent = { [K in ServerEventName]: { name: K; data: ServerEvents[K] } }[ServerEventName];

/** The events about calls; what the call book is fed with. */
export type CallEvent = Exclude<Extract<ServerEvent, { name: `call:${string}` }>, PeerEvent>;

/** What another participant's browser says to ours. */
export type PeerEvent = Extract<ServerEvent, { name: "call:offer" | "call:answer" | "call:ice-candidate" }>;

/** Client → server: each is answered by an `Ack`. */
export type ClientEventName = PeerEvent["name"];

export type Ack = { ok: true } | { ok: false; error: { code: string; message: string } };

export const SERVER_EVENTS: readonly ServerEventName[] = [
  "call:incoming",
  "call:accepted",
  "call:declined",
  "call:cancelled",
  "call:missed",
  "call:answered-elsewhere",
  "call:participant-joined",
  "call:participant-left",
  "call:media-state-changed",
  "call:topology-changed",
  "call:offer",
  "call:answer",
  "call:ice-candidate",
  "call:ended",
  "presence:state",
  "presence:changed",
  "channel:changed",
  "channel:deleted",
  "refused",
  "sync",
];
