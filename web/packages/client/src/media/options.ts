/** How media is captured and sent: the room's options and the presets behind them. Bitrates are in bits per second. */
import type { RoomOptions, VideoPreset } from "livekit-client";

import type { LiveKit } from "./livekit";

/** Simulcast layers: full, half and quarter of 720p. */
export const CAMERA = {
  high: { width: 1280, height: 720, maxBitrate: 2_500_000, maxFramerate: 30 },
  medium: { width: 640, height: 360, maxBitrate: 800_000, maxFramerate: 30 },
  low: { width: 320, height: 180, maxBitrate: 200_000, maxFramerate: 15 },
} as const;

/** A shared screen. */
export const SCREEN = { maxBitrate: 2_500_000, maxFramerate: 15 } as const;

/** Which devices the user chose, by the browser's IDs; null where the browser is to choose. */
export interface CaptureChoice {
  microphone: string | null;
  camera: string | null;
  speaker: string | null;
  /** Whether the browser filters noise out of the microphone's sound. */
  noiseSuppression: boolean;
  /** Whether a second call may ring during a call. */
  callWaiting: boolean;
}

export function roomOptions(livekit: LiveKit, choice: CaptureChoice): RoomOptions {
  const preset = ({ width, height, maxBitrate, maxFramerate }: (typeof CAMERA)[keyof typeof CAMERA]): VideoPreset =>
    new livekit.VideoPreset(width, height, maxBitrate, maxFramerate);
  return {
    adaptiveStream: true,
    dynacast: true,
    // A reload isn't leaving: the server keeps the place until the tab is back or the grace period ends.
    disconnectOnPageLeave: false,
    audioCaptureDefaults: audioCapture(choice),
    videoCaptureDefaults: videoCapture(choice),
    ...(choice.speaker ? { audioOutput: { deviceId: choice.speaker } } : {}),
    publishDefaults: {
      simulcast: true,
      videoCodec: "vp8",
      videoEncoding: { maxBitrate: CAMERA.high.maxBitrate, maxFramerate: CAMERA.high.maxFramerate },
      videoSimulcastLayers: [preset(CAMERA.low), preset(CAMERA.medium)],
      screenShareEncoding: SCREEN,
      red: true,
      dtx: true,
    },
  };
}

export function audioCapture({ microphone, noiseSuppression }: CaptureChoice) {
  return {
    echoCancellation: true,
    autoGainControl: true,
    noiseSuppression,
    ...(microphone ? { deviceId: { ideal: microphone } } : {}),
  };
}

export function videoCapture({ camera }: CaptureChoice) {
  const { width, height, maxFramerate } = CAMERA.high;
  return { resolution: { width, height, frameRate: maxFramerate }, ...(camera ? { deviceId: { ideal: camera } } : {}) };
}

export const screenCapture = {
  audio: true,
  contentHint: "detail",
  resolution: { width: 1920, height: 1080, frameRate: SCREEN.maxFramerate },
  selfBrowserSurface: "exclude",
  surfaceSwitching: "include",
  systemAudio: "include",
} as const;
