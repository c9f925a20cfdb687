/** Things that happened, each reported once, for toasts and the live region. */
import type { MediaProblem, Notice } from "@stoa/client";
import { useEffect, useEffectEvent } from "react";

import { useStoa } from "./context";

export function useNotices(onNotice: (notice: Notice) => void): void {
  const { notices } = useStoa();
  const handle = useEffectEvent(onNotice);
  useEffect(() => notices.on((notice) => handle(notice)), [notices]);
}

export function useMediaProblems(onProblem: (problem: MediaProblem) => void): void {
  const { media } = useStoa();
  const handle = useEffectEvent(onProblem);
  useEffect(() => media.problems.on((problem) => handle(problem)), [media]);
}
