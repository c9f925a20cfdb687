/** A tile: a camera or a screen, with what there is to know about its person. */
import type { Tile, TrackHandle } from "@stoa/client";
import { memo, useEffect, useRef, useState, type RefObject } from "react";

import { useSay, type Say } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { Avatar } from "./avatar";
import { GuestMark } from "./guest";
import { Icon } from "./icons";

export type Slot = "main" | "inset" | "strip" | "cell";

export const CallTile = memo(function CallTile({ tile, slot }: { tile: Tile; slot: Slot }) {
  const say = useSay();
  const names = useNames();
  const avatar = useStoaState((s) => s.users[tile.userId]?.avatarUrl);
  const listed = useStoaState((s) => s.users[tile.userId]?.name);
  const guest = useStoaState((s) => s.users[tile.userId]?.isGuest ?? false) && !tile.local;
  const person = tile.local ? say("person.you") : names.user(tile.userId, tile.name);
  const label = labelOf(say, tile, person);
  const screen = tile.kind === "screen";
  const element = useRef<HTMLVideoElement>(null);
  const showsVideo = (screen || tile.cameraOn) && tile.video !== null && tile.state === "connected";
  const picture = usePicture(element, showsVideo ? tile.video : null);
  const frozen = picture === "frozen" && !screen && !tile.local;
  const held = tile.held && !screen;
  const waits = tile.state === "connected" && (screen || tile.cameraOn) && !tile.held && (!showsVideo || picture === "none");
  const state = frozen && tile.state === "connected" ? "reconnecting" : stateOf(tile);
  return (
    <article
      className="stoa-tile" aria-label={label} data-slot={slot} data-kind={tile.kind} data-user-id={tile.userId} data-local={tile.local}
      data-speaking={tile.speaking} data-muted={tile.muted} data-camera={tile.cameraOn ? "on" : "off"} data-state={state}
      data-video={showsVideo} data-held={tile.held}
    >
      <Video track={tile.video} mirrored={tile.local && !screen} element={element} />
      {/* The video stays underneath while we wait for it: video that isn't shown isn't sent. */}
      {showsVideo && !waits ? null : (
        <div className="stoa-tile-still">
          <Avatar name={listed ?? tile.name ?? person} id={tile.userId} url={avatar} size={slot === "main" ? "huge" : "large"} />
          {tile.state === "connected" ? null : <span className="stoa-tile-state">{stateText(say, tile)}</span>}
          {waits ? <span className="stoa-tile-state stoa-waits" role="status">{say("tile.waiting")}</span> : null}
          {held ? <span className="stoa-tile-state stoa-held"><Icon name="pause" size={18} />{say("hold.tile")}</span> : null}
        </div>
      )}
      {held && showsVideo ? <span className="stoa-tile-veil"><Icon name="pause" size={26} />{say("hold.tile")}</span> : null}
      {showsVideo && state === "reconnecting" && !tile.held ? <span className="stoa-tile-veil" role="status">{say("call.reconnecting")}</span> : null}
      <footer className="stoa-tile-name">
        {tile.muted && !screen && tile.state === "connected" ? (
          <span className="stoa-tile-muted" role="img" aria-label={say("tile.muted")}><Icon name="micOff" size={15} /></span>
        ) : null}
        <span><bdi>{label}</bdi></span>
        {guest ? <GuestMark /> : null}
        {state === "reconnecting" && tile.state === "connected" ? (
          <span role="img" aria-label={say("tile.weak")} title={say("tile.weak")}><Icon name="weak" size={15} /></span>
        ) : null}
      </footer>
    </article>
  );
});

/** Milliseconds without a new frame until a camera counts as frozen. */
const FROZEN_AFTER = 3_000;

type Picture = "none" | "moving" | "frozen";

/**
 * Whether a track shows nothing yet, moving video, or one frozen frame: its tab may be gone long before the server can know.
 * Frames are counted here too, since Firefox's own count leaves out those of a stream.
 */
function usePicture(element: RefObject<HTMLVideoElement | null>, track: TrackHandle | null): Picture {
  const [picture, setPicture] = useState<Picture>("none");
  useEffect(() => {
    const video = element.current;
    if (!track || !video) return;
    let [counted, request] = [0, 0];
    let last = { frames: 0, at: performance.now() };
    const look = (): void => {
      const frames = counted + video.getVideoPlaybackQuality().totalVideoFrames;
      const now = performance.now();
      // A hidden page gets no frames; that says nothing about the sender.
      if (frames !== last.frames || document.hidden) last = { frames, at: now };
      setPicture(counted === 0 ? "none" : now - last.at >= FROZEN_AFTER ? "frozen" : "moving");
    };
    const onFrame = (): void => {
      counted += 1;
      if (counted === 1) look();
      request = video.requestVideoFrameCallback(onFrame);
    };
    request = video.requestVideoFrameCallback(onFrame);
    const timer = setInterval(look, 500);
    return () => {
      clearInterval(timer);
      // When another track takes over, as when the call moves, nothing changes until the next look: it would flash.
      video.cancelVideoFrameCallback(request);
    };
  }, [element, track]);
  return track ? picture : "none";
}

function Video({ track, mirrored, element }: { track: TrackHandle | null; mirrored: boolean; element: RefObject<HTMLVideoElement | null> }) {
  useEffect(() => {
    const video = element.current;
    if (!video || !track) return;
    track.attach(video);
    return () => track.detach(video);
  }, [track, element]);
  return <video ref={element} data-mirrored={mirrored} autoPlay playsInline muted tabIndex={-1} />;
}

function labelOf(say: Say, tile: Tile, person: string): string {
  if (tile.kind === "camera") return person;
  return tile.local ? say("tile.yourScreen") : say("tile.screenOf", { name: person });
}

/** The media may know about a lost connection before the call does. */
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
