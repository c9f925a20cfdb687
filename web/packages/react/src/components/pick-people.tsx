/** Picks people for the call: several to invite, or one to transfer it to. */
import type { User } from "@stoa/client";
import { Dialog } from "radix-ui";
import { useState, type ReactNode } from "react";

import { useParticipants } from "../hooks/call";
import { useSay, useStoa } from "../hooks/context";
import { usePeople } from "../hooks/directory";
import { useNames } from "../hooks/names";
import { Avatar } from "./avatar";
import { GuestMark } from "./guest";
import { Icon } from "./icons";

interface PickProps {
  onError: (error: unknown) => void;
  children: ReactNode;
}

export function InvitePeople({ onError, children }: PickProps) {
  const { acts } = useStoa();
  const say = useSay();
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const toggle = (id: string): void => setChosen((ids) => (ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]));
  const invite = (): void => {
    setOpen(false);
    setChosen([]);
    void acts.invite(chosen).catch(onError);
  };
  return (
    <PickDialog title={say("pick.invite")} open={open} onOpenChange={setOpen} trigger={children}>
      <PeopleChoice kind="checkbox" chosen={chosen} onChoose={toggle} />
      <div className="stoa-dialog-acts">
        <Dialog.Close asChild><button type="button" className="stoa-button">{say("pick.cancel")}</button></Dialog.Close>
        <button type="button" className="stoa-button" data-tone="go" disabled={chosen.length === 0} onClick={invite}>{say("pick.inviteDo")}</button>
      </div>
    </PickDialog>
  );
}

export function TransferCall({ onError, children }: PickProps) {
  const { acts } = useStoa();
  const say = useSay();
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState<string | null>(null);
  const transfer = (mode: "blind" | "attended"): void => {
    setOpen(false);
    if (chosen !== null) void acts.transfer(chosen, mode).catch(onError);
    setChosen(null);
  };
  return (
    <PickDialog title={say("pick.transfer")} hint={say("pick.transferHint")} open={open} onOpenChange={setOpen} trigger={children}>
      <PeopleChoice kind="radio" chosen={chosen === null ? [] : [chosen]} onChoose={setChosen} />
      <div className="stoa-dialog-acts">
        <button type="button" className="stoa-button" disabled={chosen === null} onClick={() => transfer("attended")}>{say("pick.talk")}</button>
        <button type="button" className="stoa-button" data-tone="go" disabled={chosen === null} onClick={() => transfer("blind")}>{say("pick.now")}</button>
      </div>
    </PickDialog>
  );
}

interface PickDialogProps {
  title: string;
  hint?: string;
  open: boolean;
  onOpenChange: (open: boolean) => void;
  trigger: ReactNode;
  children: ReactNode;
}

function PickDialog({ title, hint, open, onOpenChange, trigger, children }: PickDialogProps) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Trigger asChild>{trigger}</Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Overlay className="stoa-veil" />
        <Dialog.Content className="stoa-dialog" {...(hint === undefined ? { "aria-describedby": undefined } : {})}>
          <Dialog.Title>{title}</Dialog.Title>
          {hint === undefined ? null : <Dialog.Description>{hint}</Dialog.Description>}
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

interface ChoiceProps {
  kind: "checkbox" | "radio";
  chosen: readonly string[];
  onChoose: (id: string) => void;
}

function PeopleChoice({ kind, chosen, onChoose }: ChoiceProps) {
  const say = useSay();
  const [search, setSearch] = useState("");
  const here = new Set(useParticipants().map((p) => p.userId));
  const people = usePeople(search).filter((user) => !here.has(user.id));
  return (
    <>
      <label className="stoa-search">
        <Icon name="search" size={17} />
        <input type="search" aria-label={say("pick.find")} placeholder={say("pick.find")} value={search} onChange={(e) => setSearch(e.target.value)} />
      </label>
      {people.length === 0 ? <p className="stoa-empty">{say(search.trim() === "" ? "pick.nobody" : "pick.noMatch")}</p> : null}
      <div className="stoa-picks" role={kind === "radio" ? "radiogroup" : "group"} aria-label={say("pick.people")}>
        {people.map((user) => <Pick key={user.id} user={user} kind={kind} checked={chosen.includes(user.id)} onChoose={onChoose} />)}
      </div>
    </>
  );
}

function Pick({ user, kind, checked, onChoose }: { user: User; kind: "checkbox" | "radio"; checked: boolean; onChoose: (id: string) => void }) {
  const say = useSay();
  const name = useNames().user(user.id);
  return (
    <label className="stoa-pick">
      <Avatar name={user.name} id={user.id} url={user.avatarUrl} size="small" presence={user.presence} />
      <span><bdi>{name}</bdi><small>{say(`presence.${user.presence}`)}{user.isGuest ? <GuestMark /> : null}</small></span>
      <input type={kind} name="stoa-pick" aria-label={name} checked={checked} onChange={() => onChoose(user.id)} />
    </label>
  );
}
