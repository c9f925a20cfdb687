/** The available microphones, cameras and speakers, and the user's choice, which outlives the page. */
import { createStore, type StoreApi } from "zustand/vanilla";

import { Lifetime } from "../lifetime";
import type { CaptureChoice } from "./options";

/** A microphone, camera or speaker. */
export interface Device {
  /** The browser's ID for it, which differs from site to site. */
  id: string;
  /** Empty until the user has allowed access to devices. */
  label: string;
}

/** The devices there are. The lists are empty until `refresh` has read them. */
export interface DevicesState {
  microphones: readonly Device[];
  cameras: readonly Device[];
  speakers: readonly Device[];
  /** Whether this browser can send sound to a chosen speaker. */
  canChooseSpeaker: boolean;
  choice: CaptureChoice;
}

const KEY = "stoa.devices";
const none: CaptureChoice = { microphone: null, camera: null, speaker: null, noiseSuppression: true, callWaiting: true };

export class Devices {
  readonly store: StoreApi<DevicesState>;
  readonly #life = new Lifetime("Stoa");
  #watching = false;

  constructor(readonly storage: Pick<Storage, "getItem" | "setItem"> | null = browserStorage()) {
    this.store = createStore(() => ({
      microphones: [],
      cameras: [],
      speakers: [],
      canChooseSpeaker: typeof HTMLMediaElement !== "undefined" && "setSinkId" in HTMLMediaElement.prototype,
      choice: readChoice(storage),
    }));
  }

  get choice(): CaptureChoice {
    return this.store.getState().choice;
  }

  choose(change: Partial<CaptureChoice>): void {
    const choice = { ...this.choice, ...change };
    this.store.setState({ choice });
    try {
      this.storage?.setItem(KEY, JSON.stringify(choice));
    } catch {
      // Storage may be blocked or full; the choice then lasts as long as the page.
    }
  }

  /** Reads the list, and keeps it up to date as devices are plugged in and out. */
  async refresh(): Promise<void> {
    this.#life.check();
    const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
    if (!mediaDevices) return;
    const read = async (): Promise<void> => {
      const found = listed(await mediaDevices.enumerateDevices());
      if (!this.#life.over) this.store.setState(found);
    };
    if (!this.#watching) {
      this.#watching = true;
      const onChange = (): void => void read().catch(() => undefined);
      mediaDevices.addEventListener("devicechange", onChange);
      this.#life.keep(() => mediaDevices.removeEventListener("devicechange", onChange));
    }
    await read();
  }

  /** No longer keeps up with what is plugged in. */
  dispose(): void {
    this.#life.end();
  }
}

/** Sorts the browser's list by kind, without its aliases for other entries. */
export function listed(all: readonly Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">[]) {
  const of = (kind: MediaDeviceKind): Device[] =>
    all
      .filter((d) => d.kind === kind && d.deviceId !== "" && d.deviceId !== "communications")
      .map((d) => ({ id: d.deviceId, label: d.label }));
  return { microphones: of("audioinput"), cameras: of("videoinput"), speakers: of("audiooutput") };
}

function readChoice(storage: Pick<Storage, "getItem"> | null): CaptureChoice {
  try {
    const stored: unknown = JSON.parse(storage?.getItem(KEY) ?? "null");
    if (typeof stored !== "object" || stored === null) return none;
    const { microphone, camera, speaker, noiseSuppression, callWaiting } = stored as Partial<Record<keyof CaptureChoice, unknown>>;
    const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
    return {
      microphone: text(microphone),
      camera: text(camera),
      speaker: text(speaker),
      noiseSuppression: noiseSuppression !== false,
      callWaiting: callWaiting !== false,
    };
  } catch {
    return none;
  }
}

function browserStorage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
