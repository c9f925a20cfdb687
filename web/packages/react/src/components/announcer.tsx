/** Announces who joins and leaves to screen readers, in a polite live region. */
import { useState } from "react";

import { useSay } from "../hooks/context";
import { useNames } from "../hooks/names";
import { useNotices } from "../hooks/notices";

export function Announcer() {
  const say = useSay();
  const names = useNames();
  const [text, setText] = useState("");
  useNotices((notice) => {
    if (notice.kind === "joined") setText(say("call.joined", { name: names.user(notice.userId) }));
    if (notice.kind === "left") setText(say("call.left", { name: names.user(notice.userId) }));
  });
  return <div className="stoa-hidden" role="status" aria-live="polite" aria-label={say("call.announcements")}>{text}</div>;
}
