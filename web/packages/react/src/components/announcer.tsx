/** Announces who joins and leaves, and what happens to a recording, to screen readers, in a polite live region. */
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
    switch (notice.kind) {
      case "recording_started":
        setText(say("recording.started"));
        break;
      case "recording_paused":
        setText(say("recording.paused"));
        break;
      case "recording_resumed":
        setText(say("recording.resumed"));
        break;
      case "recording_stopped":
        setText(say("recording.stopped"));
        break;
      case "recording_failed":
        setText(say("recording.failed"));
        break;
      default:
    }
    if (notice.kind === "left") setText(say("call.left", { name: names.user(notice.userId) }));
  });
  return <div className="stoa-hidden" role="status" aria-live="polite" aria-label={say("call.announcements")}>{text}</div>;
}
