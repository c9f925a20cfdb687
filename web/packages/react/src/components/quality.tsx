/** How good the connection is: bars in the header of the call, and the numbers behind them. */
import type { LineQuality, LineReport, QualityBand } from "@stoa/client";
import { Popover } from "radix-ui";

import { useMarks } from "../hooks/call";
import { useSay } from "../hooks/context";
import { useMediaState, useStoaState } from "../hooks/store";

/** How the connection is. `lost`: there is none right now, whatever was measured before. */
type Band = QualityBand | "unknown" | "lost";

const BARS: Record<Band, number> = { excellent: 4, good: 3, fair: 2, poor: 1, unknown: 0, lost: 0 };

export function QualityIndicator() {
  const say = useSay();
  const me = useStoaState((s) => s.me?.id ?? "");
  const lost = useMediaState((s) => s.connection === "reconnecting");
  const said = useMarks().quality[me] ?? null;
  const report = lost ? null : said;
  const path = useMediaState((s) => s.path);
  const seen = useMediaState((s) => worst(s.people.map((p) => p.quality)));
  const band: Band = lost ? "lost" : (report?.band ?? seen);
  const label = say("quality.label", { band: say(`quality.${band}`) });
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <button type="button" className="stoa-bars" aria-label={label} title={label} data-band={band}>
          {[1, 2, 3, 4].map((bar) => <i key={bar} data-lit={bar <= BARS[band]} />)}
        </button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content className="stoa-popover" side="bottom" sideOffset={8} collisionPadding={12} aria-label={label}>
          <strong>{label}</strong>
          <dl className="stoa-figures">
            <dt>{say("quality.loss")}</dt><dd>{figure(report?.packetLoss, "%", say("quality.none"))}</dd>
            <dt>{say("quality.jitter")}</dt><dd>{figure(report?.jitterMs, "ms", say("quality.none"))}</dd>
            <dt>{say("quality.rtt")}</dt><dd>{figure(report?.roundTripMs, "ms", say("quality.none"))}</dd>
            <dt>{say("quality.path")}</dt><dd>{path === null ? say("quality.none") : say(`quality.${path}`)}</dd>
          </dl>
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** A number with its unit, to one decimal: 12 ms, 0.5%. */
export function figure(value: LineReport["jitterMs"] | undefined, unit: "ms" | "%", none: string): string {
  if (value === null || value === undefined) return none;
  return `${Math.round(value * 10) / 10}${unit === "%" ? "" : " "}${unit}`;
}

/** What the media itself has seen, until the server reports. */
function worst(lines: readonly LineQuality[]): QualityBand | "unknown" {
  if (lines.includes("lost") || lines.includes("poor")) return "poor";
  if (lines.includes("good")) return "good";
  return lines.includes("excellent") ? "excellent" : "unknown";
}
