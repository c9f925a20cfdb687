/** A button that asks for confirmation. */
import { AlertDialog } from "radix-ui";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

interface SureProps {
  title: string;
  text: string;
  /** What the button says, if not the title. */
  label?: string;
  icon?: ReactNode;
  onYes: () => void;
}

export function Sure({ title, text, label = title, icon, onYes }: SureProps) {
  const { t } = useTranslation();
  return (
    <AlertDialog.Root>
      <AlertDialog.Trigger asChild>
        <button type="button" className="stoa-button" data-tone="stop" data-quiet>{icon}{label}</button>
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="stoa-veil" />
        <AlertDialog.Content className="app-dialog">
          <AlertDialog.Title>{title}</AlertDialog.Title>
          <AlertDialog.Description>{text}</AlertDialog.Description>
          <div className="app-form-acts">
            <AlertDialog.Cancel asChild><button type="button" className="stoa-button">{t("channels.cancel")}</button></AlertDialog.Cancel>
            <AlertDialog.Action asChild>
              <button type="button" className="stoa-button" data-tone="stop" onClick={onYes}>{label}</button>
            </AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
