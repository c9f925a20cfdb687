/** The state of the media: plain data, and tracks as handles that only attach and detach. */
import type { ChatMessage } from "./chat";

/** A track of sound or picture that a media element can show. */
export interface TrackHandle {
  /** Stays the same for as long as the track lives. */
  readonly key: string;
  /** Shows or plays the track in this element. */
  attach(element: HTMLMediaElement): void;
  /** Takes the track out of this element again. */
  detach(element: HTMLMediaElement): void;
}

/** What captures a person's voice and picture. */
export type Source = "microphone" | "camera";
/** Where a sound comes from. */
export type AudioSource = "microphone" | "screen_share_audio";
/** How good a person's connection is. `lost`: nothing arrives at the moment. `unknown`: not measured yet, or not theirs to measure. */
export type LineQuality = "excellent" | "good" | "poor" | "lost" | "unknown";

/** A person in the room, as the media sees them. */
export interface Person {
  userId: string;
  /** Null if the media doesn't know it; the directory may. */
  name: string | null;
  /** Whether it's ourselves. */
  local: boolean;
  /** Whether they are heard to speak right now. Never while muted. */
  speaking: boolean;
  /** Also true when no microphone is published. */
  muted: boolean;
  /** Null while the camera is off or its track hasn't arrived. */
  camera: TrackHandle | null;
  /** Whether they say that their camera is on, even if its picture hasn't arrived. */
  cameraOn: boolean;
  /** Null while no screen is shared or its track hasn't arrived. */
  screen: TrackHandle | null;
  /** Whether they say that they share a screen, even if its picture hasn't arrived. */
  screenOn: boolean;
  /** Every sound of theirs that has arrived. Empty for ourselves. */
  audio: readonly { source: AudioSource; track: TrackHandle }[];
  quality: LineQuality;
}

/** `idle`: in no call. `connecting`: on the way in. `reconnecting`: it was up, and is being brought back. */
export type MediaConnection = "idle" | "connecting" | "connected" | "reconnecting";
/** Which way the media goes: browser to browser, or through the server. */
export type MediaPath = "p2p" | "sfu";

/** The media of the call that is shown. */
export interface MediaState {
  connection: MediaConnection;
  /** Null until it's known, and without a call. */
  path: MediaPath | null;
  /** Everyone whose media is here, ourselves included. Somebody who hasn't changed is the same object as before. */
  people: readonly Person[];
  /** Whether our microphone is on, or is to be as soon as the browser gives it. */
  microphoneOn: boolean;
  /** Whether our camera is on, or is to be as soon as the browser gives it. */
  cameraOn: boolean;
  /** Whether we share a screen. */
  screenOn: boolean;
  /** The browser won't play sound before a user gesture. */
  soundBlocked: boolean;
  /** We put the call on hold: nothing is sent or played. */
  held: boolean;
  /** The messages of this call, oldest first; the newest 500. */
  chat: readonly ChatMessage[];
  /** Why a camera or microphone that was asked for isn't there, until it is or the user continues without it. */
  missing: Missing;
}

/** The media without a call. */
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

/**
 * Why the browser couldn't open what the user asked for. `insecure`: the page came without HTTPS, where browsers hide the devices.
 */
export type MediaProblem = "microphone_denied" | "camera_denied" | "microphone_missing" | "camera_missing" | "screen_failed" | "insecure";

/** What was asked for but couldn't be opened, and why. */
export type Missing = Readonly<Partial<Record<Source, MediaProblem>>>;

/** Why we left a room without asking to. `duplicate`: another of our devices took our place. `failure`: the connection was lost. */
export type MediaLoss = "room_closed" | "removed" | "duplicate" | "failure";
