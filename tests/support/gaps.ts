// How long a video stood still: the instrument for "nobody notices".
import type { Locator } from "playwright-core";
import { until } from "./wait.ts";

/** Frames by which a machine shows how evenly it plays when nothing happens. */
const USUAL_FRAMES = 60;

/** Starts to note when frames come. The element may get another source meanwhile; that counts as well. */
export async function watchFrames(video: Locator): Promise<void> {
  await video.evaluate((element) => {
    const source = element as HTMLVideoElement & { seenAt?: number[] };
    const seen: number[] = [performance.now()];
    source.seenAt = seen;
    // The clock of a stream goes on while its picture stands still: only what is shown counts.
    const look = () => {
      seen.push(performance.now());
      if (source.seenAt === seen) source.requestVideoFrameCallback(look);
    };
    source.requestVideoFrameCallback(look);
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

/** The longest time between two frames while nothing happens, in milliseconds: what a busy machine itself adds to a gap. */
export async function usualGap(video: Locator): Promise<number> {
  await watchFrames(video);
  const frames = () => video.evaluate((element) => (element as HTMLVideoElement & { seenAt?: number[] }).seenAt?.length ?? 0);
  await until("frames enough", async () => (await frames()) > USUAL_FRAMES);
  return longestGap(video);
}
