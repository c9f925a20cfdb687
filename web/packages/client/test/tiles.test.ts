import { describe, expect, it } from "vitest";

import { keepPeople } from "../src/media/people";
import { gridFor, keepingTiles, tilesOf } from "../src/media/tiles";
import type { Person } from "../src/media/types";
import { call, participant } from "./fixtures";

const person = (userId: string, change: Partial<Person> = {}): Person => ({
  userId, name: userId, local: userId === "alice", speaking: false, muted: false, camera: null, cameraOn: true,
  screen: null, screenOn: false, audio: [], quality: "good", ...change,
});
const group = call({
  kind: "group",
  participants: [
    participant("alice", "connected"), participant("bob", "connected"), participant("carol", "ringing"),
    participant("dan", "declined"), participant("eve", "disconnected"), participant("farid", "connecting"),
  ],
});
const shown = (people: Person[]) => tilesOf(group, people, "alice").map((t) => `${t.key} ${t.state}`);

describe("tiles", () => {
  it("show who is there, ringing or reconnecting, never who declined, and ourselves last", () => {
    expect(shown([person("alice"), person("bob")])).toEqual([
      "camera:bob connected", "camera:carol ringing", "camera:eve reconnecting", "camera:farid connecting", "camera:alice connected",
    ]);
  });

  it("put screens first and keep their people", () => {
    expect(shown([person("alice"), person("bob", { screenOn: true })]).slice(0, 2)).toEqual(["screen:bob connected", "camera:bob connected"]);
  });

  it("leave out our own screen, which would mirror itself", () => {
    expect(shown([person("bob"), person("alice", { screenOn: true })])).not.toContain("screen:alice connected");
  });

  it("don't move when somebody speaks", () => {
    const quiet = shown([person("bob"), person("farid"), person("alice")]);
    expect(shown([person("farid", { speaking: true }), person("bob"), person("alice")])).toEqual(quiet);
  });

  it("show somebody the call doesn't know yet", () => {
    expect(shown([person("alice"), person("bob"), person("zoe")])).toContain("camera:zoe connected");
  });
});

describe("what hasn't changed", () => {
  it("is the same tile as before, and the same list", () => {
    const tiles = keepingTiles();
    const first = tiles(group, [person("alice"), person("bob")], "alice");
    expect(tiles(structuredClone(group), [person("alice"), person("bob")], "alice")).toBe(first);
    const next = tiles(group, [person("alice"), person("bob", { muted: true })], "alice", { carol: "carol" });
    expect(next.map((tile, index) => [tile.userId, tile === first[index]])).toEqual([
      ["bob", false], ["carol", false], ["eve", true], ["farid", true], ["alice", true],
    ]);
  });

  it("stays the same tile when somebody comes before it", () => {
    const tiles = keepingTiles();
    const first = tiles(group, [person("alice"), person("bob")], "alice");
    const next = tiles(group, [person("alice"), person("bob", { screenOn: true })], "alice");
    expect(next.find((tile) => tile.userId === "alice")).toBe(first.at(-1));
  });

  it("is the same person", () => {
    const track = { key: "track-1", attach: () => undefined, detach: () => undefined };
    const voice = () => person("bob", { audio: [{ source: "microphone", track }] });
    const before = [voice(), person("carol")];
    expect(keepPeople(before, [voice(), person("carol")])).toBe(before);
    const next = keepPeople(before, [voice(), person("carol", { speaking: true })]);
    expect([next[0] === before[0], next[1] === before[1]]).toEqual([true, false]);
    expect(keepPeople(before, [person("bob"), person("carol")])[0]).not.toBe(before[0]);
  });
});

describe("the grid", () => {
  it.each([
    [1, 1600, 900, { columns: 1, rows: 1 }],
    [2, 1600, 900, { columns: 2, rows: 1 }],
    [4, 1600, 900, { columns: 2, rows: 2 }],
    [5, 1600, 900, { columns: 3, rows: 2 }],
    [9, 1600, 900, { columns: 3, rows: 3 }],
    [2, 390, 700, { columns: 1, rows: 2 }],
    [3, 2000, 300, { columns: 3, rows: 1 }],
  ])("%i tiles in %i by %i", (count, width, height, grid) => {
    expect(gridFor(count, width, height, 10)).toEqual(grid);
  });

  it("always has room for everyone", () => {
    for (let count = 0; count < 60; count += 1) {
      const { columns, rows } = gridFor(count, 1000, 700, 10);
      expect(columns * rows).toBeGreaterThanOrEqual(count);
    }
  });
});
