/** The controls of a call: each says its state, each has a key. */
import { useMemo, useState } from "react";

import { useSay, useStoa } from "../hooks/context";
import { useCallControls, useCallKeys } from "../hooks/controls";
import { useStoaState } from "../hooks/store";
import { DevicesPopover } from "./devices";
import { Icon, type IconName } from "./icons";

export interface ControlBarProps {
  /** While it rings, leaving is giving up. */
  ringing: boolean;
  onError: (error: unknown) => void;
}

export function ControlBar({ ringing, onError }: ControlBarProps) {
  const say = useSay();
  const { media } = useStoa();
  const { microphone, camera, screen, hangUp } = useCallControls();
  const sharing = useStoaState((s) => s.session?.features.screenSharing ?? true);
  const [choosing, setChoosing] = useState(false);
  const maySharing = sharing && screen.possible && !ringing;
  const keys = useMemo(
    () => ({
      m: () => void media.setMicrophone(!media.store.getState().microphoneOn),
      v: () => void media.setCamera(!media.store.getState().cameraOn),
      ...(maySharing ? { s: () => void media.setScreen(!media.store.getState().screenOn) } : {}),
      d: () => setChoosing((open) => !open),
    }),
    [media, maySharing],
  );
  useCallKeys(keys);
  return (
    <div className="stoa-controls" role="toolbar" aria-label={say("control.bar")}>
      <Control
        icon={microphone.on ? "mic" : "micOff"} label={say("control.microphone")} pressed={microphone.on} onPress={microphone.toggle}
        title={say(microphone.on ? "control.mute" : "control.unmute")} keys="M"
      />
      <Control
        icon={camera.on ? "video" : "videoOff"} label={say("control.camera")} pressed={camera.on} onPress={camera.toggle}
        title={say(camera.on ? "control.cameraOff" : "control.cameraOn")} keys="V"
      />
      {maySharing ? (
        <Control
          icon="screen" label={say("control.screen")} pressed={screen.on} onPress={screen.toggle} lit={screen.on}
          title={say(screen.on ? "control.screenOff" : "control.screenOn")} keys="S"
        />
      ) : null}
      <DevicesPopover open={choosing} onOpenChange={setChoosing}>
        <button type="button" className="stoa-control" aria-label={say("control.devices")} title={say("control.devicesHint")} aria-keyshortcuts="D">
          <Icon name="sliders" size={22} />
        </button>
      </DevicesPopover>
      <button
        type="button" className="stoa-control" data-tone="stop" aria-label={say(ringing ? "control.cancel" : "control.leave")}
        title={say(ringing ? "control.cancel" : "control.leave")} onClick={() => void hangUp().catch(onError)}
      >
        <Icon name="hangUp" size={24} />
      </button>
    </div>
  );
}

interface ControlProps {
  icon: IconName;
  label: string;
  title: string;
  keys: string;
  pressed: boolean;
  /** Shown as something that goes on, not as something that is merely there. */
  lit?: boolean;
  onPress: () => void;
}

function Control({ icon, label, title, keys, pressed, lit = false, onPress }: ControlProps) {
  return (
    <button
      type="button" className="stoa-control" aria-label={label} title={title} aria-pressed={pressed} aria-keyshortcuts={keys}
      data-off={!pressed} data-lit={lit} onClick={onPress}
    >
      <Icon name={icon} size={22} />
    </button>
  );
}
