/** Who I am, how it looks, and the way out. */
import { Avatar, Icon } from "@stoa/react/components";
import { useStoa, useStoaState } from "@stoa/react/hooks";
import { DropdownMenu } from "radix-ui";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { useTheme, type Theme } from "../theme";

const THEMES = ["light", "dark", "system"] as const satisfies readonly Theme[];

export function AccountMenu() {
  const { t } = useTranslation();
  const stoa = useStoa();
  const onError = useErrorToast();
  const me = useStoaState((s) => s.me);
  const [theme, setTheme] = useTheme();
  if (!me) return null;
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="app-account" aria-label={t("account.label", { name: me.name })} title={me.name}>
          <Avatar name={me.name} id={me.id} url={me.avatarUrl} size="small" />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="app-menu" align="end" sideOffset={8} collisionPadding={12}>
          <DropdownMenu.Label className="app-menu-who">
            <strong><bdi>{me.name}</bdi></strong>
            <small>{me.isGuest ? t("account.guest") : me.id}</small>
          </DropdownMenu.Label>
          <DropdownMenu.Separator className="app-menu-line" />
          <DropdownMenu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)} aria-label={t("account.theme")}>
            {THEMES.map((one) => (
              <DropdownMenu.RadioItem key={one} value={one} className="app-menu-item" onSelect={(event) => event.preventDefault()}>
                {t(`account.${one}`)}
                <DropdownMenu.ItemIndicator><Icon name="check" size={17} /></DropdownMenu.ItemIndicator>
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator className="app-menu-line" />
          <DropdownMenu.Item className="app-menu-item" onSelect={() => void stoa.signOut().catch(onError)}>{t("account.signOut")}</DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
