/** How what comes unasked behaves while somebody types: it waits with taking the focus, and gives it back as it was. */
import { useEffect, useRef } from "react";

import { useStoa } from "./context";

export interface UnaskedFocus {
  onOpenAutoFocus: (event: Event) => void;
  onCloseAutoFocus: (event: Event) => void;
}

/**
 * For a dialog that opens by itself. The focus comes to the dialog and to none of its buttons, so that a key that was on
 * its way elsewhere presses nothing; `onFocus` is told when.
 */
export function useUnaskedFocus(onFocus: () => void): UnaskedFocus {
  const { typing } = useStoa();
  const before = useRef<Element | null>(null);
  const stop = useRef<(() => void) | undefined>(undefined);
  useEffect(() => () => stop.current?.(), []);
  return {
    onOpenAutoFocus: (event) => {
      event.preventDefault();
      before.current = document.activeElement;
      const dialog = event.target;
      stop.current = typing.whenRested(() => {
        if (dialog instanceof HTMLElement) dialog.focus({ preventScroll: true });
        onFocus();
      });
    },
    onCloseAutoFocus: (event) => {
      event.preventDefault();
      // Not selected, as it would be else: the next letter must not take the place of those before it.
      if (isNowhere(document.activeElement) && before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
    },
  };
}

/** Nobody chose to be there: the page itself, or a part of it that only keeps the focus from getting lost. */
function isNowhere(element: Element | null): boolean {
  return element === null || element === document.body || element.getAttribute("tabindex") === "-1";
}
