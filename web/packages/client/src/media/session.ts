/**
 * The media of the one call this tab is in, on LiveKit's protocol: capture, publish, subscribe, switch devices,
 * reconnect. It knows rooms and tracks, not calls; `livekit-client` is loaded when the first call begins.
 */
import type { DisconnectReason, LocalAudioTrack, LocalVideoTrack, Room } from "livekit-client";
import { createStore, type StoreApi } from "zustand/vanilla";

import { Emitter } from "../emitter";
import { capture, problemOf } from "./capture";
import { audioCapture, roomOptions, screenCapture, videoCapture, type CaptureChoice } from "./options";
import { peopleIn, samePeople, selfBefore } from "./people";
import { idleMedia, type MediaLoss, type MediaProblem, type MediaState } from "./types";

type LiveKit = typeof import("livekit-client");

let loading: Promise<LiveKit> | undefined;

/** Loads the media code; call it early (when a ring begins) to have it ready. */
export function loadMedia(): Promise<LiveKit> {
  loading ??= import("livekit-client").catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

export class MediaSession {
  readonly store: StoreApi<MediaState> = createStore(() => idleMedia);
  readonly problems = new Emitter<MediaProblem>();
  readonly lost = new Emitter<MediaLoss>();

  readonly #choice: () => CaptureChoice;
  #room: Room | null = null;
  #microphone: LocalAudioTrack | null = null;
  #camera: LocalVideoTrack | null = null;
  #userId = "";
  /** Counts the sessions, so that what finishes late can see that it is no longer wanted. */
  #session = 0;
  #drawing = false;
  /** The tracks opened ahead are being published, or have been: from `settled` on the room's word counts. */
  #publishing = false;
  #settled = false;

  constructor(choice: () => CaptureChoice) {
    this.#choice = choice;
  }

  /** Opens microphone and camera ahead of the room, while the server is still being asked. */
  async prepare(userId: string, want: { audio: boolean; video: boolean }): Promise<void> {
    const session = this.#reset();
    this.#userId = userId;
    this.#set({ ...idleMedia, connection: "connecting", microphoneOn: want.audio, cameraOn: want.video });
    const livekit = await loadMedia();
    const got = await capture(livekit, want, this.#choice());
    if (session !== this.#session) {
      got.microphone?.stop();
      got.camera?.stop();
      return;
    }
    // Either may have been switched off while the browser was asking.
    const { microphoneOn, cameraOn } = this.store.getState();
    this.#microphone = got.microphone;
    this.#camera = cameraOn ? got.camera : this.#stop(got.camera);
    if (microphoneOn && want.audio) this.#set({ microphoneOn: got.microphone !== null });
    if (cameraOn && want.video) this.#set({ cameraOn: got.camera !== null });
    this.#draw();
    for (const problem of got.problems) this.problems.emit(problem);
  }

  /** Enters the room and publishes what `prepare` opened. */
  async connect(url: string, token: string, prepared: Promise<void>): Promise<void> {
    const session = this.#session;
    const livekit = await loadMedia();
    const room = new livekit.Room(roomOptions(livekit, this.#choice()));
    this.#listen(livekit, room);
    const connected = room.connect(url, token);
    // Whichever comes second carries on; a refusal by the server counts before a slow prompt.
    await connected;
    if (session !== this.#session) return void room.disconnect();
    this.#room = room;
    this.#set({ connection: "connected" });
    this.#draw();
    await prepared;
    if (session === this.#session) await this.#publish(room);
  }

  async setMicrophone(on: boolean): Promise<void> {
    if (!this.#settled) { this.#set({ microphoneOn: on }); return; }
    await this.#switch("audio", (local) => local.setMicrophoneEnabled(on, audioCapture(this.#choice())));
  }

  async setCamera(on: boolean): Promise<void> {
    if (this.#settled) {
      await this.#switch("video", (local) => local.setCameraEnabled(on, videoCapture(this.#choice())));
      return;
    }
    if (!on && !this.#publishing) this.#camera = this.#stop(this.#camera);
    this.#set({ cameraOn: on });
    this.#draw();
  }

  async setScreen(on: boolean): Promise<void> {
    if (!this.#room) return;
    try {
      await this.#room.localParticipant.setScreenShareEnabled(on, screenCapture);
    } catch (error) {
      // Closing the picker is an answer, not a problem.
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) this.problems.emit("screen_failed");
    }
    this.#draw();
  }

  /** Moves a running call to another device. */
  async useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void> {
    await this.#room?.switchActiveDevice(kind, deviceId, deviceId !== "default");
  }

  /** Opens the microphone anew, for a change in how it is processed. */
  async restartMicrophone(): Promise<void> {
    const options = audioCapture(this.#choice());
    for (const publication of this.#room?.localParticipant.audioTrackPublications.values() ?? []) {
      if (publication.source === ("microphone" as typeof publication.source)) await publication.audioTrack?.restartTrack(options);
    }
  }

  async allowSound(): Promise<void> {
    await this.#room?.startAudio();
  }

  /** Leaves the room and gives the devices back. */
  close(): void {
    const room = this.#room;
    this.#reset();
    void room?.removeAllListeners().disconnect();
    this.store.setState(idleMedia, true);
  }

  async #publish(room: Room): Promise<void> {
    const [microphone, camera] = [this.#microphone, this.#camera];
    this.#publishing = true;
    if (microphone && !this.store.getState().microphoneOn) await microphone.mute();
    const local = room.localParticipant;
    const [heard, seen] = await Promise.allSettled([
      microphone && local.publishTrack(microphone),
      camera && local.publishTrack(camera),
    ]);
    if (room !== this.#room) return;
    if (heard.status === "rejected") this.problems.emit(problemOf("audio", heard.reason));
    if (seen.status === "rejected") this.problems.emit(problemOf("video", seen.reason));
    this.#microphone = this.#camera = null;
    this.#publishing = false;
    this.#settled = true;
    await this.#settle(local, heard.status, seen.status);
  }

  /** What was switched while publishing is carried out now. */
  async #settle(local: Room["localParticipant"], heard: string, seen: string): Promise<void> {
    const { microphoneOn, cameraOn } = this.store.getState();
    if (heard === "fulfilled" && microphoneOn !== local.isMicrophoneEnabled) await this.setMicrophone(microphoneOn);
    if (seen === "fulfilled" && cameraOn !== local.isCameraEnabled) await this.setCamera(cameraOn);
    this.#draw();
  }

  async #switch(kind: "audio" | "video", act: (local: Room["localParticipant"]) => Promise<unknown>): Promise<void> {
    const local = this.#room?.localParticipant;
    if (!local) return;
    try {
      await act(local);
    } catch (error) {
      this.problems.emit(problemOf(kind, error));
    }
    this.#draw();
  }

  #listen(livekit: LiveKit, room: Room): void {
    const { RoomEvent } = livekit;
    for (const event of [
      RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected, RoomEvent.ParticipantNameChanged,
      RoomEvent.TrackPublished, RoomEvent.TrackUnpublished, RoomEvent.TrackSubscribed, RoomEvent.TrackUnsubscribed,
      RoomEvent.TrackMuted, RoomEvent.TrackUnmuted, RoomEvent.LocalTrackPublished, RoomEvent.LocalTrackUnpublished,
      RoomEvent.ActiveSpeakersChanged, RoomEvent.ConnectionQualityChanged,
    ] as const) {
      room.on(event, () => this.#draw());
    }
    room
      .on(RoomEvent.SignalReconnecting, () => this.#set({ connection: "reconnecting" }))
      .on(RoomEvent.Reconnecting, () => this.#set({ connection: "reconnecting" }))
      .on(RoomEvent.Reconnected, () => {
        this.#set({ connection: "connected" });
        this.#draw();
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => this.#set({ soundBlocked: !room.canPlaybackAudio }))
      .on(RoomEvent.Disconnected, (reason) => {
        // A connect that fails rejects its promise; only a room that stood can be lost.
        if (room !== this.#room) return;
        this.#reset();
        this.#set({ connection: "reconnecting", people: [], screenOn: false });
        this.lost.emit(lossOf(livekit, reason));
      });
  }

  /** Forgets what went before and gives the number of what comes. */
  #reset(): number {
    this.#room = null;
    this.#publishing = this.#settled = false;
    this.#microphone = this.#stop(this.#microphone);
    this.#camera = this.#stop(this.#camera);
    return ++this.#session;
  }

  #stop(track: { stop(): void } | null): null {
    track?.stop();
    return null;
  }

  #set(change: Partial<MediaState>): void {
    this.store.setState(change);
  }

  /** Reads the room once for all the events of one turn. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      const before = this.store.getState();
      if (before.connection === "idle") return;
      const room = this.#room;
      if (!room) {
        return this.#set({ people: [selfBefore(this.#userId, this.#camera, before.microphoneOn)] });
      }
      const people = peopleIn(room);
      const change: Partial<MediaState> = samePeople(before.people, people) ? {} : { people };
      if (this.#settled) {
        const local = room.localParticipant;
        change.microphoneOn = local.isMicrophoneEnabled;
        change.cameraOn = local.isCameraEnabled;
        change.screenOn = local.isScreenShareEnabled;
      }
      this.#set(change);
    });
  }
}

function lossOf({ DisconnectReason: R }: LiveKit, reason: DisconnectReason | undefined): MediaLoss {
  if (reason === R.DUPLICATE_IDENTITY) return "duplicate";
  if (reason === R.PARTICIPANT_REMOVED) return "removed";
  if (reason === R.ROOM_DELETED || reason === R.ROOM_CLOSED) return "room_closed";
  return "failure";
}
