/** A small dialog to choose the microphone, camera and speaker. A running call switches right away. */
import type { CaptureChoice, Device } from "@stoa/client";
import { Popover } from "radix-ui";
import { useEffect, useId, type ReactNode } from "react";

import { useSay, useStoa } from "../hooks/context";
import { useDevicesState } from "../hooks/store";
import { ShortcutsCheck } from "./shortcuts";

export interface DevicesPopoverProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  children: ReactNode;
}

const DEFAULT = "default";

export function DevicesPopover({ open, onOpenChange, children }: DevicesPopoverProps) {
  const say = useSay();
  return (
    <Popover.Root open={open} onOpenChange={onOpenChange}>
      <Popover.Trigger asChild>{children}</Popover.Trigger>
      <Popover.Portal>
        {/* A toast that disappears may take the focus with it. That's no reason to close this. */}
        <Popover.Content
          className="stoa-popover" side="top" sideOffset={12} collisionPadding={12} aria-label={say("control.devices")}
          onFocusOutside={(event) => event.preventDefault()}
        >
          <DeviceChoices />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function DeviceChoices() {
  const stoa = useStoa();
  const say = useSay();
  const devices = useDevicesState((s) => s);
  const { choice } = devices;
  useEffect(() => void stoa.devices.refresh(), [stoa]);
  const choose = (change: Partial<CaptureChoice>): void => void stoa.chooseDevice(change).catch(() => undefined);
  return (
    <>
      <Choice label={say("device.microphone")} list={devices.microphones} value={choice.microphone} onChoose={(id) => choose({ microphone: id })} hasDefault />
      <Choice label={say("device.camera")} list={devices.cameras} value={choice.camera} onChoose={(id) => choose({ camera: id })} />
      {devices.canChooseSpeaker ? (
        <Choice label={say("device.speaker")} list={devices.speakers} value={choice.speaker} onChoose={(id) => choose({ speaker: id })} hasDefault />
      ) : null}
      <label className="stoa-check">
        <input type="checkbox" checked={choice.noiseSuppression} onChange={(event) => choose({ noiseSuppression: event.target.checked })} />
        {say("device.noise")}
      </label>
      <label className="stoa-check">
        <input type="checkbox" checked={choice.callWaiting} onChange={(event) => choose({ callWaiting: event.target.checked })} />
        {say("device.waiting")}
      </label>
      <ShortcutsCheck />
    </>
  );
}

interface ChoiceProps {
  label: string;
  list: readonly Device[];
  value: string | null;
  onChoose: (id: string) => void;
  hasDefault?: boolean;
}

function Choice({ label, list, value, onChoose, hasDefault = false }: ChoiceProps) {
  const say = useSay();
  const id = useId();
  const real = list.filter((device) => device.id !== DEFAULT);
  const known = real.some((device) => device.id === value);
  const shown = known && value !== null ? value : hasDefault ? DEFAULT : (real[0]?.id ?? "");
  return (
    <div className="stoa-field">
      <label htmlFor={id}>{label}</label>
      <select id={id} className="stoa-select" value={shown} disabled={real.length === 0} onChange={(event) => onChoose(event.target.value)}>
        {hasDefault && real.length > 0 ? <option value={DEFAULT}>{say("device.default")}</option> : null}
        {real.length === 0 ? <option value="">{say("device.none")}</option> : null}
        {real.map((device, index) => (
          <option key={device.id} value={device.id}>{device.label || say("device.unnamed", { number: index + 1 })}</option>
        ))}
      </select>
    </div>
  );
}
