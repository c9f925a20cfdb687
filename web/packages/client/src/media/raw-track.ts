/** Wraps a browser's track in a handle, and remembers where sound plays so that it can be moved or started. */
import { Emitter } from "../emitter";
import type { TrackHandle } from "./types";

const handles = new WeakMap<MediaStreamTrack, TrackHandle>();
const playing = new Set<HTMLMediaElement>();
const blocked = new Set<HTMLMediaElement>();
let made = 0;
let speaker: string | null = null;
const onBlocked = new Emitter<boolean>();

/** The same track always has the same handle. */
export function trackHandle(track: MediaStreamTrack): TrackHandle {
  const known = handles.get(track);
  if (known) return known;
  made += 1;
  const stream = new MediaStream([track]);
  const handle: TrackHandle = {
    key: `peer-${made}`,
    attach: (element) => {
      element.srcObject = stream;
      playing.add(element);
      if (track.kind === "audio") void point(element);
      play(element);
    },
    detach: (element) => {
      if (element.srcObject !== stream) return;
      element.srcObject = null;
      playing.delete(element);
      blocked.delete(element);
    },
  };
  handles.set(track, handle);
  return handle;
}

export function pointSound(deviceId: string | null): void {
  speaker = deviceId;
  for (const element of playing) void point(element);
}

/** The listener hears when the browser needs a gesture before it plays sound. Call the result to stop. */
export function watchBlocked(listener: (blocked: boolean) => void): () => void {
  return onBlocked.on(listener);
}

export function playAll(): void {
  for (const element of blocked) play(element);
}

function play(element: HTMLMediaElement): void {
  element.play().then(
    () => {
      if (blocked.delete(element) && blocked.size === 0) onBlocked.emit(false);
    },
    (error: unknown) => {
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) return;
      blocked.add(element);
      onBlocked.emit(true);
    },
  );
}

async function point(element: HTMLMediaElement): Promise<void> {
  const { setSinkId } = element as { setSinkId?: (id: string) => Promise<void> };
  if (setSinkId && (speaker !== null || (element as { sinkId?: string }).sinkId)) {
    await setSinkId.call(element, speaker === "default" || speaker === null ? "" : speaker).catch(() => undefined);
  }
}
