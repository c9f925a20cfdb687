/** Manners for dialogs that open by themselves: they don't take the focus from somebody typing, and give it back afterwards. */
import { useEffect, useRef } from "react";

import { useStoa } from "./context";

export interface UnaskedFocus {
  onOpenAutoFocus: (event: Event) => void;
  onCloseAutoFocus: (event: Event) => void;
}

/**
 * For a dialog that opens by itself. Once nobody is typing, the dialog itself takes the focus, and none of its buttons, so that
 * a key meant for something else presses nothing. Then `onFocus` is called.
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
      // Without selecting its text: the next letter mustn't replace what's already there.
      if (isNowhere(document.activeElement) && before.current instanceof HTMLElement) before.current.focus({ preventScroll: true });
    },
  };
}

/** Whether the focus is somewhere nobody chose: the page itself, or a part of it that only keeps the focus from getting lost. */
function isNowhere(element: Element | null): boolean {
  return element === null || element === document.body || element.getAttribute("tabindex") === "-1";
}
