/** Starts the app: one `Stoa` for the page, the languages and the styles. */
import "@fontsource-variable/schibsted-grotesk";
import "@stoa/react/styles.css";
import "./styles/app.css";

import { createStoa } from "@stoa/client";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { I18nextProvider } from "react-i18next";

import { App } from "./app";
import { i18n } from "./i18n";
import { takeAdminCode } from "./parts/admin-link";
import { applyTheme, readTheme } from "./theme";

applyTheme(readTheme());

const root = document.getElementById("root");
if (root) {
  const stoa = await createStoa();
  const code = takeAdminCode();
  const start = (): Promise<void> => (code === null ? stoa.start() : stoa.signInAsAdmin(code).catch(() => stoa.start()));
  createRoot(root).render(
    <StrictMode>
      <I18nextProvider i18n={i18n}>
        <App stoa={stoa} />
      </I18nextProvider>
    </StrictMode>,
  );
  void start();
}
