/** A transfer under way: who it goes to, and buttons to complete or cancel it for whoever started it. */
import { participantOf, isPresent } from "@stoa/client";

import { useMarks } from "../hooks/call";
import { useSay, useStoa } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { Icon } from "./icons";

export function TransferBanner({ onError }: { onError: (error: unknown) => void }) {
  const { acts } = useStoa();
  const say = useSay();
  const names = useNames();
  const me = useStoaState((s) => s.me?.id ?? "");
  const call = useStoaState((s) => s.book.current?.call ?? null);
  const { transfer } = useMarks();
  if (!transfer || transfer.target === me) return null;
  const name = names.user(transfer.target);
  if (transfer.by !== me) {
    return (
      <section className="stoa-banner stoa-knock" aria-label={say("transfer.region")}>
        <Icon name="transfer" /><span>{say("transfer.by", { by: names.user(transfer.by), name })}</span>
      </section>
    );
  }
  const target = call ? participantOf(call, transfer.target) : undefined;
  const here = target !== undefined && isPresent(target);
  return (
    <section className="stoa-banner stoa-knock" aria-label={say("transfer.region")}>
      <Icon name="transfer" />
      <span>{say(transfer.mode === "blind" ? "transfer.blind" : "transfer.attended", { name })}</span>
      <span className="stoa-banner-acts">
        {transfer.mode === "attended" ? (
          <button type="button" className="stoa-button" data-tone="go" data-quiet={!here} onClick={() => void acts.completeTransfer().catch(onError)}>
            <Icon name="check" />{say("transfer.complete")}
          </button>
        ) : null}
        <button type="button" className="stoa-button" onClick={() => void acts.cancelTransfer().catch(onError)}>{say("transfer.cancel")}</button>
      </span>
    </section>
  );
}
