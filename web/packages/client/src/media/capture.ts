/** Opening the microphone and the camera, and saying plainly what went wrong. */
import type { LocalAudioTrack, LocalTrack, LocalVideoTrack } from "livekit-client";

import { audioCapture, videoCapture, type CaptureChoice } from "./options";
import type { MediaProblem } from "./types";

type LiveKit = typeof import("livekit-client");

export interface Captured {
  microphone: LocalAudioTrack | null;
  camera: LocalVideoTrack | null;
  problems: MediaProblem[];
}

/**
 * Opens what is wanted with one prompt. Where one of the two cannot be had the other still is: a call without a
 * camera is better than none.
 */
export async function capture(
  livekit: LiveKit,
  want: { audio: boolean; video: boolean },
  choice: CaptureChoice,
): Promise<Captured> {
  const out: Captured = { microphone: null, camera: null, problems: [] };
  if (!want.audio && !want.video) return out;
  if (!hasDevices()) return { ...out, problems: ["insecure"] };
  if (want.audio && want.video) {
    try {
      return sort(await open(livekit, want, choice), out);
    } catch {
      // One of the two failed: ask for each alone, to learn which.
    }
  }
  for (const kind of ["audio", "video"] as const) {
    if (!want[kind]) continue;
    try {
      sort(await open(livekit, { audio: kind === "audio", video: kind === "video" }, choice), out);
    } catch (error) {
      out.problems.push(problemOf(kind, error));
    }
  }
  return out;
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

/** Browsers hide the devices from pages without https (but for localhost). */
function hasDevices(): boolean {
  return (navigator as { mediaDevices?: MediaDevices }).mediaDevices !== undefined;
}
