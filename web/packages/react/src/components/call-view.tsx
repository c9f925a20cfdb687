/** This tab's call: heading, stage, controls and sound. It's the same screen while it rings, joins and runs. */
import type { Current, MediaConnection } from "@stoa/client";
import { useEffect, useRef, useState } from "react";

import { clockText, useCurrentCall, useSecondsSince } from "../hooks/call";
import { useSay, useStoa, type Say } from "../hooks/context";
import { useFocusHome } from "../hooks/focus";
import { useNames } from "../hooks/names";
import { useMediaState } from "../hooks/store";
import { AudioSinks } from "./audio-sinks";
import { Avatar } from "./avatar";
import { ControlBar } from "./control-bar";
import { HoldVeil } from "./hold";
import { Icon } from "./icons";
import { MissingBanner } from "./missing";
import { Panel, type PanelKind } from "./panel";
import { PresentingBanner } from "./presenting";
import { QualityIndicator } from "./quality";
import { RecordingConsent, RecordingMark } from "./recording";
import { Stage } from "./stage";
import { TransferBanner } from "./transfer";
import { ParkedBanner, WaitingBanner } from "./waiting";

export interface CallViewProps {
  onError: (error: unknown) => void;
}

export function CallView({ onError }: CallViewProps) {
  const current = useCurrentCall();
  return current ? <Running current={current} onError={onError} /> : null;
}

function Running({ current, onError }: { current: Current; onError: (error: unknown) => void }) {
  const say = useSay();
  const names = useNames();
  const region = useRef<HTMLElement>(null);
  const connection = useMediaState((s) => s.connection);
  const path = useMediaState((s) => s.path);
  const [panel, setPanel] = useState<PanelKind | null>(null);
  const { name, inChannel } = names.target(current.target, current.call);
  const ringing = current.direction === "outgoing" && (current.phase === "dialing" || current.phase === "ringing");
  useEffect(() => region.current?.focus({ preventScroll: true }), []);
  useFocusHome(() => region.current);
  return (
    <section
      ref={region} className="stoa-call" tabIndex={-1} aria-label={regionName(say, name, inChannel, ringing)}
      data-connection={connection} data-phase={current.phase} data-path={path} data-panel={panel}
    >
      <header className="stoa-call-head">
        <strong><bdi>{name}</bdi></strong>
        <CallStatus current={current} ringing={ringing} connection={connection} />
        <RecordingMark />
        {ringing ? null : <QualityIndicator />}
      </header>
      <div className="stoa-call-notes">
        <WaitingBanner onError={onError} />
        <MissingBanner />
        <PresentingBanner />
        <ParkedBanner onError={onError} />
        <TransferBanner onError={onError} />
      </div>
      <div className="stoa-call-middle">
        {ringing && current.call?.kind !== "group" ? <Calling name={name} current={current} /> : <Stage />}
        <HoldVeil onError={onError} />
      </div>
      {panel !== null && !ringing ? <Panel kind={panel} onClose={() => setPanel(null)} onError={onError} /> : null}
      <SoundUnblock />
      <ControlBar ringing={ringing} panel={panel} onPanel={setPanel} onError={onError} />
      <AudioSinks />
      <RecordingConsent onError={onError} />
    </section>
  );
}

function CallStatus({ current, ringing, connection }: { current: Current; ringing: boolean; connection: MediaConnection }) {
  const say = useSay();
  const seconds = useSecondsSince(current.since);
  const text = statusText(say, current, ringing, connection);
  return (
    <>
      {seconds === null ? null : <time role="timer" aria-label={say("call.length")}>{clockText(seconds)}</time>}
      <span className="stoa-call-status" role="status" data-alarm={connection === "reconnecting"}>{text}</span>
    </>
  );
}

function statusText(say: Say, current: Current, ringing: boolean, connection: MediaConnection): string {
  if (connection === "reconnecting") return say("call.reconnecting");
  if (ringing) return say(current.phase === "dialing" ? "call.dialing" : "call.ringing");
  if (connection === "connecting" || current.phase === "joining") return say("call.connecting");
  return current.since === null ? say("call.waiting") : "";
}

/** Until somebody answers: who is being called, with your own picture in the corner. */
function Calling({ name, current }: { name: string; current: Current }) {
  const id = "userId" in current.target ? current.target.userId : (current.call?.participants[1]?.userId ?? name);
  return (
    <div className="stoa-calling">
      <div className="stoa-calling-who" aria-hidden="true">
        <span className="stoa-incoming-niche"><Avatar name={name} id={id} size="huge" /></span>
      </div>
      <Preview />
    </div>
  );
}

function Preview() {
  const track = useMediaState((s) => s.people.find((p) => p.local)?.camera ?? null);
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (!video || !track) return;
    track.attach(video);
    return () => track.detach(video);
  }, [track]);
  return track ? <video className="stoa-preview" ref={element} data-mirrored autoPlay playsInline muted /> : null;
}

/** Some browsers play no sound before a user gesture. This button is one. */
function SoundUnblock() {
  const { media } = useStoa();
  const say = useSay();
  const blocked = useMediaState((s) => s.soundBlocked);
  if (!blocked) return null;
  return (
    <button type="button" className="stoa-button stoa-unblock" data-tone="accent" onClick={() => void media.allowSound()}>
      <Icon name="sound" />{say("call.sound")}
    </button>
  );
}

function regionName(say: Say, name: string, inChannel: boolean, ringing: boolean): string {
  if (inChannel) return say("call.in", { channel: name });
  return say(ringing ? "call.calling" : "call.with", { name });
}
