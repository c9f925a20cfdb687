import { describe, expect, it } from "vitest";

import { loudestOf, ownLevel } from "../src/media/level";

describe("the loudness of our own microphone", () => {
  const inbound = { type: "inbound-rtp", kind: "audio", audioLevel: 0.9 };

  it("is what the browser measures, if it does", () => {
    const chromium = [inbound, { type: "media-source", kind: "audio", audioLevel: 0.25 }, { type: "media-source", kind: "video" }];
    expect(ownLevel(chromium)).toBe(0.25);
    expect(ownLevel([{ type: "media-source", kind: "audio", audioLevel: 0 }]), "silence is a measure too").toBe(0);
  });

  it("is unknown if the browser doesn't measure it, like Firefox", () => {
    expect(ownLevel([inbound, { type: "media-source", kind: "audio" }])).toBeNull();
    expect(ownLevel([])).toBeNull();
  });

  it("is that of the loudest syllable, however long the silence around it", () => {
    const samples = new Float32Array(32_768);
    expect(loudestOf(samples)).toBe(0);
    for (let i = 0; i < 4_096; i += 1) samples[10_000 + i] = 0.5 * Math.sin(i / 10);
    expect(loudestOf(samples)).toBeCloseTo(0.35, 1);
  });
});
