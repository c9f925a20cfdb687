/** Ringtone, ringback and short cues, made with Web Audio: no sound files, nothing to fetch. */
import { Lifetime } from "./lifetime";

export type Sound = "ring" | "ringback" | "knock";
export type Sign = "joined" | "left" | "ended";

interface Note {
  /** Seconds from the start of the phrase. */
  at: number;
  hertz: number;
  length: number;
  gain: number;
}

/** A phrase that repeats every `every` seconds. */
interface Phrase {
  every: number;
  notes: readonly Note[];
}

const note = (at: number, hertz: number, length: number, gain: number): Note => ({ at, hertz, length, gain });

/** Steps up a Lydian scale, plucked softly like a lyre: loud enough across a room, bearable for thirty seconds. */
const PHRASES: Record<Sound, Phrase> = {
  ring: {
    every: 3,
    notes: [
      note(0, 392, 0.9, 0.22), note(0.16, 493.88, 0.9, 0.22), note(0.32, 587.33, 0.9, 0.22), note(0.48, 739.99, 1.4, 0.26),
      note(1.1, 587.33, 0.9, 0.2), note(1.26, 739.99, 0.9, 0.2), note(1.42, 880, 1.4, 0.24),
    ],
  },
  knock: { every: 5, notes: [note(0, 587.33, 0.25, 0.07), note(0.22, 587.33, 0.3, 0.07)] },
  ringback: { every: 3.6, notes: [note(0, 293.66, 1.3, 0.07), note(0.02, 440, 1.2, 0.05), note(0.55, 293.66, 1.3, 0.05)] },
};

const SIGNS: Record<Sign, readonly Note[]> = {
  joined: [note(0, 587.33, 0.35, 0.1), note(0.09, 880, 0.5, 0.1)],
  left: [note(0, 587.33, 0.35, 0.08), note(0.09, 440, 0.5, 0.08)],
  ended: [note(0, 493.88, 0.3, 0.1), note(0.1, 392, 0.3, 0.1), note(0.2, 293.66, 0.6, 0.1)],
};

export class Ringer {
  readonly #life = new Lifetime("Ringer");
  #context: AudioContext | null = null;
  #playing: Sound | null = null;
  #stop: () => void = () => undefined;
  #out: GainNode | null = null;

  /** Starts a sound; null stops it. */
  play(sound: Sound | null): void {
    if (sound === this.#playing) return;
    this.#hush();
    this.#playing = sound;
    if (sound === null) return;
    const phrase = PHRASES[sound];
    const strike = (): void => this.#strike(phrase.notes);
    strike();
    this.#stop = this.#life.every(phrase.every * 1000, strike);
    if (sound === "ring") vibrate([300, 150, 300]);
  }

  /** Plays a short cue once. */
  sign(sign: Sign): void {
    this.#strike(SIGNS[sign]);
  }

  /** Falls silent for good. */
  dispose(): void {
    this.play(null);
    this.#life.end();
    void this.#context?.close().catch(() => undefined);
  }

  #hush(): void {
    this.#stop();
    const out = this.#out;
    this.#out = null;
    if (out && this.#context) {
      out.gain.setTargetAtTime(0, this.#context.currentTime, 0.03);
      this.#life.after(300, () => out.disconnect());
    }
    if (this.#playing === "ring") vibrate([]);
  }

  #strike(notes: readonly Note[]): void {
    const context = this.#wake();
    // Before the first user gesture, browsers block sound. The next strike may have more luck.
    if (context?.state !== "running") return;
    const out = (this.#out ??= this.#output(context));
    for (const one of notes) pluck(context, out, one);
  }

  #output(context: AudioContext): GainNode {
    const out = context.createGain();
    out.connect(context.destination);
    return out;
  }

  #wake(): AudioContext | null {
    if (this.#life.over) return null;
    try {
      this.#context ??= new AudioContext();
    } catch {
      return null;
    }
    if (this.#context.state === "suspended") void this.#context.resume().catch(() => undefined);
    return this.#context;
  }
}

/** A plucked note: a sine with quieter overtones that fade sooner. */
function pluck(context: AudioContext, out: AudioNode, { at, hertz, length, gain }: Note): void {
  const start = context.currentTime + at + 0.01;
  for (const [multiple, share, life] of [[1, 1, 1], [2, 0.3, 0.5], [3, 0.08, 0.25]] as const) {
    const oscillator = context.createOscillator();
    const level = context.createGain();
    oscillator.frequency.value = hertz * multiple;
    level.gain.setValueAtTime(0, start);
    level.gain.linearRampToValueAtTime(gain * share, start + 0.008);
    level.gain.exponentialRampToValueAtTime(0.0001, start + length * life);
    oscillator.connect(level).connect(out);
    oscillator.start(start);
    oscillator.stop(start + length * life + 0.05);
    oscillator.onended = () => level.disconnect();
  }
}

function vibrate(pattern: number[]): void {
  // Not every browser can, and those that can complain before the first gesture.
  const { userActivation } = navigator as { userActivation?: UserActivation };
  if (userActivation?.hasBeenActive === false) return;
  (navigator as { vibrate?: (pattern: number[]) => boolean }).vibrate?.(pattern);
}
