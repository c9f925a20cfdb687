/** Keeps the focus from falling out of the page: who works by keyboard would begin at its top again. */
import { useEffect, useEffectEvent } from "react";

/**
 * When what has the focus goes away or can no longer have it, the focus comes to `home`: a part of the page that a key does not
 * press, since it may be on its way. Where `home` cannot have it, as behind a dialog, nothing happens.
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
      // Who takes the focus away from something that is still there wants it nowhere.
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
