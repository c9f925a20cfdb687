/** Keeps the focus from getting lost, which would send keyboard users back to the top of the page. */
import { useEffect, useEffectEvent } from "react";

/**
 * When the focused element goes away or can no longer have the focus, moves the focus to `home`. That should be a part of the
 * page that keys don't press, since one may be on its way. If `home` can't be focused, as behind a dialog, nothing happens.
 */
export function useFocusHome(home: () => HTMLElement | null): void {
  const findHome = useEffectEvent(home);
  useEffect(() => {
    let last: Element | null = null;
    let frame = 0;
    const onFocus = (event: FocusEvent): void => {
      last = event.target instanceof Element ? event.target : null;
    };
    const look = (): void => {
      frame = 0;
      const { activeElement, body } = document;
      const lost = activeElement === null || activeElement === body || !mayHaveFocus(activeElement);
      // If the focus left something that is still there, it's meant to be nowhere.
      if (!lost || last === null || mayHaveFocus(last)) return;
      const place = findHome();
      if (place && mayHaveFocus(place)) place.focus({ preventScroll: true });
    };
    const observer = new MutationObserver(() => {
      frame ||= requestAnimationFrame(look);
    });
    document.addEventListener("focusin", onFocus);
    observer.observe(document.body, { subtree: true, childList: true, attributes: true });
    return () => {
      observer.disconnect();
      document.removeEventListener("focusin", onFocus);
      cancelAnimationFrame(frame);
    };
  }, []);
}

function mayHaveFocus(element: Element): boolean {
  return (
    element.isConnected && !element.matches(":disabled") && element.closest("[inert], [aria-hidden=true]") === null &&
    element.checkVisibility({ visibilityProperty: true })
  );
}
