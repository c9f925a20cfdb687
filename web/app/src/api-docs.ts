/** The API's documentation at /api/docs: a page of its own, so that the app does not carry it. */
import "swagger-ui-dist/swagger-ui.css";
import "./styles/api-docs.css";

import SwaggerUI, { type Plugin } from "swagger-ui-dist/swagger-ui-es-bundle";

// Its dark colours go by a class, not by the scheme.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = (): boolean => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

/** What readers of screens need, and Swagger UI leaves out. It brings the React that draws it. */
const readable: Plugin = ({ React: { createElement, Fragment } }) => ({
  components: {
    // Each path stands in a button that opens it, and which may hold no link. The address follows what is open all the same.
    DeepLink: ({ text }) => createElement("span", null, text),
  },
  wrapComponents: {
    // A header within a section, as it stands here, is no landmark by itself.
    InfoContainer: (Original) => (props) => createElement("header", { role: "banner" }, createElement(Original, props)),
    // The title is a heading of the first level, each group of operations one of the third.
    operations: (Original) => (props) =>
      createElement(Fragment, null, createElement("h2", { className: "operations-title" }, "Operations"), createElement(Original, props)),
  },
});

// The badge of its validator would be a third party's.
SwaggerUI({ url: "/api/openapi.json", dom_id: "#api-docs", deepLinking: true, validatorUrl: "none", plugins: [readable] });
