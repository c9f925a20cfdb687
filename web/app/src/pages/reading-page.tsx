/** For a person or channel that may exist: until the directory has been read, nobody knows. */
import { useTranslation } from "react-i18next";

export function ReadingPage() {
  const { t } = useTranslation();
  return (
    <div className="app-page">
      <div className="app-nothing">
        <span className="app-nothing-arch" aria-hidden="true" />
        <h1>{t("app.reading")}</h1>
      </div>
    </div>
  );
}
