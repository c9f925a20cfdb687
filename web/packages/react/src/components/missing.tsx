/** Says which of camera and microphone couldn't be opened, why, and what to do: try again, or continue without. */
import type { Missing } from "@stoa/client";
import { useState } from "react";

import { useSay, useStoa, type Say } from "../hooks/context";
import { useMediaState } from "../hooks/store";
import { Icon } from "./icons";

export function MissingBanner() {
  const { media } = useStoa();
  const say = useSay();
  const missing = useMediaState((s) => s.missing);
  const [trying, setTrying] = useState(false);
  const without = whichOf(missing);
  if (without === null) return null;
  const again = (): void => {
    setTrying(true);
    void media.openMissing().finally(() => setTrying(false));
  };
  const reasons = reasonsOf(say, missing);
  return (
    <section className="stoa-banner stoa-knock stoa-missing" data-tone="ring" role="alert" aria-label={say("missing.region")}>
      <Icon name={without === "camera" ? "videoOff" : "micOff"} size={24} />
      <div>
        <strong>{say(`missing.${without}`)}</strong>
        {reasons.map((reason) => <p key={reason}>{reason}</p>)}
      </div>
      <span className="stoa-banner-acts">
        {Object.values(missing).includes("insecure") ? null : (
          <button type="button" className="stoa-button" data-tone="accent" aria-disabled={trying} onClick={trying ? undefined : again}>
            {say(trying ? "missing.trying" : "missing.again")}
          </button>
        )}
        <button type="button" className="stoa-button" onClick={() => media.doWithout()}>{say("missing.without")}</button>
      </span>
    </section>
  );
}

type Which = "microphone" | "camera" | "both";

export function whichOf({ microphone, camera }: Missing): Which | null {
  if (microphone) return camera ? "both" : "microphone";
  return camera ? "camera" : null;
}

/** One sentence per cause. If camera and microphone share a cause, one sentence names both. */
export function reasonsOf(say: Say, missing: Missing): string[] {
  const causeOf = { microphone_denied: "denied", camera_denied: "denied", microphone_missing: "absent", camera_missing: "absent" } as const;
  const causes = { denied: {}, absent: {} } as Record<"denied" | "absent", Missing>;
  for (const source of ["microphone", "camera"] as const) {
    const problem = missing[source];
    if (problem === "insecure") return [say("missing.insecure")];
    if (problem && problem !== "screen_failed") causes[causeOf[problem]] = { ...causes[causeOf[problem]], [source]: problem };
  }
  return (["denied", "absent"] as const).flatMap((cause) => {
    const which = whichOf(causes[cause]);
    return which === null ? [] : [say(`missing.${cause}.${which}`)];
  });
}
