/** What a recording is for whoever looks at it: how far it has come, who may do what with it, and its links. Pure. */
import type { Recording, Session } from "../types";

/**
 * How far a recording has come. `live`: the call is still being recorded; `processing`: its files are being kept and put together;
 * `ready`: there is one file of the whole call; `tracks`: there is none, only what each person sent.
 */
export type RecordingStage = "live" | "processing" | "ready" | "tracks" | "failed" | "deleted";

export function recordingStage({ status, fileUrl }: Pick<Recording, "status" | "fileUrl">): RecordingStage {
  switch (status) {
    case "starting":
    case "recording":
    case "paused":
      return "live";
    case "processing":
    case "failed":
    case "deleted":
      return status;
    case "completed":
      return fileUrl === null ? "tracks" : "ready";
  }
}

/** Whether it will change without anyone's doing, so that it's worth asking again. What there is of a failed one is put together, too. */
export function isUnfinished(recording: Pick<Recording, "status" | "fileUrl" | "progress">): boolean {
  const stage = recordingStage(recording);
  return stage === "live" || stage === "processing" || recording.progress !== null;
}

/** Whether this user may say how long it's kept. */
export function mayChange(recording: Pick<Recording, "startedBy">, userId: string, session: Session | null): boolean {
  return recording.startedBy === userId || (session?.permissions.includes("admin") ?? false);
}

/** Whether this user may delete it now: not while it's being made, and not while it's on legal hold. */
export function mayDelete(recording: Recording, userId: string, session: Session | null): boolean {
  return mayChange(recording, userId, session) && !recording.legalHold && recordingStage(recording) !== "live" && recording.status !== "deleted";
}

/** When a signed link stops working, in milliseconds since 1970; null if it isn't a signed link. */
export function linkExpiry(link: string): number | null {
  const seconds = Number(new URL(link, "http://here").searchParams.get("expires") ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/**
 * A signed link for the page itself. The server writes links with its public name; the page may be open under another one, and may
 * play from its own origin only. The signature covers the path, so it holds for both.
 */
export function linkFrom(baseUrl: string, link: string): string {
  const { pathname, search } = new URL(link, "http://here");
  return baseUrl.replace(/\/+$/, "") + pathname + search;
}
