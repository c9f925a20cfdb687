/**
 * Our own microphone, camera and screen through a call: opened early, switched on and off, held, and handed to the room once there
 * is one. It knows who owns the tracks at each moment, and nothing of the other side.
 */
import type { LocalTrack, Room } from "livekit-client";

import type { Emitter } from "../emitter";
import { capture, problemOf, sourceOf, type Captured } from "./capture";
import { loadMedia, type LiveKit } from "./livekit";
import { LocalSources } from "./local";
import { audioCapture, screenCapture, videoCapture, type CaptureChoice } from "./options";
import type { PeerSource } from "./peer-link";
import type { PeerState } from "./peer-media";
import type { MediaProblem, MediaState, Missing, Source } from "./types";

export interface OwnMediaParts {
  choice: () => CaptureChoice;
  problems: Emitter<MediaProblem>;
  state: () => MediaState;
  set: (change: Partial<MediaState>) => void;
  /** Whether a screen can be shared before there is a room: to a peer. */
  hasPeer: () => boolean;
  /** What a source of ours sends has changed, while the tracks are ours. */
  sends: (source: PeerSource, track: MediaStreamTrack | null) => void;
  /** What's on has changed. */
  changed: () => void;
}

/**
 * Who owns the tracks. Only `us` and the `room` switch them; before and between, what is wanted is noted in the state and
 * carried out by whoever owns them next.
 */
type Owner =
  | { by: "nobody" }
  | { by: "browser"; local: LocalSources }
  | { by: "us"; local: LocalSources }
  | { by: "handover"; local: LocalSources; room: Room }
  | { by: "room"; local: LocalSources | null; room: Room }
  | { by: "closed" };

type Hold = { on: false } | { on: true; microphone: boolean; camera: boolean; still: Promise<void> };

export class OwnMedia {
  readonly #parts: OwnMediaParts;
  #owner: Owner = { by: "nobody" };
  #hold: Hold = { on: false };
  /** Our own tracks change one at a time. */
  #turn: Promise<void> = Promise.resolve();
  #turns = 0;

  constructor(parts: OwnMediaParts) {
    this.#parts = parts;
  }

  /** Our tracks while no room has taken them over; null before the media code is there. */
  get local(): LocalSources | null {
    return "local" in this.#owner ? this.#owner.local : null;
  }

  /** What's on, as the other side is told. */
  get shown(): PeerState {
    const { microphoneOn, cameraOn, screenOn } = this.#owner.by === "room" || !this.local ? this.#parts.state() : this.local;
    return { microphone: microphoneOn, camera: cameraOn, screen: screenOn };
  }

  /** Whether the room owns the tracks, and what is on in it. */
  get inRoom(): Pick<MediaState, "microphoneOn" | "cameraOn" | "screenOn"> | null {
    if (this.#owner.by !== "room") return null;
    const { isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled } = this.#owner.room.localParticipant;
    return { microphoneOn: isMicrophoneEnabled, cameraOn: isCameraEnabled, screenOn: isScreenShareEnabled };
  }

  /** Opens the microphone and camera early, while waiting for the server's answer. */
  async prepare(want: { audio: boolean; video: boolean }): Promise<void> {
    this.#parts.set({ microphoneOn: want.audio, cameraOn: want.video });
    const livekit = await loadMedia();
    if (this.#owner.by !== "nobody") return;
    const local = this.#sources(livekit);
    this.#owner = { by: "browser", local };
    const got = await capture(livekit, want, this.#parts.choice());
    if (this.#is("closed")) {
      stop(got);
      return;
    }
    this.#owner = { by: "us", local };
    await this.#take(local, got, want);
    if (this.#is("closed")) {
      local.stop();
      return;
    }
    this.#parts.changed();
    if (got.microphone) this.#found("microphone");
    if (got.camera) this.#found("camera");
    this.#miss(got.missing);
  }

  setMicrophone(on: boolean): Promise<void> {
    if (!this.#hold.on) return this.#setMicrophone(on);
    this.#hold.microphone = on;
    return Promise.resolve();
  }

  setCamera(on: boolean): Promise<void> {
    if (!this.#hold.on) return this.#setCamera(on);
    this.#hold.camera = on;
    return Promise.resolve();
  }

  async setScreen(on: boolean): Promise<void> {
    const owner = this.#owner;
    try {
      if (owner.by === "room") await owner.room.localParticipant.setScreenShareEnabled(on, screenCapture);
      else if ((owner.by === "us" || owner.by === "browser") && this.#parts.hasPeer()) {
        await owner.local.setScreen(on, () => this.#afterScreen());
        await this.#followScreen(owner.local);
      }
    } catch (error) {
      // Closing the picker is a choice, not a problem.
      if (!(error instanceof DOMException && error.name === "NotAllowedError")) this.#parts.problems.emit("screen_failed");
    }
    if (this.#is("closed")) return "local" in owner ? owner.local?.stop() : undefined;
    this.#afterScreen();
  }

  /** Stops what we send, or brings it back as it was. What is switched meanwhile is so afterwards. */
  async hold(on: boolean): Promise<void> {
    const before = this.#hold;
    if (on) {
      if (before.on) return before.still;
      const { microphoneOn, cameraOn } = this.#parts.state();
      const still = this.setScreen(false).then(async () => {
        await Promise.all([this.#setMicrophone(false), this.#setCamera(false)]);
      });
      this.#hold = { on: true, microphone: microphoneOn, camera: cameraOn, still };
      this.#parts.set({ held: true });
      return still;
    }
    if (!before.on) return;
    await before.still;
    if (this.#hold !== before || this.#is("closed")) return;
    this.#hold = { on: false };
    this.#parts.set({ held: false });
    await Promise.all([before.microphone ? this.#setMicrophone(true) : null, before.camera ? this.#setCamera(true) : null]);
  }

  /** Switches to another microphone or camera. */
  async useDevice(kind: "audioinput" | "videoinput", deviceId: string): Promise<void> {
    if (this.#owner.by === "room") await this.#owner.room.switchActiveDevice(kind, deviceId, deviceId !== "default");
    else await this.local?.useDevice(kind, deviceId);
  }

  /** Reopens the microphone after a change in how its sound is processed. */
  async restartMicrophone(): Promise<void> {
    if (this.#owner.by !== "room") return this.local?.restartMicrophone();
    for (const publication of this.#owner.room.localParticipant.audioTrackPublications.values()) {
      if (publication.source === ("microphone" as typeof publication.source)) await publication.audioTrack?.restartTrack(audioCapture(this.#parts.choice()));
    }
  }

  /** Hands our tracks to a room that is up; it owns them from then on. */
  async publish(room: Room): Promise<void> {
    if (this.#is("closed")) return;
    const { local } = this;
    // Without sources there is nothing to hand over, and the room opens what is wanted.
    if (local) this.#owner = { by: "handover", local, room };
    await this.#turn;
    const tracks = local?.tracks ?? [];
    await this.#handOver(room, tracks);
    if (local ? this.#owner.by !== "handover" || this.#owner.room !== room : !this.#is("nobody")) return;
    const had = { microphone: local?.microphone ?? null, camera: local?.camera ?? null };
    const late = local?.tracks.filter((track) => !tracks.includes(track)) ?? [];
    local?.forget();
    this.#owner = { by: "room", local, room };
    await this.#handOver(room, late);
    await this.#settle(room, had);
  }

  /** The room is gone, and the tracks it had with it. */
  lose(room: Room): void {
    const owner = this.#owner;
    if ((owner.by !== "room" && owner.by !== "handover") || owner.room !== room) return;
    this.#owner = owner.local ? { by: "us", local: owner.local } : { by: "nobody" };
    this.#parts.set({ screenOn: false });
  }

  /** Carries on without what couldn't be opened. */
  doWithout(): void {
    this.#parts.set({ missing: {} });
  }

  /** Tries again to open what couldn't be opened. */
  async openMissing(): Promise<void> {
    const { missing } = this.#parts.state();
    if (missing.microphone) await this.setMicrophone(true);
    if (missing.camera) await this.setCamera(true);
  }

  /** Releases the devices, for good. */
  close(): void {
    const { local } = this;
    this.#owner = { by: "closed" };
    local?.stop();
  }

  #is(by: Owner["by"]): boolean {
    return this.#owner.by === by;
  }

  #sources(livekit: LiveKit): LocalSources {
    return new LocalSources(livekit, this.#parts.choice, {
      sends: (source, track) => this.#parts.sends(source, track),
      missing: (missing) => this.#miss(missing),
    });
  }

  /** Takes what the browser gave, but for what was turned off while it was asking. */
  async #take(local: LocalSources, got: Captured, want: { audio: boolean; video: boolean }): Promise<void> {
    const { microphoneOn, cameraOn } = this.#parts.state();
    local.microphone = got.microphone;
    if (cameraOn) local.camera = got.camera;
    else got.camera?.stop();
    if (microphoneOn && want.audio) this.#parts.set({ microphoneOn: got.microphone !== null });
    else await got.microphone?.mute();
    if (cameraOn && want.video) this.#parts.set({ cameraOn: got.camera !== null });
    if (cameraOn && !want.video && !this.#is("closed")) await local.setCamera(true);
  }

  /** The room may have taken over while the screen was being chosen. */
  async #followScreen(local: LocalSources): Promise<void> {
    if (this.#owner.by !== "room") return;
    const late = local.tracks;
    local.forget();
    await this.#handOver(this.#owner.room, late);
  }

  async #handOver(room: Room, tracks: readonly LocalTrack[]): Promise<void> {
    const outcome = await Promise.allSettled(tracks.map((track) => room.localParticipant.publishTrack(track)));
    outcome.forEach((one, index) => {
      const kind = tracks[index]?.kind === "video" ? "video" : "audio";
      if (one.status === "rejected") this.#miss({ [sourceOf(kind)]: problemOf(kind, one.reason) });
    });
  }

  #setMicrophone(on: boolean): Promise<void> {
    if (this.#owner.by === "room") {
      return this.#switch(this.#owner.room, "audio", (local) => local.setMicrophoneEnabled(on, audioCapture(this.#parts.choice())));
    }
    this.#parts.set({ microphoneOn: on });
    return this.#alone((local) => local.setMicrophone(on));
  }

  #setCamera(on: boolean): Promise<void> {
    if (this.#owner.by === "room") {
      return this.#switch(this.#owner.room, "video", (local) => local.setCameraEnabled(on, videoCapture(this.#parts.choice())));
    }
    this.#parts.set({ cameraOn: on });
    return this.#alone((local) => local.setCamera(on));
  }

  /** Switches one of our own tracks, after the changes before it. Where they aren't ours, the wish is noted. */
  async #alone(act: (local: LocalSources) => Promise<void>): Promise<void> {
    if (this.#owner.by !== "us") {
      this.#parts.changed();
      return;
    }
    const { local } = this.#owner;
    this.#turns += 1;
    this.#turn = this.#turn.then(() => act(local)).catch((error: unknown) => {
      reportError(error);
    });
    await this.#turn;
    this.#turns -= 1;
    if (this.#is("closed")) {
      local.stop();
      return;
    }
    // A change still to come isn't shown as it was before.
    if (this.#turns === 0 && this.#is("us")) this.#parts.set({ microphoneOn: local.microphoneOn, cameraOn: local.cameraOn });
    if (local.microphoneOn) this.#found("microphone");
    if (local.cameraOn) this.#found("camera");
    this.#parts.changed();
  }

  /** Switches a track that the room owns. */
  async #switch(room: Room, kind: "audio" | "video", act: (local: Room["localParticipant"]) => Promise<unknown>): Promise<void> {
    const { localParticipant: local } = room;
    try {
      await act(local);
      if (kind === "audio" ? local.isMicrophoneEnabled : local.isCameraEnabled) this.#found(sourceOf(kind));
    } catch (error) {
      this.#miss({ [sourceOf(kind)]: problemOf(kind, error) });
    }
    this.#parts.changed();
  }

  /** Carries out what was turned on or off during the handover. */
  async #settle({ localParticipant: local }: Room, had: { microphone: unknown; camera: unknown }): Promise<void> {
    const { microphoneOn, cameraOn } = this.#parts.state();
    if ((had.microphone !== null || microphoneOn) && microphoneOn !== local.isMicrophoneEnabled) await this.#setMicrophone(microphoneOn);
    if ((had.camera !== null || cameraOn) && cameraOn !== local.isCameraEnabled) await this.#setCamera(cameraOn);
    this.#parts.changed();
  }

  #afterScreen(): void {
    if (!this.#is("room")) this.#parts.set({ screenOn: this.local?.screenOn ?? false });
    this.#parts.changed();
  }

  #miss(missing: Missing): void {
    const problems = new Set(Object.values(missing));
    if (problems.size === 0 || this.#is("closed")) return;
    this.#parts.set({ missing: { ...this.#parts.state().missing, ...missing } });
    for (const problem of problems) this.#parts.problems.emit(problem);
  }

  #found(source: Source): void {
    const { [source]: was, ...missing } = this.#parts.state().missing;
    if (was !== undefined) this.#parts.set({ missing });
  }
}

function stop({ microphone, camera }: Captured): void {
  microphone?.stop();
  camera?.stop();
}
