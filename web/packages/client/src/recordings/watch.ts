/** One recording, kept up to date for as long as somebody looks at it: its progress, its tracks, and links that still work. */
import { createStore, type StoreApi } from "zustand/vanilla";

import { codeOf } from "../errors";
import type { Call, RecordedTrack, Recording } from "../types";
import { LOOK_AGAIN, type RecordingSource } from "./list";
import { isUnfinished, linkExpiry, recordingStage } from "./recording";

export interface RecordingWatchState {
  recording: Recording | null;
  /** The recorded call; null if it can't be read, or hasn't been yet. */
  call: Call | null;
  /** What each person sent. Read only if there's no file of the whole call; null until then. */
  tracks: readonly RecordedTrack[] | null;
  /** `gone`: it doesn't exist, or I may not see it. `failed`: it couldn't be read, for `error`. */
  phase: "loading" | "read" | "gone" | "failed";
  error: unknown;
}

export interface RecordingWatchSource extends RecordingSource {
  tracks: (id: string) => Promise<RecordedTrack[]>;
}

/** A link this close to its end is replaced: in milliseconds, or a part of the time that it had left. */
const FRESH = { atLeast: 5_000, part: 0.5 };

export class RecordingWatch {
  readonly store: StoreApi<RecordingWatchState> = createStore<RecordingWatchState>(() => ({
    recording: null, call: null, tracks: null, phase: "loading", error: null,
  }));

  readonly #source: RecordingWatchSource;
  readonly #id: string;
  readonly #awake: () => boolean;
  /** When the links are to be replaced. */
  #stale = Number.POSITIVE_INFINITY;
  #reading = false;

  constructor(source: RecordingWatchSource, id: string, awake: () => boolean = () => document.visibilityState === "visible") {
    this.#source = source;
    this.#id = id;
    this.#awake = awake;
  }

  /** Reads it, and again for as long as it's being made, and when its links are about to end. Call the result to stop. */
  follow(): () => void {
    void this.read();
    const timer = setInterval(() => {
      const { recording, phase } = this.store.getState();
      const due = phase === "failed" || (recording !== null && isUnfinished(recording)) || Date.now() >= this.#stale;
      if (due && phase !== "gone" && this.#awake()) void this.read();
    }, LOOK_AGAIN);
    return () => clearInterval(timer);
  }

  /** Reads it again, with links that are new. */
  async read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      const recording = await this.#source.one(this.#id);
      const stage = recordingStage(recording);
      const apart = recording.fileUrl === null && (stage === "tracks" || stage === "failed");
      const tracks = apart ? await this.#source.tracks(this.#id) : null;
      this.#took(recording, tracks);
      await this.#readCall(recording);
    } catch (error) {
      const gone = ["recording_not_found", "invalid_id"].includes(codeOf(error));
      // What is shown stays: a network that is away for a moment is no reason to take it away.
      if (gone) this.#set({ phase: "gone", recording: null, tracks: null });
      else if (this.store.getState().recording === null) this.#set({ phase: "failed", error });
    } finally {
      this.#reading = false;
    }
  }

  /** Takes over what a change has answered. */
  put(recording: Recording): void {
    this.#set({ recording });
  }

  #took(recording: Recording, tracks: readonly RecordedTrack[] | null): void {
    const link = recording.fileUrl ?? tracks?.[0]?.fileUrl;
    const ends = link === undefined ? null : linkExpiry(link);
    const left = ends === null ? Number.POSITIVE_INFINITY : ends - Date.now();
    this.#stale = Date.now() + Math.max(left * FRESH.part, FRESH.atLeast);
    this.#set({ recording, tracks, phase: "read", error: null });
  }

  async #readCall({ callId }: Recording): Promise<void> {
    if (callId === null || this.store.getState().call !== null) return;
    const call = await this.#source.call(callId).catch(() => null);
    if (call) this.#set({ call });
  }

  #set(change: Partial<RecordingWatchState>): void {
    this.store.setState(change);
  }
}
