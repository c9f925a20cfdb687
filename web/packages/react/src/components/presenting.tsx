/** Reminds you that you're sharing your screen, which you don't see as a tile, and lets you stop. */
import { useCallControls } from "../hooks/controls";
import { useSay } from "../hooks/context";
import { Icon } from "./icons";

export function PresentingBanner() {
  const say = useSay();
  const { screen } = useCallControls();
  if (!screen.on) return null;
  return (
    <section className="stoa-banner stoa-knock stoa-presenting" data-tone="go" aria-label={say("presenting.region")}>
      <Icon name="screen" />
      <span role="status">{say("presenting.text")}</span>
      <button type="button" className="stoa-button" data-tone="stop" aria-label={say("presenting.stopIt")} onClick={screen.toggle}>
        {say("presenting.stop")}
      </button>
    </section>
  );
}
