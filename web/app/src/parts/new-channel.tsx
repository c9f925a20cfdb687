/** The dialogs to create or edit a channel: its name and its members. */
import type { Channel } from "@stoa/client";
import { Avatar } from "@stoa/react/components";
import { useNames, usePeople, useStoa, useStoaState } from "@stoa/react/hooks";
import { Dialog } from "radix-ui";
import { useId, useState, type SubmitEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useErrorText } from "../errors";
import { go } from "../routes";

export interface NewChannelProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function NewChannel({ open, onOpenChange }: NewChannelProps) {
  const { t } = useTranslation();
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="stoa-veil" />
        <Dialog.Content className="app-dialog" aria-describedby={undefined}>
          <Dialog.Title>{t("channels.new")}</Dialog.Title>
          <NewForm onDone={() => onOpenChange(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

export function EditChannel({ channel, open, onOpenChange, children }: NewChannelProps & { channel: Channel; children: ReactNode }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const me = useStoaState((s) => s.me?.id ?? "");
  const onDone = (): void => onOpenChange(false);
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Trigger asChild>{children}</Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Overlay className="stoa-veil" />
        <Dialog.Content className="app-dialog" aria-describedby={undefined}>
          <Dialog.Title>{t("channels.edit")}</Dialog.Title>
          <ChannelForm
            name={channel.name} members={channel.members.filter((id) => id !== me)} submit={t("channels.save")} onDone={onDone}
            save={(name, members) => stoa.changeChannel(channel.id, { name, members: channel.members.includes(me) ? [me, ...members] : members }).then(onDone)}
          />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function NewForm({ onDone }: { onDone: () => void }) {
  const { t } = useTranslation();
  const stoa = useStoa();
  const me = useStoaState((s) => s.me?.id ?? "");
  const create = async (name: string, members: string[]): Promise<void> => {
    const channel = await stoa.createChannel(name, [me, ...members]);
    onDone();
    go({ at: "channel", id: channel.id });
  };
  return <ChannelForm name="" members={[]} submit={t("channels.create")} onDone={onDone} save={create} />;
}

interface ChannelFormProps {
  name: string;
  /** Without myself. */
  members: readonly string[];
  submit: string;
  save: (name: string, members: string[]) => Promise<void>;
  onDone: () => void;
}

function ChannelForm({ name: before, members, submit, save, onDone }: ChannelFormProps) {
  const { t } = useTranslation();
  const textOf = useErrorText();
  const people = usePeople();
  const names = useNames();
  const id = useId();
  const [name, setName] = useState(before);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set(members));
  const [error, setError] = useState<string | null>(null);
  const toggle = (userId: string): void => {
    setChosen((before) => {
      const next = new Set(before);
      if (!next.delete(userId)) next.add(userId);
      return next;
    });
  };
  const create = (event: SubmitEvent): void => {
    event.preventDefault();
    if (name.trim() === "") return;
    save(name.trim(), [...chosen]).catch((reason: unknown) => setError(textOf(reason)));
  };
  return (
    <form className="app-form" onSubmit={create}>
      <div className="app-field">
        <label htmlFor={id}>{t("channels.name")}</label>
        <input id={id} value={name} maxLength={80} autoFocus placeholder={t("channels.namePlaceholder")} onChange={(e) => setName(e.target.value)} />
      </div>
      <fieldset className="app-picks">
        <legend>{t("channels.pick")}</legend>
        {people.length === 0 ? <p className="app-empty">{t("channels.nobody")}</p> : null}
        {people.map((person) => (
          <label key={person.id} className="app-pick">
            <Avatar name={person.name} id={person.id} url={person.avatarUrl} size="small" />
            <span><bdi>{names.user(person.id)}</bdi></span>
            <input type="checkbox" checked={chosen.has(person.id)} onChange={() => toggle(person.id)} />
          </label>
        ))}
      </fieldset>
      {error === null ? null : <p className="app-error" role="alert">{error}</p>}
      <div className="app-form-acts">
        <button type="button" className="stoa-button" onClick={onDone}>{t("channels.cancel")}</button>
        <button type="submit" className="stoa-button" data-tone="accent" disabled={name.trim() === ""}>{submit}</button>
      </div>
    </form>
  );
}
