/** What administrators can do. There are no admin screens yet; everything goes through the API. */
import { useStoaState } from "@stoa/react/hooks";
import { useTranslation } from "react-i18next";

/** Each task, and the API operations for it. */
const TASKS = [
  ["admin.keys", "GET, POST /api/admin/api-keys"],
  ["admin.push", "POST /api/users, /api/channels"],
  ["admin.ice", "GET /api/admin/ice-servers · POST /api/ice-servers"],
  ["admin.now", "GET /api/debug/connections · /metrics"],
  ["admin.audit", "GET /api/admin/audit"],
  ["admin.person", "GET /api/users/{id}/export · DELETE /api/users/{id}"],
] as const;

export function AdminPage() {
  const { t } = useTranslation();
  const admin = useStoaState((s) => s.session?.permissions.includes("admin") ?? false);
  return (
    <div className="app-page">
      <h1>{t("admin.title")}</h1>
      <p className="app-lead">{t(admin ? "admin.signedIn" : "admin.signedOut")}</p>
      {admin ? (
        <>
          <dl className="app-tasks">
            {TASKS.map(([phrase, operations]) => (
              <div key={phrase}>
                <dt>{t(phrase)}</dt>
                <dd><code>{operations}</code></dd>
              </div>
            ))}
          </dl>
          <p>{t("admin.docs")}</p>
          <div className="app-links">
            <a className="stoa-button" data-tone="accent" href="/api/docs">{t("admin.reference")}</a>
            <a className="stoa-button" href="/doctor">{t("doctor.title")}</a>
          </div>
        </>
      ) : null}
    </div>
  );
}
