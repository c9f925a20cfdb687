/** One tile: a camera or a screen, with what is to be known of its person. */
import type { Tile, TrackHandle } from "@stoa/client";
import { memo, useEffect, useRef } from "react";

import { useSay, type Say } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { Avatar } from "./avatar";
import { Icon } from "./icons";

export type Slot = "main" | "inset" | "strip" | "cell";

export const CallTile = memo(function CallTile({ tile, slot }: { tile: Tile; slot: Slot }) {
  const say = useSay();
  const names = useNames();
  const picture = useStoaState((s) => s.users[tile.userId]?.avatarUrl);
  const listed = useStoaState((s) => s.users[tile.userId]?.name);
  const person = tile.local ? say("person.you") : (listed ?? tile.name ?? names.user(tile.userId));
  const label = labelOf(say, tile, person);
  const screen = tile.kind === "screen";
  const showsVideo = (screen || tile.cameraOn) && tile.video !== null && tile.state === "connected";
  return (
    <article
      className="stoa-tile" aria-label={label} data-slot={slot} data-kind={tile.kind} data-user-id={tile.userId} data-local={tile.local}
      data-speaking={tile.speaking} data-muted={tile.muted} data-camera={tile.cameraOn ? "on" : "off"} data-state={stateOf(tile)}
      data-video={showsVideo}
    >
      <Video track={tile.video} mirrored={tile.local && !screen} />
      {showsVideo ? null : (
        <div className="stoa-tile-still">
          <Avatar name={listed ?? tile.name ?? person} id={tile.userId} url={picture} size={slot === "main" ? "huge" : "large"} />
          {tile.state === "connected" ? null : <span className="stoa-tile-state">{stateText(say, tile)}</span>}
        </div>
      )}
      <footer className="stoa-tile-name">
        {tile.muted && !screen && tile.state === "connected" ? (
          <span className="stoa-tile-muted" role="img" aria-label={say("tile.muted")}><Icon name="micOff" size={15} /></span>
        ) : null}
        <span>{label}</span>
        {stateOf(tile) === "reconnecting" && tile.state === "connected" ? (
          <span role="img" aria-label={say("tile.weak")} title={say("tile.weak")}><Icon name="weak" size={15} /></span>
        ) : null}
      </footer>
    </article>
  );
});

function Video({ track, mirrored }: { track: TrackHandle | null; mirrored: boolean }) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video || !track) return;
    track.attach(video);
    return () => track.detach(video);
  }, [track]);
  return <video ref={element} data-mirrored={mirrored} autoPlay playsInline muted tabIndex={-1} />;
}

function labelOf(say: Say, tile: Tile, person: string): string {
  if (tile.kind === "camera") return person;
  return tile.local ? say("tile.yourScreen") : say("tile.screenOf", { name: person });
}

/** The media may know of a lost line before the call does. */
function stateOf(tile: Tile): Tile["state"] {
  return tile.state === "connected" && !tile.local && tile.quality === "lost" ? "reconnecting" : tile.state;
}

function stateText(say: Say, tile: Tile): string {
  switch (tile.state) {
    case "ringing":
      return say("call.ringing");
    case "reconnecting":
      return say("call.reconnecting");
    case "connecting":
    case "connected":
      return say("call.connecting");
  }
}
