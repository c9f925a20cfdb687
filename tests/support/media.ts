// What the fake cameras and microphones play: one colour with a moving block, one tone in bursts, one of each a user.
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheDir } from "./paths.ts";

export type Rgb = readonly [number, number, number];

/** A person as the others must see and hear them. */
export interface Persona {
  name: string;
  colour: Rgb;
  /** Hertz. No tone is a harmonic of another. */
  tone: number;
}

export const alice: Persona = { name: "Alice", colour: [200, 40, 40], tone: 523 };
export const bob: Persona = { name: "Bob", colour: [210, 170, 30], tone: 941 };
export const carol: Persona = { name: "Carol", colour: [50, 70, 210], tone: 1427 };
/** What Chromium's fake screen shows: a green of its own, with a figure that moves. */
export const fakeScreen: Rgb = [0, 135, 0];
export const everyone = [alice, bob, carol] as const;

export interface Picture {
  width: number;
  height: number;
  fps: number;
}

export const small: Picture = { width: 640, height: 360, fps: 15 };
export const hd: Picture = { width: 1280, height: 720, fps: 15 };

/** The camera file of `who`: two seconds that repeat without a seam. */
export function cameraFile(who: Persona, { width, height, fps }: Picture = small): string {
  const path = join(cacheDir("media"), `${who.name}-${width}x${height}-${fps}.y4m`);
  if (existsSync(path)) return path;
  const frames = fps * 2;
  const parts: Buffer[] = [Buffer.from(`YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420jpeg\n`)];
  for (let frame = 0; frame < frames; frame += 1) {
    parts.push(Buffer.from("FRAME\n"), colourFrame(who.colour, width, height, frame / frames));
  }
  return writeWhole(path, Buffer.concat(parts));
}

/** One I420 frame: the colour, and a white block an eighth wide whose place says where in the loop we are. */
function colourFrame(colour: Rgb, width: number, height: number, place: number): Buffer {
  const [y, u, v] = yuv(colour);
  const luma = Buffer.alloc(width * height, y);
  const chromaU = Buffer.alloc((width * height) / 4, u);
  const chromaV = Buffer.alloc((width * height) / 4, v);
  const size = Math.floor(width / 16) * 2;
  const left = Math.floor((place * (width - size)) / 2) * 2;
  const top = Math.floor((height - size) / 4) * 2;
  for (let row = top; row < top + size; row += 1) {
    luma.fill(235, row * width + left, row * width + left + size);
    if (row % 2 === 1) continue;
    const at = ((row / 2) * width) / 2 + left / 2;
    chromaU.fill(128, at, at + size / 2);
    chromaV.fill(128, at, at + size / 2);
  }
  return Buffer.concat([luma, chromaU, chromaV]);
}

/** BT.601, limited range: what Chromium takes a camera's I420 to be. */
function yuv([r, g, b]: Rgb): Rgb {
  const y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255;
  const u = 128 + (-37.797 * r - 74.203 * g + 112 * b) / 255;
  const v = 128 + (112 * r - 93.786 * g - 18.214 * b) / 255;
  return [Math.round(y), Math.round(u), Math.round(v)];
}

const SAMPLE_RATE = 48_000;

/**
 * The microphone file of `who`: bursts of 300 ms with 200 ms between them. A tone that never stops is what noise suppression
 * is made to remove.
 */
export function toneFile(who: Persona): string {
  const path = join(cacheDir("media"), `${who.name}-${who.tone}.wav`);
  if (existsSync(path)) return path;
  const samples = SAMPLE_RATE * 4;
  const pcm = Buffer.alloc(samples * 2);
  for (let i = 0; i < samples; i += 1) {
    const inCycle = (i / SAMPLE_RATE) % 0.5;
    const edge = Math.min(inCycle, Math.max(0, 0.3 - inCycle)) / 0.01;
    const level = Math.max(0, Math.min(1, edge)) * 0.5;
    pcm.writeInt16LE(Math.round(32_767 * level * Math.sin((2 * Math.PI * who.tone * i) / SAMPLE_RATE)), i * 2);
  }
  return writeWhole(path, Buffer.concat([wavHeader(pcm.length), pcm]));
}

function wavHeader(bytes: number): Buffer {
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + bytes, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(SAMPLE_RATE, 24);
  header.writeUInt32LE(SAMPLE_RATE * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(bytes, 40);
  return header;
}

/** A half-written file must never be taken for a whole one by the next run. */
function writeWhole(path: string, content: Buffer): string {
  const part = `${path}.${process.pid}`;
  writeFileSync(part, content);
  renameSync(part, path);
  return path;
}
