// How long a video stood still: the instrument for "nobody notices".
import type { Locator } from "playwright-core";

/** Starts to note when frames come. The element may get another source meanwhile; that counts as well. */
export async function watchFrames(video: Locator): Promise<void> {
  await video.evaluate((element) => {
    const source = element as HTMLVideoElement & { seenAt?: number[] };
    const seen: number[] = [performance.now()];
    source.seenAt = seen;
    let last = "";
    // Frames shown and the time of the one shown: the one starts anew with another source, the other may repeat.
    const look = () => {
      const now = `${source.getVideoPlaybackQuality().totalVideoFrames}/${source.currentTime}`;
      if (source.readyState >= 2 && now !== last) {
        last = now;
        seen.push(performance.now());
      }
      if (source.seenAt === seen) setTimeout(look, 20);
    };
    look();
  });
}

/** The longest time without a frame since the watch began, in milliseconds; what is going on now counts. */
export async function longestGap(video: Locator): Promise<number> {
  return video.evaluate((element) => {
    const seen = [...((element as HTMLVideoElement & { seenAt?: number[] }).seenAt ?? []), performance.now()];
    if (seen.length === 1) return Number.POSITIVE_INFINITY;
    return Math.max(...seen.slice(1).map((at, i) => at - (seen[i] ?? at)));
  });
}
