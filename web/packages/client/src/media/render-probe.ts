/** Waits until a room's track arrives: for video its first frame, for sound its first packet. */
import type { RemoteTrack } from "livekit-client";

const PATIENCE = 10_000;

/**
 * Video is only sent while something shows it, so a tiny, all but invisible element shows it until the real one takes over.
 */
export function firstFrame(track: RemoteTrack): Promise<void> {
  return track.kind === "video" ? firstPicture(track) : firstPacket(track.mediaStreamTrack);
}

function firstPacket(track: MediaStreamTrack): Promise<void> {
  if (!track.muted) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(resolve, PATIENCE);
    track.addEventListener("unmute", () => {
      clearTimeout(late);
      resolve();
    }, { once: true });
  });
}

function firstPicture(track: RemoteTrack): Promise<void> {
  const probe = document.createElement("video");
  probe.muted = true;
  probe.playsInline = true;
  probe.setAttribute("aria-hidden", "true");
  Object.assign(probe.style, { position: "fixed", right: "0", bottom: "0", width: "16px", height: "9px", opacity: "0.01", pointerEvents: "none" });
  document.body.append(probe);
  track.attach(probe);
  return new Promise<void>((resolve) => {
    const late = setTimeout(resolve, PATIENCE);
    probe.requestVideoFrameCallback(() => {
      clearTimeout(late);
      resolve();
    });
  }).finally(() => {
    // The real one is attached in this turn. The room mustn't think that nobody is watching in between.
    setTimeout(() => {
      track.detach(probe);
      probe.remove();
    }, 1_000);
  });
}
