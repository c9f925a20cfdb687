/** Keeps the screen on during a call, if the browser can. */
import { useEffect } from "react";

export function useWakeLock(wanted: boolean): void {
  useEffect(() => {
    const { wakeLock } = navigator as { wakeLock?: WakeLock };
    if (!wanted || !wakeLock) return;
    const gone = new AbortController();
    let held: WakeLockSentinel | null = null;
    const hold = async (): Promise<void> => {
      if (document.visibilityState !== "visible") return;
      held = await wakeLock.request("screen").catch(() => null);
      if (gone.signal.aborted) void held?.release();
    };
    const onVisible = (): void => void hold();
    void hold();
    // The browser releases the lock when the tab is hidden.
    document.addEventListener("visibilitychange", onVisible, { signal: gone.signal });
    return () => {
      gone.abort();
      void held?.release();
    };
  }, [wanted]);
}
