/** The controls of a call as state and toggles, and their keys. */
import { takesText } from "@stoa/client";
import { useEffect } from "react";

import { useStoa } from "./context";
import { useShortcuts } from "./shortcuts";
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

/**
 * Runs single keys unless they're turned off. They do nothing while the user is typing (or just was, in a field that's gone) or
 * while something with keys of its own has the focus.
 */
export function useCallKeys(keys: Readonly<Record<string, () => void>>): void {
  const { typing } = useStoa();
  const [on] = useShortcuts();
  useEffect(() => {
    if (!on) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      if (typing.typing || takesText(event.target) || inOverlay(event.target)) return;
      const act = keys[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [keys, on, typing]);
}

/** Whether an element is inside something open with keys of its own. */
function inOverlay(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("[role=dialog], [role=alertdialog], [role=menu]") !== null;
}

function canShareScreen(): boolean {
  return "getDisplayMedia" in ((navigator as { mediaDevices?: MediaDevices }).mediaDevices ?? {});
}
