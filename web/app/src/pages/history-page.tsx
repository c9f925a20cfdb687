/** Recent calls, newest first. */
import { useStoa, useStoaState } from "@stoa/react/hooks";
import { useTranslation } from "react-i18next";

import { useErrorToast } from "../errors";
import { HistoryList } from "../parts/history-list";

export function HistoryPage() {
  const { t } = useTranslation();
  const stoa = useStoa();
  const onError = useErrorToast();
  const history = useStoaState((s) => s.history);
  return (
    <div className="app-page">
      <h1>{t("history.title")}</h1>
      {history.calls.length > 0 ? <HistoryList calls={history.calls} label={t("history.title")} /> : null}
      {history.calls.length === 0 && history.phase === "read" ? (
        <div className="app-nothing"><span className="app-nothing-arch" aria-hidden="true" /><p>{t("history.none")}</p></div>
      ) : null}
      {history.next === null ? null : (
        <button type="button" className="stoa-button app-more" disabled={history.phase === "loading"} onClick={() => void stoa.readHistory(true).catch(onError)}>
          {t("history.more")}
        </button>
      )}
    </div>
  );
}
