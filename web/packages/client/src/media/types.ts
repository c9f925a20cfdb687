/** The state of the media: plain data, and tracks as handles that only attach and detach. */
import type { ChatMessage } from "./chat";

export interface TrackHandle {
  /** Stays the same for as long as the track lives. */
  readonly key: string;
  attach(element: HTMLMediaElement): void;
  detach(element: HTMLMediaElement): void;
}

/** What captures a person's voice and picture. */
export type Source = "microphone" | "camera";
export type AudioSource = "microphone" | "screen_share_audio";
export type LineQuality = "excellent" | "good" | "poor" | "lost" | "unknown";

/** A person in the room, as the media sees them. */
export interface Person {
  userId: string;
  name: string | null;
  local: boolean;
  speaking: boolean;
  /** Also true when no microphone is published. */
  muted: boolean;
  /** Null while the camera is off or its track hasn't arrived. */
  camera: TrackHandle | null;
  cameraOn: boolean;
  screen: TrackHandle | null;
  screenOn: boolean;
  audio: readonly { source: AudioSource; track: TrackHandle }[];
  quality: LineQuality;
}

export type MediaConnection = "idle" | "connecting" | "connected" | "reconnecting";
/** Which way the media goes: browser to browser, or through the server. */
export type MediaPath = "p2p" | "sfu";

export interface MediaState {
  connection: MediaConnection;
  path: MediaPath | null;
  people: readonly Person[];
  microphoneOn: boolean;
  cameraOn: boolean;
  screenOn: boolean;
  /** The browser won't play sound before a user gesture. */
  soundBlocked: boolean;
  /** We put the call on hold: nothing is sent or played. */
  held: boolean;
  chat: readonly ChatMessage[];
  /** Why a camera or microphone that was asked for isn't there, until it is or the user continues without it. */
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

/** Why the browser couldn't open what the user asked for. */
export type MediaProblem = "microphone_denied" | "camera_denied" | "microphone_missing" | "camera_missing" | "screen_failed" | "insecure";

/** What was asked for but couldn't be opened, and why. */
export type Missing = Readonly<Partial<Record<Source, MediaProblem>>>;

/** Why we left a room without asking to. */
export type MediaLoss = "room_closed" | "removed" | "duplicate" | "failure";
