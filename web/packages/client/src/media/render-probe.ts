/** Waits until a room's track arrives: for video its first frame, for sound its first packet. */
import type { RemoteTrack } from "livekit-client";

import type { Lifetime } from "../lifetime";

/** Milliseconds after which it counts as arrived all the same. */
const PATIENCE = 10_000;
/** Milliseconds that the real element has to take over. */
const TAKEOVER = 1_000;

/**
 * Video is only sent while something shows it, so a tiny, all but invisible element shows it until the real one takes over. With
 * the end of `life` nothing is waited for any more, and the element goes.
 */
export function firstFrame(track: RemoteTrack, life: Lifetime): Promise<void> {
  return track.kind === "video" ? firstPicture(track, life) : firstPacket(track.mediaStreamTrack, life);
}

function firstPacket(track: MediaStreamTrack, life: Lifetime): Promise<void> {
  if (!track.muted) return Promise.resolve();
  return arrival(life, (arrived) => {
    track.addEventListener("unmute", arrived, { once: true });
    return () => track.removeEventListener("unmute", arrived);
  });
}

async function firstPicture(track: RemoteTrack, life: Lifetime): Promise<void> {
  const probe = document.createElement("video");
  probe.muted = true;
  probe.playsInline = true;
  probe.setAttribute("aria-hidden", "true");
  Object.assign(probe.style, { position: "fixed", right: "0", bottom: "0", width: "16px", height: "9px", opacity: "0.01", pointerEvents: "none" });
  document.body.append(probe);
  track.attach(probe);
  const remove = life.keep(() => {
    track.detach(probe);
    probe.remove();
  });
  await arrival(life, (arrived) => {
    const request = probe.requestVideoFrameCallback(arrived);
    return () => probe.cancelVideoFrameCallback(request);
  });
  // The real one is attached in this turn. The room mustn't think that nobody is watching in between.
  life.after(TAKEOVER, remove);
}

/** Waits for what `listen` listens for, but not for ever. */
function arrival(life: Lifetime, listen: (arrived: () => void) => () => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(), PATIENCE);
    const stop = listen(() => end());
    const end = life.keep(() => {
      clearTimeout(timer);
      stop();
      resolve();
    });
  });
}
