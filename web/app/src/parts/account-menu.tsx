/** The account menu: who is signed in, the theme, shortcuts, and signing out. */
import { Avatar, Icon, ShortcutsDialog } from "@stoa/react/components";
import { useSay, useShortcuts, useStoa, useStoaState } from "@stoa/react/hooks";
import { DropdownMenu } from "radix-ui";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { go } from "../routes";
import { useTheme, type Theme } from "../theme";

const THEMES = ["light", "dark", "system"] as const satisfies readonly Theme[];

export function AccountMenu() {
  const { t } = useTranslation();
  const me = useStoaState((s) => s.me);
  const [listing, setListing] = useState(false);
  if (!me) return null;
  return (
    <>
      <DropdownMenu.Root modal={false}>
        <DropdownMenu.Trigger asChild>
          <button type="button" className="app-account" aria-label={t("account.label", { name: me.name })} title={me.name}>
            <Avatar name={me.name} id={me.id} url={me.avatarUrl} size="small" />
          </button>
        </DropdownMenu.Trigger>
        {/* Next to its button, and not at the end of the page, outside every landmark. */}
        <DropdownMenu.Content className="app-menu" align="end" sideOffset={8} collisionPadding={12}>
          <DropdownMenu.Label className="app-menu-who">
            <strong><bdi>{me.name}</bdi></strong>
            <small>{me.isGuest ? t("account.guest") : me.id}</small>
          </DropdownMenu.Label>
          <DropdownMenu.Separator className="app-menu-line" />
          <Themes />
          <DropdownMenu.Separator className="app-menu-line" />
          <SingleKeys onList={() => setListing(true)} />
          <DropdownMenu.Separator className="app-menu-line" />
          <Ways />
        </DropdownMenu.Content>
      </DropdownMenu.Root>
      <ShortcutsDialog open={listing} onOpenChange={setListing} />
    </>
  );
}

function Themes() {
  const { t } = useTranslation();
  const [theme, setTheme] = useTheme();
  return (
    <DropdownMenu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)} aria-label={t("account.theme")}>
      {THEMES.map((one) => (
        <DropdownMenu.RadioItem key={one} value={one} className="app-menu-item" onSelect={(event) => event.preventDefault()}>
          {t(`account.${one}`)}
          <DropdownMenu.ItemIndicator><Icon name="check" size={17} /></DropdownMenu.ItemIndicator>
        </DropdownMenu.RadioItem>
      ))}
    </DropdownMenu.RadioGroup>
  );
}

function SingleKeys({ onList }: { onList: () => void }) {
  const say = useSay();
  const [on, set] = useShortcuts();
  return (
    <>
      <DropdownMenu.CheckboxItem className="app-menu-item" checked={on} onCheckedChange={set} onSelect={(event) => event.preventDefault()}>
        {say("shortcuts.single")}
        <DropdownMenu.ItemIndicator><Icon name="check" size={17} /></DropdownMenu.ItemIndicator>
      </DropdownMenu.CheckboxItem>
      <DropdownMenu.Item className="app-menu-item" onSelect={onList}>{say("shortcuts.title")}</DropdownMenu.Item>
    </>
  );
}

/** Links to other places, and signing out. */
function Ways() {
  const { t } = useTranslation();
  const stoa = useStoa();
  const onError = useErrorToast();
  const admin = useStoaState((s) => s.session?.permissions.includes("admin") ?? false);
  return (
    <>
      {admin ? <DropdownMenu.Item className="app-menu-item" onSelect={() => go({ at: "admin" })}>{t("account.admin")}</DropdownMenu.Item> : null}
      <DropdownMenu.Item className="app-menu-item" onSelect={() => void stoa.signOut().catch(onError)}>{t("account.signOut")}</DropdownMenu.Item>
    </>
  );
}
