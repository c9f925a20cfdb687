/** Recordings as a page shows them: the list, and one of them. */
import { RecordingList, RecordingWatch, type RecordingListState, type RecordingQuery, type RecordingWatchState } from "@stoa/client";
import { useEffect, useMemo } from "react";

import { useStoa } from "./context";
import { useReadable } from "./store";

export interface Recordings extends RecordingListState {
  more: () => void;
  again: () => void;
}

/** The recordings in this text's and this call's reach, kept up to date. */
export function useRecordings(text: string, callId?: string): Recordings {
  const stoa = useStoa();
  const list = useMemo(() => new RecordingList(stoa.recordings), [stoa]);
  const state = useReadable(list.store, whole);
  useEffect(() => list.follow(), [list]);
  useEffect(() => {
    const query: RecordingQuery = { ...(text === "" ? {} : { query: text }), ...(callId === undefined ? {} : { callId }) };
    void list.read(query);
    // A call that ends here may leave a recording.
    return stoa.notices.on(({ kind }) => {
      if (kind === "ended" || kind.startsWith("recording_")) void list.read();
    });
  }, [stoa, list, text, callId]);
  return useMemo(() => ({ ...state, more: () => void list.more(), again: () => void list.read() }), [list, state]);
}

export interface WatchedRecording extends RecordingWatchState {
  again: () => Promise<void>;
  /** How long to keep it after the call, in days; null for as long as the server does. */
  keep: (days: number | null) => Promise<void>;
}

/** One recording, kept up to date. */
export function useWatchedRecording(id: string): WatchedRecording {
  const stoa = useStoa();
  const watch = useMemo(() => new RecordingWatch(stoa.recordings, id), [stoa, id]);
  const state = useReadable(watch.store, whole);
  useEffect(() => watch.follow(), [watch]);
  return useMemo(
    () => ({
      ...state,
      again: () => watch.read(),
      keep: async (days) => watch.put(await stoa.recordings.change(id, { retentionDays: days })),
    }),
    [stoa, watch, id, state],
  );
}

function whole<S>(state: S): S {
  return state;
}
