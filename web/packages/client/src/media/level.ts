/** How loud one's own microphone is, for browsers whose counters do not say so. */

/** Power of two, the most there is: at 48 kHz as long as the time between two looks, and a little longer. */
const WINDOW = 32_768;
/** Samples over which loudness is taken: a syllable. */
const SYLLABLE = 2_048;

type Entry = Record<string, unknown> & { type: string };

/** The loudest of our own sources in a report of `getStats`; null where the browser does not measure them. */
export function ownLevel(entries: Iterable<unknown>): number | null {
  let loudest: number | null = null;
  for (const entry of entries as Iterable<Entry>) {
    const { type, kind, audioLevel } = entry;
    if (type === "media-source" && kind === "audio" && typeof audioLevel === "number") loudest = Math.max(loudest ?? 0, audioLevel);
  }
  return loudest;
}

/** The loudness of the loudest syllable, 0 to 1. */
export function loudestOf(samples: Float32Array): number {
  let loudest = 0;
  for (let start = 0; start < samples.length; start += SYLLABLE) {
    const syllable = samples.subarray(start, start + SYLLABLE);
    loudest = Math.max(loudest, syllable.reduce((sum, sample) => sum + sample * sample, 0) / syllable.length);
  }
  return Math.sqrt(loudest);
}

/** Listens to a track without playing it. */
export class LevelMeter {
  readonly #context: AudioContext;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #analyser: AnalyserNode;
  readonly #samples = new Float32Array(WINDOW);

  constructor(readonly track: MediaStreamTrack) {
    this.#context = new AudioContext();
    this.#source = this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#analyser = this.#context.createAnalyser();
    this.#analyser.fftSize = WINDOW;
    this.#source.connect(this.#analyser);
  }

  /** How loud it was of late. */
  level(): number {
    if (this.#context.state === "suspended") void this.#context.resume().catch(() => undefined);
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return loudestOf(this.#samples);
  }

  close(): void {
    this.#source.disconnect();
    void this.#context.close().catch(() => undefined);
  }
}
