/** For a path that leads nowhere, or to a person or channel that doesn't exist: says so, and links to a page that does. */
import { useTranslation } from "react-i18next";

import { linkTo } from "../routes";

export function NothingPage({ text }: { text?: string }) {
  const { t } = useTranslation();
  return (
    <div className="app-page">
      <div className="app-nothing">
        <span className="app-nothing-arch" aria-hidden="true" />
        <h1>{t("nothing.title")}</h1>
        <p>{text ?? t("nothing.text")}</p>
        <a className="stoa-button" data-tone="accent" {...linkTo({ at: "recent" })}>{t("history.title")}</a>
      </div>
    </div>
  );
}
