import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** Who may import what: the layers of docs/ARCHITECTURE, kept by the linter. */
const only = (message, ...patterns) => ({
  "no-restricted-imports": ["error", { patterns: patterns.map((regex) => ({ regex, message })) }],
});

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "packages/client/src/schema.ts"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      // livekit-client's enums are loaded with it, after these words are needed.
      "@typescript-eslint/no-unsafe-enum-comparison": "off",
      "@typescript-eslint/no-unsafe-enum-assignment": "off",
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off",
      "max-lines": ["error", 800],
    },
  },
  { files: ["**/*.js", "vitest.config.ts", "app/test/**", "packages/*/test/**"], ...tseslint.configs.disableTypeChecked },
  {
    files: ["packages/client/src/**"],
    rules: only("@stoa/client is free of frameworks.", "^react", "^@stoa/react", "^radix-ui", "^i18next"),
  },
  {
    files: ["packages/react/src/**"],
    rules: only(
      "@stoa/react speaks to the server and to media through @stoa/client.",
      "^livekit-client", "^socket\\.io-client", "^openapi-fetch", "^zustand", "^@stoa/app",
    ),
  },
  {
    files: ["app/src/**"],
    rules: only(
      "The app composes @stoa/client and @stoa/react.",
      "^livekit-client", "^socket\\.io-client", "^openapi-fetch", "^zustand",
    ),
  },
  { files: ["**/*.{ts,tsx}"], ...hooks.configs.flat.recommended },
);
