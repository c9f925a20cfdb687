/** The controls of a call as state and toggles, and the keys that work them. */
import { takesText } from "@stoa/client";
import { useEffect } from "react";

import { useStoa } from "./context";
import { useMediaState } from "./store";

export interface Toggle {
  on: boolean;
  toggle: () => void;
}

export interface CallControls {
  microphone: Toggle;
  camera: Toggle;
  screen: Toggle & { possible: boolean };
  hangUp: () => Promise<void>;
}

export function useCallControls(): CallControls {
  const stoa = useStoa();
  const { media } = stoa;
  const on = useMediaState((s) => ({ microphone: s.microphoneOn, camera: s.cameraOn, screen: s.screenOn }));
  return {
    microphone: { on: on.microphone, toggle: () => void media.setMicrophone(!media.store.getState().microphoneOn) },
    camera: { on: on.camera, toggle: () => void media.setCamera(!media.store.getState().cameraOn) },
    screen: { on: on.screen, toggle: () => void media.setScreen(!media.store.getState().screenOn), possible: canShareScreen() },
    hangUp: () => stoa.hangUp(),
  };
}

/** Single keys, while nothing is being typed (or was just now, where its field is gone) and no dialog is open. */
export function useCallKeys(keys: Readonly<Record<string, () => void>>): void {
  const { typing } = useStoa();
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      if (typing.typing || takesText(event.target) || inDialog(event.target)) return;
      const act = keys[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [keys, typing]);
}

function inDialog(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("[role=dialog], [role=alertdialog]") !== null;
}

function canShareScreen(): boolean {
  return "getDisplayMedia" in ((navigator as { mediaDevices?: MediaDevices }).mediaDevices ?? {});
}
