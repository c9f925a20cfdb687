/** Languages. So far there's English; to add one, add it to `resources`. */
import { english, isolated } from "@stoa/react/hooks";
import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import { en } from "./locales";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "app";
    keySeparator: false;
    nsSeparator: "::";
    resources: { app: Record<keyof typeof en, string>; calls: Record<keyof typeof english, string> };
  }
}

export const i18n = i18next.createInstance();

void i18n.use(initReactI18next).init({
  lng: "en",
  fallbackLng: "en",
  ns: ["app", "calls"],
  defaultNS: "app",
  keySeparator: false,
  nsSeparator: "::",
  initAsync: false,
  // React does the escaping. Here, names are only isolated from the sentence around them.
  interpolation: { escapeValue: true, escape: isolated },
  resources: { en: { app: en, calls: english } },
});
