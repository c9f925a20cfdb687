/** Whether the window is a phone's: then one thing stands there at a time. The styles draw the same line. */
import { useSyncExternalStore } from "react";

const query = matchMedia("(max-width: 720px)");

export function useNarrow(): boolean {
  return useSyncExternalStore(listen, () => query.matches);
}

function listen(onChange: () => void): () => void {
  query.addEventListener("change", onChange);
  return () => query.removeEventListener("change", onChange);
}
