/** How loud our own microphone is, for browsers whose stats don't say. */

/** The largest power of two allowed: at 48 kHz, slightly longer than the time between two looks. */
const WINDOW = 32_768;
/** How many samples loudness is measured over: about a syllable. */
const SYLLABLE = 2_048;

type Entry = Record<string, unknown> & { type: string };

/** The loudest of our own sources in a `getStats` report; null if the browser doesn't measure them. */
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

  /** How loud it has been recently. */
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
