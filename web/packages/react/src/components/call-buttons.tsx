/** Buttons to start a voice or video call: icons in a list, or with text on a page. */
import type { CallTarget } from "@stoa/client";

import { useSay, useStoa } from "../hooks/context";
import { useStoaState } from "../hooks/store";
import { Icon } from "./icons";

export interface CallButtonsProps {
  target: CallTarget;
  /** In a list, names the icon buttons. Without it, the buttons show text. */
  name?: string;
  onError: (error: unknown) => void;
}

export function CallButtons({ target, name, onError }: CallButtonsProps) {
  const stoa = useStoa();
  const say = useSay();
  const features = useStoaState((s) => s.session?.features);
  const mayCall = useStoaState((s) => s.session?.permissions.includes("calls:create") ?? false);
  const busy = useStoaState((s) => s.book.current !== null);
  if (!mayCall) return null;
  const start = (video: boolean): void => void stoa.call(target, { video }).catch(onError);
  const choices = [
    { video: false, icon: "phone", word: say("call.voice"), label: name ? say("call.voiceTo", { name }) : undefined, allowed: features?.voiceCalls },
    { video: true, icon: "video", word: say("call.video"), label: name ? say("call.videoTo", { name }) : undefined, allowed: features?.videoCalls },
  ] as const;
  return (
    <span className="stoa-call-buttons" data-plain={name === undefined}>
      {choices.map(({ video, icon, word, label, allowed }) =>
        allowed === false ? null : (
          <button
            key={icon} type="button" className={name ? "stoa-icon-button" : "stoa-button"} data-tone={video ? "accent" : undefined}
            aria-label={label} title={label} disabled={busy} onClick={() => start(video)}
          >
            <Icon name={icon} size={name ? 19 : 20} />
            {name ? null : word}
          </button>
        ),
      )}
    </span>
  );
}
