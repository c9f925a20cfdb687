/** The room as plain data: LiveKit's participants read into `Person`s. The only reader of LiveKit's objects for display. */
import type { LocalParticipant, Participant, Room, Track, TrackPublication } from "livekit-client";

import type { AudioSource, Person, TrackHandle } from "./types";

const handles = new WeakMap<Track, TrackHandle>();
let made = 0;

/** The same track always gives the same handle, so that views can compare by identity. */
export function handleOf(track: Track): TrackHandle {
  const known = handles.get(track);
  if (known) return known;
  made += 1;
  const handle: TrackHandle = {
    key: `track-${made}`,
    attach: (element) => void track.attach(element),
    detach: (element) => void track.detach(element),
  };
  handles.set(track, handle);
  return handle;
}

export function peopleIn(room: Room): Person[] {
  return [...Array.from(room.remoteParticipants.values(), (p) => personOf(p, false)), personOf(room.localParticipant, true)];
}

/** Oneself before the room stands: the picture is there already. */
export function selfBefore(userId: string, camera: Track | null, microphoneOn: boolean): Person {
  return {
    userId,
    name: null,
    local: true,
    speaking: false,
    muted: !microphoneOn,
    camera: camera ? handleOf(camera) : null,
    cameraOn: camera !== null,
    screen: null,
    screenOn: false,
    audio: [],
    quality: "unknown",
  };
}

function personOf(participant: Participant | LocalParticipant, local: boolean): Person {
  const by = new Map<Track.Source, TrackPublication>();
  for (const publication of participant.trackPublications.values()) by.set(publication.source, publication);
  const find = (source: string): TrackPublication | undefined => by.get(source as Track.Source);
  const microphone = find("microphone");
  const camera = find("camera");
  const screen = find("screen_share");
  const cameraOn = camera !== undefined && !camera.isMuted;
  const muted = microphone === undefined || microphone.isMuted;
  return {
    userId: participant.identity,
    name: participant.name ?? null,
    local,
    speaking: participant.isSpeaking && !muted,
    muted,
    camera: cameraOn && camera.track ? handleOf(camera.track) : null,
    cameraOn,
    screen: screen?.track && !screen.isMuted ? handleOf(screen.track) : null,
    screenOn: screen !== undefined && !screen.isMuted,
    audio: local ? [] : (["microphone", "screen_share_audio"] as const).flatMap((source) => sound(source, find(source))),
    quality: participant.connectionQuality,
  };
}

function sound(source: AudioSource, publication: TrackPublication | undefined): Person["audio"] {
  return publication?.track ? [{ source, track: handleOf(publication.track) }] : [];
}

/** Whether two looks at the room show the same, so that nothing needs drawing. */
export function samePeople(a: readonly Person[], b: readonly Person[]): boolean {
  return a.length === b.length && a.every((person, index) => samePerson(person, b[index]));
}

function samePerson(a: Person, b: Person | undefined): boolean {
  if (!b) return false;
  const { audio: heardA, ...restA } = a;
  const { audio: heardB, ...restB } = b;
  const keys = Object.keys(restA) as (keyof typeof restA)[];
  return (
    keys.every((key) => restA[key] === restB[key]) &&
    heardA.length === heardB.length &&
    heardA.every((one, index) => one.track === heardB[index]?.track)
  );
}
