/** The API's documentation at /api/docs: a page of its own, so that the app does not carry it. */
import "swagger-ui-dist/swagger-ui.css";

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle";

// Its dark colours go by a class, not by the scheme.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = (): boolean => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// The badge of its validator would be a third party's.
SwaggerUI({ url: "/api/openapi.json", dom_id: "#api-docs", deepLinking: true, validatorUrl: "none" });
