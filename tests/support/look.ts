// The instruments: what colour a video shows, whether it moves, which tones an audio element carries.
import type { Locator } from "playwright-core";
import { everyone, type Persona, type Rgb } from "./media.ts";
import { sleep, until, type WaitOptions } from "./wait.ts";

export interface Sight {
  colour: Rgb;
  /** Where the white block stands, 0 left to 1 right; null when there is none. */
  block: number | null;
  width: number;
  height: number;
  /** Seconds of media shown so far. */
  time: number;
}

/** One look at a `<video>`. Null while it has no frame. */
export async function lookAt(video: Locator): Promise<Sight | null> {
  return video.evaluate((element) => {
    const source = element as HTMLVideoElement;
    if (source.readyState < 2 || source.videoWidth === 0) return null;
    const [w, h] = [64, 36];
    const canvas = document.createElement("canvas");
    canvas.width = w;
    canvas.height = h;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) return null;
    context.drawImage(source, 0, 0, w, h);
    const pixels = context.getImageData(0, 0, w, h).data;
    const channels: [number[], number[], number[]] = [[], [], []];
    let [sum, count] = [0, 0];
    for (let i = 0; i < w * h; i += 1) {
      const [r, g, b] = [pixels[i * 4] ?? 0, pixels[i * 4 + 1] ?? 0, pixels[i * 4 + 2] ?? 0];
      channels[0].push(r);
      channels[1].push(g);
      channels[2].push(b);
      if (Math.min(r, g, b) > 180) {
        sum += i % w;
        count += 1;
      }
    }
    const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
    return {
      colour: [median(channels[0]), median(channels[1]), median(channels[2])] as const,
      block: count > 4 ? sum / count / w : null,
      width: source.videoWidth,
      height: source.videoHeight,
      time: source.currentTime,
    };
  });
}

/** Whether a colour is a persona's: encoders shift it, so the nearest persona counts, within a bound. */
export function isColourOf(seen: Rgb, who: Persona): boolean {
  const distance = (p: Persona) => Math.hypot(...p.colour.map((c, i) => c - (seen[i] ?? 0)));
  return distance(who) < 70 && everyone.every((other) => other === who || distance(other) > distance(who));
}

/** Waits until the video shows `who`'s colour and moves: the block stands at three places at least. */
export async function sees(video: Locator, who: Persona, options: WaitOptions = {}): Promise<Sight> {
  const places: number[] = [];
  return until(
    `a moving picture in ${who.name}'s colour`,
    async () => {
      const sight = await lookAt(video);
      if (sight === null) throw new Error("no frame");
      if (!isColourOf(sight.colour, who)) throw new Error(`colour ${sight.colour.join(",")}`);
      if (sight.block !== null && places.every((place) => Math.abs(place - (sight.block ?? 0)) > 0.02)) {
        places.push(sight.block);
      }
      if (places.length < 3) throw new Error(`block seen at ${JSON.stringify(places)}`);
      return sight;
    },
    { timeout: 45_000, every: 150, ...options },
  );
}

/** The loudest that each persona's tone was within the time, in dB of full scale, and the floor beside the tones. */
export interface Hearing {
  tones: Record<string, number>;
  floor: number;
}

/** A burst of each tone and the pause before it, whenever it begins, and what the analyser needs to fill. */
const ONE_CYCLE = 800;

/** Listens to an element's `srcObject` for a while. */
export async function listen(media: Locator, milliseconds = 1_500): Promise<Hearing> {
  return media.evaluate(
    async (element, { personas, milliseconds }) => {
      const stream = (element as HTMLMediaElement).srcObject;
      const floor = -120;
      const silent = { tones: Object.fromEntries(personas.map((p) => [p.name, floor])), floor };
      if (!(stream instanceof MediaStream) || stream.getAudioTracks().length === 0) return silent;
      const context = new AudioContext();
      await context.resume();
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      context.createMediaStreamSource(stream).connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      const loudest: Record<string, number> = { ...silent.tones };
      const besides: number[] = [];
      const binOf = (hz: number) => Math.round((hz * analyser.fftSize) / context.sampleRate);
      const level = (hz: number) => Math.max(...[-2, -1, 0, 1, 2].map((d) => bins[binOf(hz) + d] ?? floor), floor);
      const end = performance.now() + milliseconds;
      while (performance.now() < end) {
        analyser.getFloatFrequencyData(bins);
        for (const { name, tone } of personas) loudest[name] = Math.max(loudest[name] ?? floor, level(tone));
        besides.push(Math.max(level(700), level(1190), level(1800)));
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      await context.close();
      return { tones: loudest, floor: besides.sort((a, b) => a - b)[besides.length >> 1] ?? floor };
    },
    { personas: everyone.map(({ name, tone }) => ({ name, tone })), milliseconds },
  );
}

/** Loud enough to be heard, and the loudest of all tones by far. */
export function isToneOf({ tones, floor }: Hearing, who: Persona): boolean {
  const wanted = tones[who.name] ?? -120;
  const others = Object.entries(tones).filter(([name]) => name !== who.name);
  return wanted > -60 && wanted > floor + 15 && others.every(([, level]) => wanted > level + 12);
}

/** Waits until the element carries `who`'s tone, and nobody else's. */
export async function hears(media: Locator, who: Persona, options: WaitOptions = {}): Promise<Hearing> {
  return until(
    `${who.name}'s tone of ${who.tone} Hz`,
    async () => {
      const hearing = await listen(media, ONE_CYCLE);
      if (!isToneOf(hearing, who)) throw new Error(JSON.stringify(hearing));
      return hearing;
    },
    { timeout: 45_000, ...options },
  );
}

/** Waits until nothing is to be heard of `who` any more. */
export async function hearsNothing(media: Locator, who: Persona, options: WaitOptions = {}): Promise<void> {
  await until(
    `silence of ${who.name}`,
    async () => {
      const { tones } = await listen(media);
      const level = tones[who.name] ?? -120;
      if (level > -75) throw new Error(`${level} dB`);
      return true;
    },
    { timeout: 30_000, ...options },
  );
}

/** Whether a video goes on: at least `frames` further frames are shown within the time. Answers once they are. */
export async function keepsPlaying(video: Locator, milliseconds = 3_000, frames = 5): Promise<boolean> {
  const shown = () =>
    video.evaluate((element) => (element as HTMLVideoElement).getVideoPlaybackQuality().totalVideoFrames);
  const [before, end] = [await shown(), Date.now() + milliseconds];
  while ((await shown()) - before < frames) {
    if (Date.now() > end) return false;
    await sleep(50);
  }
  return true;
}
