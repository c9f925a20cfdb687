/** The list of recordings as a page shows it: searched, page after page, and kept up to date for as long as it's open. */
import { createStore, type StoreApi } from "zustand/vanilla";

import { codeOf } from "../errors";
import type { RecordingQuery } from "../rest";
import type { Call, Recording } from "../types";
import { isUnfinished } from "./recording";

export interface RecordingListState {
  /** Newest first. */
  recordings: readonly Recording[];
  /** The calls that were recorded, by ID, to say who was in them. Null for one that can't be read. */
  calls: Readonly<Record<string, Call | null>>;
  /** Where the next page begins; null after the last one. */
  next: string | null;
  phase: "loading" | "read" | "failed";
  /** Why it couldn't be read, while `phase` is `failed`. */
  error: unknown;
}

/** Where recordings are read. `Stoa.recordings` is one. */
export interface RecordingSource {
  list: (query: RecordingQuery) => Promise<{ recordings: Recording[]; next: string | null }>;
  one: (id: string) => Promise<Recording>;
  call: (id: string) => Promise<Call>;
}

const PAGE = 20;
/** Milliseconds between looks at recordings that are being made: no event says how far one has come. */
export const LOOK_AGAIN = 2_000;

export class RecordingList {
  readonly store: StoreApi<RecordingListState> = createStore<RecordingListState>(() => ({
    recordings: [], calls: {}, next: null, phase: "loading", error: null,
  }));

  readonly #source: RecordingSource;
  readonly #awake: () => boolean;
  #query: RecordingQuery = {};
  /** Which read is the latest: answers to earlier ones come too late. */
  #turn = 0;

  /** `awake`: whether anyone is looking. Nothing is read by itself meanwhile. */
  constructor(source: RecordingSource, awake: () => boolean = () => document.visibilityState === "visible") {
    this.#source = source;
    this.#awake = awake;
  }

  /** Looks again, every few seconds, at what is being made. Call the result to stop. */
  follow(): () => void {
    const timer = setInterval(() => {
      if (this.#awake()) void this.#lookAgain();
    }, LOOK_AGAIN);
    return () => clearInterval(timer);
  }

  /** Reads the newest recordings that match, in place of what is there. */
  async read(query: RecordingQuery = this.#query): Promise<void> {
    this.#query = query;
    await this.#read();
  }

  /** Reads the next page. */
  async more(): Promise<void> {
    const { next, phase } = this.store.getState();
    if (next !== null && phase !== "loading") await this.#read(next);
  }

  async #read(before?: string): Promise<void> {
    const turn = (this.#turn += 1);
    this.#set({ phase: "loading", error: null });
    try {
      const page = await this.#source.list({ ...this.#query, limit: PAGE, ...(before === undefined ? {} : { before }) });
      if (turn !== this.#turn) return;
      const shown = before === undefined ? [] : this.store.getState().recordings;
      this.#set({ recordings: [...shown, ...page.recordings], next: page.next, phase: "read" });
      await this.#readCalls();
    } catch (error) {
      if (turn === this.#turn) this.#set({ phase: "failed", error });
    }
  }

  /** A recording says which call it's of, and not who was in it. */
  async #readCalls(): Promise<void> {
    const { recordings, calls } = this.store.getState();
    const wanted = new Set(recordings.flatMap(({ callId, channelId }) => (callId !== null && channelId === null && !(callId in calls) ? [callId] : [])));
    await Promise.all([...wanted].map(async (id) => {
      const call = await this.#source.call(id).catch(() => null);
      this.#set({ calls: { ...this.store.getState().calls, [id]: call } });
    }));
  }

  async #lookAgain(): Promise<void> {
    const unfinished = this.store.getState().recordings.filter(isUnfinished);
    await Promise.all(unfinished.map(async ({ id }) => {
      try {
        const fresh = await this.#source.one(id);
        this.#change((all) => all.map((one) => (one.id === id ? fresh : one)));
      } catch (error) {
        if (codeOf(error) === "recording_not_found") this.#change((all) => all.filter((one) => one.id !== id));
      }
    }));
  }

  #change(change: (all: readonly Recording[]) => readonly Recording[]): void {
    this.#set({ recordings: change(this.store.getState().recordings) });
  }

  #set(change: Partial<RecordingListState>): void {
    this.store.setState(change);
  }
}
