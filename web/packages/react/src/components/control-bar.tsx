/** The controls of a call. Each shows its state and has a key; arrow keys move between them. */
import { Toolbar } from "radix-ui";
import { useMemo, useState } from "react";

import { useChat, useMarks } from "../hooks/call";
import { useSay, useStoa, type Say } from "../hooks/context";
import { useCallControls, useCallKeys } from "../hooks/controls";
import { useNames } from "../hooks/names";
import { useShortcuts, type CallKey } from "../hooks/shortcuts";
import { useStoaState } from "../hooks/store";
import { DevicesPopover } from "./devices";
import { useHeldBy } from "./hold";
import { Icon, type IconName } from "./icons";
import type { PanelKind } from "./panel";

export interface ControlBarProps {
  /** While it rings, leaving means cancelling. */
  ringing: boolean;
  panel: PanelKind | null;
  onPanel: (panel: PanelKind | null) => void;
  onError: (error: unknown) => void;
}

export function ControlBar({ ringing, panel, onPanel, onError }: ControlBarProps) {
  const say = useSay();
  const stoa = useStoa();
  const { media } = stoa;
  const heldBy = useHeldBy();
  const lockedBy = useLockedBy();
  const unread = useUnread(panel === "chat");
  const mayHold = !ringing && (heldBy === null || heldBy === "me");
  const { microphone, camera, screen, hangUp } = useCallControls();
  const sharing = useStoaState((s) => s.session?.features.screenSharing ?? true);
  const [choosing, setChoosing] = useState(false);
  const withKey = useWithKey();
  const maySharing = sharing && screen.possible && !ringing;
  const keys = useMemo(
    () => ({
      ...(lockedBy === null ? { m: () => void media.setMicrophone(!media.store.getState().microphoneOn) } : {}),
      v: () => void media.setCamera(!media.store.getState().cameraOn),
      ...(maySharing ? { s: () => void media.setScreen(!media.store.getState().screenOn) } : {}),
      d: () => setChoosing((open) => !open),
      ...(mayHold ? { h: () => void (heldBy === null ? stoa.hold() : stoa.resume()).catch(onError) } : {}),
      ...(ringing ? {} : { p: () => onPanel(panel === "people" ? null : "people"), c: () => onPanel(panel === "chat" ? null : "chat") }),
    }),
    [stoa, media, lockedBy, maySharing, mayHold, heldBy, ringing, panel, onPanel, onError],
  );
  useCallKeys(keys);
  return (
    <Toolbar.Root className="stoa-controls" aria-label={say("control.bar")}>
      <Control
        icon={microphone.on ? "mic" : "micOff"} label={say("control.microphone")} pressed={microphone.on} onPress={microphone.toggle}
        title={lockedBy === null ? say(microphone.on ? "control.mute" : "control.unmute") : lockText(say, lockedBy)} keys="M"
        disabled={lockedBy !== null || heldBy !== null} badge={lockedBy === null ? null : "lock"}
      />
      <Control
        icon={camera.on ? "video" : "videoOff"} label={say("control.camera")} pressed={camera.on} onPress={camera.toggle}
        title={say(camera.on ? "control.cameraOff" : "control.cameraOn")} keys="V" disabled={heldBy !== null}
      />
      {maySharing ? (
        <Control
          icon="screen" label={say("control.screen")} pressed={screen.on} onPress={screen.toggle} lit={screen.on}
          title={say(screen.on ? "control.screenOff" : "control.screenOn")} keys="S"
        />
      ) : null}
      {ringing ? null : (
        <>
          <Control
            icon={heldBy === null ? "pause" : "play"} label={say("control.hold")} pressed={heldBy !== null} lit={heldBy !== null} disabled={!mayHold}
            title={say(heldBy === null ? "control.holdOn" : "control.holdOff")} keys="H"
            onPress={() => void (heldBy === null ? stoa.hold() : stoa.resume()).catch(onError)}
          />
          <Control
            icon="people" label={say("control.people")} pressed={panel === "people"} lit={panel === "people"} title={say("control.peopleHint")} keys="P"
            onPress={() => onPanel(panel === "people" ? null : "people")}
          />
          <Control
            icon="chat" label={unread > 0 ? say("control.chatUnread", { count: unread }) : say("control.chat")} pressed={panel === "chat"} lit={panel === "chat"}
            title={say("control.chatHint")} keys="C" badge={unread > 0 ? Math.min(unread, 99) : null} onPress={() => onPanel(panel === "chat" ? null : "chat")}
          />
        </>
      )}
      <DevicesPopover open={choosing} onOpenChange={setChoosing}>
        <Toolbar.Button className="stoa-control" aria-label={say("control.devices")} {...withKey(say("control.devicesHint"), "D")}>
          <Icon name="sliders" size={22} />
        </Toolbar.Button>
      </DevicesPopover>
      <Toolbar.Button
        className="stoa-control" data-tone="stop" aria-label={say(ringing ? "control.cancel" : "control.leave")}
        title={say(ringing ? "control.cancel" : "control.leave")} onClick={() => void hangUp().catch(onError)}
      >
        <Icon name="hangUp" size={24} />
      </Toolbar.Button>
    </Toolbar.Root>
  );
}

interface ControlProps {
  icon: IconName;
  label: string;
  title: string;
  keys: CallKey;
  pressed: boolean;
  /** Highlighted: this is active, not just available. */
  lit?: boolean;
  disabled?: boolean;
  badge?: number | "lock" | null;
  onPress: () => void;
}

function Control({ icon, label, title, keys, pressed, lit = false, disabled = false, badge = null, onPress }: ControlProps) {
  const withKey = useWithKey();
  // It can be focused even when it can't be used: its title says why.
  return (
    <Toolbar.Button
      className="stoa-control" aria-label={label} {...(disabled ? { title } : withKey(title, keys))} aria-pressed={pressed} data-key={keys}
      aria-disabled={disabled} data-off={!pressed} data-lit={lit} onClick={disabled ? undefined : onPress}
    >
      <Icon name={icon} size={22} />
      {badge === null ? null : <span className="stoa-badge" aria-hidden="true">{badge === "lock" ? <Icon name="lock" size={12} /> : badge}</span>}
    </Toolbar.Button>
  );
}

/** Adds a control's key to its title while single keys are on. */
function useWithKey(): (act: string, key: CallKey) => { title: string; "aria-keyshortcuts"?: CallKey } {
  const say = useSay();
  const [on] = useShortcuts();
  return (act, key) => (on ? { title: say("control.withKey", { act, key }), "aria-keyshortcuts": key } : { title: act });
}

/** Why the microphone can't be turned on. Without a name when this tab joined after the mute: the call doesn't say who did it. */
export function lockText(say: Say, by: string): string {
  return by === "" ? say("control.lockedByHost") : say("control.locked", { name: by });
}

/** Who muted me so that I can't unmute: empty when unknown, null when nobody did. */
function useLockedBy(): string | null {
  const me = useStoaState((s) => s.me?.id ?? "");
  const names = useNames();
  const by = useMarks().locked[me];
  return by === undefined ? null : names.user(by);
}

/** How many messages from others have come since the chat was last open. */
function useUnread(looking: boolean): number {
  const me = useStoaState((s) => s.me?.id ?? "");
  const { messages } = useChat();
  const [seen, setSeen] = useState(0);
  const theirs = messages.filter((message) => message.userId !== me).length;
  if (looking && seen !== theirs) setSeen(theirs);
  return looking ? 0 : Math.max(theirs - seen, 0);
}
