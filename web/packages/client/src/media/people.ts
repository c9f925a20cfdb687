/** The room as plain data: turns LiveKit's participants into `Person`s. Nothing else reads LiveKit's objects for display. */
import type { LocalParticipant, Participant, Room, Track, TrackPublication } from "livekit-client";

import { keepSame, sameMembers } from "../kept";
import type { AudioSource, Person, TrackHandle } from "./types";

const handles = new WeakMap<Track, TrackHandle>();
let made = 0;

/** The same track always has the same handle, so views can compare by identity. */
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

/** While a call moves into the room, `arrived` holds the remote tracks that have begun to arrive; no others count. */
export function peopleIn(room: Room, arrived?: ReadonlySet<Track>): Person[] {
  const remote = Array.from(room.remoteParticipants.values(), (p) => personOf(p, false, arrived));
  return [...remote, personOf(room.localParticipant, true)];
}

/** Ourselves before there is a room: our own picture is already there. */
export function selfAlone(
  userId: string,
  local: { camera: Track | null; screen: Track | null } | null,
  microphoneOn: boolean,
  speaking: boolean,
): Person {
  const camera = local?.camera ?? null;
  const screen = local?.screen ?? null;
  return {
    userId,
    name: null,
    local: true,
    speaking: speaking && microphoneOn,
    muted: !microphoneOn,
    camera: camera ? handleOf(camera) : null,
    cameraOn: camera !== null,
    screen: screen ? handleOf(screen) : null,
    screenOn: screen !== null,
    audio: [],
    quality: "unknown",
  };
}

/** The people in a room while a call moves into it: what still comes browser to browser is shown until the room has it all. */
export function mergePeople(inRoom: readonly Person[], peer: Person, self: Person | null): Person[] {
  const merged = inRoom.map((person) => {
    if (person.local) return self ?? person;
    return person.userId === peer.userId ? mergePerson(person, peer) : person;
  });
  return inRoom.some((person) => person.userId === peer.userId) ? merged : [peer, ...merged];
}

function mergePerson(now: Person, before: Person): Person {
  const camera = now.camera ?? before.camera;
  const screen = now.screen ?? before.screen;
  return {
    ...now,
    muted: now.audio.length > 0 ? now.muted : before.muted,
    speaking: now.speaking || before.speaking,
    camera,
    cameraOn: now.cameraOn || before.cameraOn,
    screen,
    screenOn: now.screenOn || before.screenOn,
    audio: now.audio.length >= before.audio.length ? now.audio : before.audio,
  };
}

function personOf(participant: Participant | LocalParticipant, local: boolean, arrived?: ReadonlySet<Track>): Person {
  const by = new Map<Track.Source, TrackPublication>();
  for (const publication of participant.trackPublications.values()) by.set(publication.source, publication);
  const find = (source: string): TrackPublication | undefined => by.get(source as Track.Source);
  const counts = (track: Track | undefined): track is Track => track !== undefined && (local || !arrived || arrived.has(track));
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
    camera: cameraOn && counts(camera.track) ? handleOf(camera.track) : null,
    cameraOn,
    screen: screen && counts(screen.track) && !screen.isMuted ? handleOf(screen.track) : null,
    screenOn: screen !== undefined && !screen.isMuted,
    audio: local ? [] : (["microphone", "screen_share_audio"] as const).flatMap((source) => sound(source, find(source), counts)),
    quality: participant.connectionQuality,
  };
}

function sound(
  source: AudioSource,
  publication: TrackPublication | undefined,
  counts: (track: Track | undefined) => track is Track,
): Person["audio"] {
  return publication && counts(publication.track) ? [{ source, track: handleOf(publication.track) }] : [];
}

/** The people as they are now; those who look the same as before, and the list if they all do, are the same objects. */
export function keepPeople(before: readonly Person[], now: readonly Person[]): readonly Person[] {
  return keepSame(before, now, ({ userId }) => userId, samePerson);
}

function samePerson({ audio: heardA, ...a }: Person, { audio: heardB, ...b }: Person): boolean {
  return sameMembers(a, b) && heardA.length === heardB.length && heardA.every(({ track }, index) => track === heardB[index]?.track);
}
