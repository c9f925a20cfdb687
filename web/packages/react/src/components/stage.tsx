/** Lays out the tiles of a call: one other person fills the stage, a screen takes most of it, and otherwise it's an even grid. */
import type { Tile } from "@stoa/client";
import { useState, type CSSProperties } from "react";

import { useGrid, useTiles } from "../hooks/call";
import { CallTile, type Slot } from "./tile";

const GAP = 10;

export type Layout = "solo" | "duo" | "grid" | "focus";

export function Stage() {
  const tiles = useTiles();
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const grid = useGrid(element, tiles.length, GAP);
  const layout = layoutOf(tiles);
  const style = { "--columns": grid.columns, "--rows": grid.rows, "--gap": `${GAP}px`, "--strip": Math.max(tiles.length - 1, 1) };
  return (
    <div className="stoa-stage" ref={setElement}>
      <div className="stoa-stage-tiles" data-layout={layout} style={style as CSSProperties}>
        {tiles.map((tile, index) => <CallTile key={tile.key} tile={tile} slot={slotOf(layout, tile, index)} />)}
      </div>
    </div>
  );
}

export function layoutOf(tiles: readonly Pick<Tile, "kind">[]): Layout {
  if (tiles[0]?.kind === "screen") return "focus";
  if (tiles.length <= 1) return "solo";
  return tiles.length === 2 ? "duo" : "grid";
}

function slotOf(layout: Layout, tile: Tile, index: number): Slot {
  switch (layout) {
    case "solo":
      return "main";
    case "duo":
      return tile.local ? "inset" : "main";
    case "focus":
      return index === 0 ? "main" : "strip";
    case "grid":
      return "cell";
  }
}
