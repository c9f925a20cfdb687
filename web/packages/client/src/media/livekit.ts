/** Loads LiveKit's client, which is large, only when a call needs it. */
export type LiveKit = typeof import("livekit-client");

let loading: Promise<LiveKit> | undefined;

/** Loads the media code. Call it early, as when a call starts ringing, to have it ready. */
export function loadMedia(): Promise<LiveKit> {
  loading ??= import("livekit-client").catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}
