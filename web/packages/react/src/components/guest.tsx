/** The mark of one who signed in by name alone, beside their name wherever it is shown. */
import { useSay } from "../hooks/context";

export function GuestMark() {
  const say = useSay();
  return <small className="stoa-guest" title={say("person.guestHint")}>{say("person.guest")}</small>;
}
