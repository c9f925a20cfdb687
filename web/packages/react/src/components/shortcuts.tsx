/** A list of the keyboard shortcuts in a call, and the choice to turn single keys off. */
import { Dialog } from "radix-ui";

import { useSay } from "../hooks/context";
import { CALL_KEYS, useShortcuts } from "../hooks/shortcuts";
import { Icon } from "./icons";

export interface ShortcutsDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function ShortcutsDialog({ open, onOpenChange }: ShortcutsDialogProps) {
  const say = useSay();
  const [on] = useShortcuts();
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="stoa-veil" />
        <Dialog.Content className="stoa-dialog">
          <Dialog.Title>{say("shortcuts.title")}</Dialog.Title>
          <Dialog.Description>{say("shortcuts.hint")}</Dialog.Description>
          <ShortcutsCheck />
          <dl className="stoa-keys">
            {on ? CALL_KEYS.map(([key, phrase]) => <Row key={key} keys={[key]} text={say(phrase)} />) : null}
            <Row keys={["←", "→"]} text={say("shortcuts.arrows")} />
            <Row keys={["Esc"]} text={say("shortcuts.escape")} />
          </dl>
          <Dialog.Close asChild>
            <button type="button" className="stoa-icon-button stoa-dialog-close" aria-label={say("panel.close")} title={say("panel.close")}><Icon name="close" /></button>
          </Dialog.Close>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** Turns single-key shortcuts on or off in this browser. */
export function ShortcutsCheck() {
  const say = useSay();
  const [on, set] = useShortcuts();
  return (
    <label className="stoa-check">
      <input type="checkbox" checked={on} onChange={(event) => set(event.target.checked)} />
      {say("shortcuts.single")}
    </label>
  );
}

function Row({ keys, text }: { keys: readonly string[]; text: string }) {
  return (
    <div>
      <dt>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
      <dd>{text}</dd>
    </div>
  );
}
