/** Marks somebody who signed in with just a name, beside that name wherever it's shown. */
import { useSay } from "../hooks/context";

export function GuestMark() {
  const say = useSay();
  return <small className="stoa-guest" title={say("person.guestHint")}>{say("person.guest")}</small>;
}
