/** What the media side shows of itself: plain data, and tracks as handles that only attach and detach. */
import type { ChatMessage } from "./chat";

export interface TrackHandle {
  /** Stable as long as the track is. */
  readonly key: string;
  attach(element: HTMLMediaElement): void;
  detach(element: HTMLMediaElement): void;
}

/** What one is heard and seen by. */
export type Source = "microphone" | "camera";
export type AudioSource = "microphone" | "screen_share_audio";
export type LineQuality = "excellent" | "good" | "poor" | "lost" | "unknown";

/** One person in the room, as media sees them. */
export interface Person {
  userId: string;
  name: string | null;
  local: boolean;
  speaking: boolean;
  /** True as well when no microphone is published. */
  muted: boolean;
  /** Null while the camera is off or its track has not arrived. */
  camera: TrackHandle | null;
  cameraOn: boolean;
  screen: TrackHandle | null;
  screenOn: boolean;
  audio: readonly { source: AudioSource; track: TrackHandle }[];
  quality: LineQuality;
}

export type MediaConnection = "idle" | "connecting" | "connected" | "reconnecting";
/** Which way the media goes: browser to browser, or by the server. */
export type MediaPath = "p2p" | "sfu";

export interface MediaState {
  connection: MediaConnection;
  path: MediaPath | null;
  people: readonly Person[];
  microphoneOn: boolean;
  cameraOn: boolean;
  screenOn: boolean;
  /** The browser wants a gesture before it plays sound. */
  soundBlocked: boolean;
  /** On hold, by us: nothing is sent and nothing is to be heard. */
  held: boolean;
  chat: readonly ChatMessage[];
  /** Why microphone and camera are not there although they were asked for, until they are or one goes on without. */
  missing: Missing;
}

export const idleMedia: MediaState = {
  connection: "idle",
  path: null,
  people: [],
  microphoneOn: false,
  cameraOn: false,
  screenOn: false,
  soundBlocked: false,
  held: false,
  chat: [],
  missing: {},
};

/** Why a person's wish for media could not be met. */
export type MediaProblem = "microphone_denied" | "camera_denied" | "microphone_missing" | "camera_missing" | "screen_failed" | "insecure";

/** What was asked for and could not be had, and why. */
export type Missing = Readonly<Partial<Record<Source, MediaProblem>>>;

/** Why a room was left without our asking. */
export type MediaLoss = "room_closed" | "removed" | "duplicate" | "failure";

/** A measure of one line over the last seconds, as the server takes it. */
export interface QualitySample {
  /** Whose media was measured; null for the line as a whole. */
  at: string;
  packetLoss: number;
  jitter: number | null;
  rtt: number | null;
}
