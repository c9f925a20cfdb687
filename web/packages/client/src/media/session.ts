/**
 * This tab's media: the line of the current call, behind one store whichever call that is, and the lines of parked calls.
 */
import { createStore, type StoreApi } from "zustand/vanilla";

import { Emitter } from "../emitter";
import { Lifetime } from "../lifetime";
import { Line } from "./line";
import type { CaptureChoice } from "./options";
import { idleMedia, type MediaLoss, type MediaProblem, type MediaState } from "./types";

export { loadMedia } from "./livekit";

export class MediaSession {
  readonly store: StoreApi<MediaState> = createStore(() => idleMedia);
  readonly problems = new Emitter<MediaProblem>();
  readonly lost = new Emitter<{ callId: string; loss: MediaLoss }>();
  /** A call's peer-to-peer connection is gone, so it has to move to the server. */
  readonly stranded = new Emitter<string>();

  readonly #life = new Lifetime("Stoa");
  readonly #choice: () => CaptureChoice;
  #line: Line | null = null;
  #unfollow: (() => void) | null = null;
  readonly #parked = new Map<string, Line>();

  constructor(choice: () => CaptureChoice) {
    this.#choice = choice;
  }

  /** Opens a new line for a call and shows it. The previous one is closed unless it's parked. */
  open(callId: string, userId: string): Line {
    this.#life.check();
    const { chat, missing } = this.of(callId)?.store.getState() ?? idleMedia;
    this.#line?.close();
    const { problems, lost, stranded } = this;
    const line = new Line({ callId, userId, choice: this.#choice, problems, lost, stranded });
    line.store.setState({ connection: "connecting", chat, missing });
    this.#parked.get(callId)?.close();
    this.#parked.delete(callId);
    this.#show(line);
    return line;
  }

  /** A call's line, current or parked. */
  of(callId: string): Line | null {
    return this.#line?.callId === callId ? this.#line : (this.#parked.get(callId) ?? null);
  }

  /** Parks the current call's line and puts it on hold. */
  async park(): Promise<void> {
    const line = this.#line;
    if (!line) return;
    this.#show(null);
    this.#parked.set(line.callId, line);
    await line.hold(true);
  }

  /** Brings a parked call's line back; false if there is none. */
  unpark(callId: string): boolean {
    const line = this.#parked.get(callId);
    if (!line) return false;
    this.#parked.delete(callId);
    this.#line?.close();
    this.#show(line);
    return true;
  }

  rename(from: string, to: string): void {
    const line = this.of(from);
    if (!line) return;
    line.callId = to;
    if (this.#parked.delete(from)) this.#parked.set(to, line);
  }

  async setMicrophone(on: boolean): Promise<void> {
    await this.#shown?.setMicrophone(on);
  }

  async setCamera(on: boolean): Promise<void> {
    await this.#shown?.setCamera(on);
  }

  async setScreen(on: boolean): Promise<void> {
    await this.#shown?.setScreen(on);
  }

  /** Tries again to open the camera or microphone that couldn't be opened. */
  async openMissing(): Promise<void> {
    await this.#shown?.openMissing();
  }

  /** Continues without what couldn't be opened. */
  doWithout(): void {
    this.#shown?.doWithout();
  }

  async useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void> {
    await this.#shown?.useDevice(kind, deviceId);
  }

  async restartMicrophone(): Promise<void> {
    await this.#shown?.restartMicrophone();
  }

  async allowSound(): Promise<void> {
    await this.#shown?.allowSound();
  }

  /** Sends a chat message to everyone in the call; false if nobody can be reached yet. */
  async say(text: string): Promise<boolean> {
    return (await this.#shown?.say(text)) ?? false;
  }

  /** Closes a call's media; by default, the current call's. */
  close(callId = this.#line?.callId): void {
    if (callId === undefined) return;
    if (this.#line?.callId === callId) {
      this.#line.close();
      this.#show(null);
    }
    this.#parked.get(callId)?.close();
    this.#parked.delete(callId);
  }

  closeAll(): void {
    for (const callId of [...this.#parked.keys()]) this.close(callId);
    this.close();
  }

  /** Leaves everything, for good. */
  dispose(): void {
    this.closeAll();
    this.#life.end();
    for (const emitter of [this.problems, this.lost, this.stranded]) emitter.clear();
  }

  /** The line that is shown; refused once this is disposed of. */
  get #shown(): Line | null {
    this.#life.check();
    return this.#line;
  }

  #show(line: Line | null): void {
    this.#unfollow?.();
    this.#line = line;
    this.#unfollow = line?.store.subscribe((state) => this.store.setState(state, true)) ?? null;
    this.store.setState(line?.store.getState() ?? idleMedia, true);
  }
}
