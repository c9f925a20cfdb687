/** Covers the stage while you're on hold: who put you there, and a way back if it was you. */
import { useMarks } from "../hooks/call";
import { useSay, useStoa } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useStoaState } from "../hooks/store";
import { Icon } from "./icons";

/** Who put me on hold: me, somebody else, or nobody (null). */
export function useHeldBy(): "me" | { userId: string } | null {
  const me = useStoaState((s) => s.me?.id ?? "");
  const { held } = useMarks();
  const by = held[me];
  if (by === undefined) return null;
  return by === me ? "me" : { userId: by };
}

export function HoldVeil({ onError }: { onError: (error: unknown) => void }) {
  const stoa = useStoa();
  const say = useSay();
  const names = useNames();
  const by = useHeldBy();
  if (by === null) return null;
  const mine = by === "me";
  return (
    <div className="stoa-hold" role="status">
      <span className="stoa-hold-sign" aria-hidden="true"><Icon name="pause" size={34} /></span>
      <strong>{mine ? say("hold.mine") : say("hold.by", { name: names.user(by.userId) })}</strong>
      <span>{say(mine ? "hold.mineHint" : "hold.byHint")}</span>
      {mine ? (
        <button type="button" className="stoa-button" data-tone="go" onClick={() => void stoa.resume().catch(onError)}>
          <Icon name="play" />{say("hold.resume")}
        </button>
      ) : null}
    </div>
  );
}
