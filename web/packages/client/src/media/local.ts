/**
 * Our own microphone, camera and screen while no room owns them: before the call is up, and peer to peer. When the call moves
 * to a room, the same tracks go with it.
 */
import type { LocalAudioTrack, LocalTrack, LocalVideoTrack } from "livekit-client";

import { capture, problemOf, sourceOf } from "./capture";
import type { LiveKit } from "./livekit";
import { audioCapture, screenCapture, videoCapture, type CaptureChoice } from "./options";
import type { PeerSource } from "./peer-link";
import type { Missing } from "./types";

export interface LocalEvents {
  /** A source now sends this track, or nothing. */
  sends: (source: PeerSource, track: MediaStreamTrack | null) => void;
  missing: (missing: Missing) => void;
}

export class LocalSources {
  microphone: LocalAudioTrack | null = null;
  camera: LocalVideoTrack | null = null;
  screen: LocalVideoTrack | null = null;
  screenAudio: LocalAudioTrack | null = null;

  #stopped = false;

  constructor(
    readonly livekit: LiveKit,
    readonly choice: () => CaptureChoice,
    readonly events: LocalEvents,
  ) {}

  get microphoneOn(): boolean {
    return this.microphone !== null && !this.microphone.isMuted;
  }
  get cameraOn(): boolean {
    return this.camera !== null;
  }
  get screenOn(): boolean {
    return this.screen !== null;
  }

  get tracks(): LocalTrack[] {
    return [this.microphone, this.camera, this.screen, this.screenAudio].filter((track) => track !== null);
  }

  /** What each source is sending. */
  sending(): [PeerSource, MediaStreamTrack | null][] {
    return (["microphone", "camera", "screen", "screenAudio"] as const).map((source) => [source, this[source]?.mediaStreamTrack ?? null]);
  }

  async setMicrophone(on: boolean): Promise<void> {
    if (!this.microphone && on) {
      const { microphone, missing } = await capture(this.livekit, { audio: true, video: false }, this.choice());
      this.microphone = microphone;
      this.events.missing(missing);
      if (microphone) this.events.sends("microphone", microphone.mediaStreamTrack);
      return;
    }
    await (on ? this.microphone?.unmute() : this.microphone?.mute());
  }

  async setCamera(on: boolean): Promise<void> {
    if (on === this.cameraOn) return;
    if (!on) {
      this.camera?.stop();
      this.camera = null;
      this.events.sends("camera", null);
      return;
    }
    const { camera, missing } = await capture(this.livekit, { audio: false, video: true }, this.choice());
    this.camera = camera;
    this.events.missing(missing);
    if (camera) this.events.sends("camera", camera.mediaStreamTrack);
  }

  /** Throws whatever the browser throws. The caller decides what closing the picker means. */
  async setScreen(on: boolean, ended: () => void): Promise<void> {
    if (on === this.screenOn) return;
    if (!on) {
      this.#dropScreen();
      return;
    }
    for (const track of await this.livekit.createLocalScreenTracks(screenCapture)) {
      if (track.kind === "video") {
        this.screen = track as LocalVideoTrack;
        track.mediaStreamTrack.addEventListener("ended", () => {
          if (this.screen !== track) return;
          this.#dropScreen();
          ended();
        });
      } else this.screenAudio = track as LocalAudioTrack;
      this.events.sends(track.kind === "video" ? "screen" : "screenAudio", track.mediaStreamTrack);
    }
  }

  async useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void> {
    try {
      if (kind === "audioinput" && this.microphone) await this.#restart("microphone", { ...audioCapture(this.choice()), deviceId: { exact: deviceId } });
      if (kind === "videoinput" && this.camera) await this.#restart("camera", { ...videoCapture(this.choice()), deviceId: { exact: deviceId } });
    } catch (error) {
      const lost = kind === "audioinput" ? "audio" : "video";
      this.events.missing({ [sourceOf(lost)]: problemOf(lost, error) });
    }
  }

  async restartMicrophone(): Promise<void> {
    if (this.microphone) await this.#restart("microphone", audioCapture(this.choice()));
  }

  /** Lets go of the tracks: whoever took them over stops them. */
  forget(): void {
    this.microphone = this.screenAudio = null;
    this.camera = this.screen = null;
  }

  /** Stops the tracks that are here, and those the browser is still opening anew. */
  stop(): void {
    this.#stopped = true;
    for (const track of this.tracks) track.stop();
    this.forget();
  }

  async #restart(source: "microphone" | "camera", options: object): Promise<void> {
    const track = this[source];
    if (!track) return;
    await track.restartTrack(options);
    // Stopped while the browser opened it anew.
    if (this.#stopped) {
      track.stop();
      return;
    }
    this.events.sends(source, track.mediaStreamTrack);
  }

  #dropScreen(): void {
    this.screen?.stop();
    this.screenAudio?.stop();
    this.screen = this.screenAudio = null;
    this.events.sends("screen", null);
    this.events.sends("screenAudio", null);
  }
}
