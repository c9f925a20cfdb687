/** Which tiles a call shows, and in what grid. Pure: participants and people in the room go in, tiles come out. */
import { isPresent, isRinging } from "../calls/book";
import { keepSame, sameMembers } from "../kept";
import type { Call } from "../types";
import type { LineQuality, Person, TrackHandle } from "./types";

export type TileState = "connected" | "connecting" | "ringing" | "reconnecting";

export interface Tile {
  /** Stays the same for as long as this camera or screen is shown. */
  key: string;
  kind: "camera" | "screen";
  userId: string;
  /** The name the media knows; the directory may know a better one. Null until the media has told one. */
  name: string | null;
  /** Whether it is our own. */
  local: boolean;
  state: TileState;
  speaking: boolean;
  muted: boolean;
  cameraOn: boolean;
  /** Null while nothing is sent or nothing has arrived. */
  video: TrackHandle | null;
  quality: LineQuality;
  /** Their side of the call is on hold. */
  held: boolean;
}

/**
 * Other people's screens first, then everyone else in the order they came, and ourselves last: tiles don't move when somebody
 * speaks. Our own screen isn't shown, since it would mirror itself without end. Somebody who is in the call but not yet in the
 * room has a tile that says so.
 */
export function tilesOf(call: Call | null, people: readonly Person[], me: string, held: Readonly<Record<string, string>> = {}): Tile[] {
  const marked = (tile: Tile): Tile => (tile.userId in held ? { ...tile, held: true } : tile);
  const screens = people.filter((p) => p.screenOn && !p.local).map(screenTile);
  const inRoom = new Map(people.map((p) => [p.userId, p]));
  const order = call?.participants.map((p) => p.userId) ?? [];
  const listed = new Set(order);
  const others = [...order, ...people.map((p) => p.userId).filter((id) => !listed.has(id))].filter((id) => id !== me);
  const cameras = others.flatMap((userId): Tile[] => {
    const person = inRoom.get(userId);
    if (person) return [cameraTile(person, "connected")];
    const participant = call?.participants.find((p) => p.userId === userId);
    if (!participant || !(isPresent(participant) || isRinging(participant))) return [];
    const state: TileState =
      participant.status === "disconnected" ? "reconnecting" : isRinging(participant) ? "ringing" : "connecting";
    return [absentTile(userId, participant.name, state)];
  });
  const self = inRoom.get(me);
  return [...screens, ...cameras, ...(self ? [cameraTile(self, "connected")] : [])].map(marked);
}

/** `tilesOf` for one view that draws again and again: a tile that hasn't changed is the same object as the last time. */
export function keepingTiles(): (...state: Parameters<typeof tilesOf>) => readonly Tile[] {
  let shown: readonly Tile[] = [];
  return (...state) => (shown = keepSame(shown, tilesOf(...state), ({ key }) => key, sameMembers));
}

function cameraTile(person: Person, state: TileState): Tile {
  const { userId, name, local, speaking, muted, cameraOn, camera, quality } = person;
  return { key: `camera:${userId}`, kind: "camera", userId, name, local, state, speaking, muted, cameraOn, video: camera, quality, held: false };
}

function screenTile(person: Person): Tile {
  return { ...cameraTile(person, "connected"), key: `screen:${person.userId}`, kind: "screen", speaking: false, video: person.screen };
}

function absentTile(userId: string, name: string, state: TileState): Tile {
  return {
    key: `camera:${userId}`, kind: "camera", userId, name, local: false, state,
    speaking: false, muted: false, cameraOn: false, video: null, quality: "unknown", held: false,
  };
}

/** The columns and rows that make `count` tiles of the given shape as large as possible in a box. */
export function gridFor(count: number, width: number, height: number, gap: number, shape = 16 / 9): { columns: number; rows: number } {
  let best = { columns: 1, rows: Math.max(count, 1), area: -1 };
  for (let columns = 1; columns <= Math.max(count, 1); columns += 1) {
    const rows = Math.ceil(count / columns) || 1;
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    const usedWidth = Math.min(cellWidth, cellHeight * shape);
    const area = usedWidth * (usedWidth / shape);
    if (area > best.area + 1) best = { columns, rows, area };
  }
  return { columns: best.columns, rows: best.rows };
}
