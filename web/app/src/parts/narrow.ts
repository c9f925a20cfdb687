/** Whether the window is as narrow as a phone's, and shows one thing at a time. The styles use the same width. */
import { useSyncExternalStore } from "react";

const query = matchMedia("(max-width: 720px)");

export function useNarrow(): boolean {
  return useSyncExternalStore(listen, () => query.matches);
}

function listen(onChange: () => void): () => void {
  query.addEventListener("change", onChange);
  return () => query.removeEventListener("change", onChange);
}
