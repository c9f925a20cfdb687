/** Opens the microphone and camera, and says plainly what went wrong. */
import type { LocalAudioTrack, LocalTrack, LocalVideoTrack } from "livekit-client";

import type { LiveKit } from "./livekit";
import { audioCapture, videoCapture, type CaptureChoice } from "./options";
import type { MediaProblem, Missing, Source } from "./types";

export interface Captured {
  microphone: LocalAudioTrack | null;
  camera: LocalVideoTrack | null;
  missing: Missing;
}

/**
 * Opens what is wanted with a single prompt. If only one of the two can be opened, it still is: a call without a camera is
 * better than no call.
 */
export async function capture(
  livekit: LiveKit,
  want: { audio: boolean; video: boolean },
  choice: CaptureChoice,
): Promise<Captured> {
  const out: Captured = { microphone: null, camera: null, missing: {} };
  const kinds = (["audio", "video"] as const).filter((kind) => want[kind]);
  const miss = (kind: "audio" | "video", problem: MediaProblem): void => void (out.missing = { ...out.missing, [sourceOf(kind)]: problem });
  if (!hasDevices()) {
    for (const kind of kinds) miss(kind, "insecure");
    return out;
  }
  if (want.audio && want.video) {
    try {
      return sort(await open(livekit, want, choice), out);
    } catch {
      // One of the two failed: ask for each alone to find out which.
    }
  }
  for (const kind of kinds) {
    try {
      sort(await open(livekit, { audio: kind === "audio", video: kind === "video" }, choice), out);
    } catch (error) {
      miss(kind, problemOf(kind, error));
    }
  }
  return out;
}

export function sourceOf(kind: "audio" | "video"): Source {
  return kind === "audio" ? "microphone" : "camera";
}

export function problemOf(kind: "audio" | "video", error: unknown): MediaProblem {
  if (!hasDevices()) return "insecure";
  const denied = error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "SecurityError");
  if (kind === "audio") return denied ? "microphone_denied" : "microphone_missing";
  return denied ? "camera_denied" : "camera_missing";
}

function open(livekit: LiveKit, want: { audio: boolean; video: boolean }, choice: CaptureChoice): Promise<LocalTrack[]> {
  return livekit.createLocalTracks({
    audio: want.audio ? audioCapture(choice) : false,
    video: want.video ? videoCapture(choice) : false,
  });
}

function sort(tracks: LocalTrack[], into: Captured): Captured {
  for (const track of tracks) {
    if (track.kind === "audio") into.microphone = track as LocalAudioTrack;
    else into.camera = track as LocalVideoTrack;
  }
  return into;
}

/** Browsers hide devices from pages without https, except on localhost. */
function hasDevices(): boolean {
  return (navigator as { mediaDevices?: MediaDevices }).mediaDevices !== undefined;
}
