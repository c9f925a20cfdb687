/// <reference types="node" />
import { readFile } from "node:fs/promises";

import openapi, { astToString } from "openapi-typescript";
import { expect, it } from "vitest";

it("matches the server's OpenAPI document (npm run generate)", async () => {
  const document = new URL("../../../openapi.json", import.meta.url);
  const kept = await readFile(new URL("../src/schema.ts", import.meta.url), "utf8");
  const made = astToString(await openapi(document, { alphabetize: true, silent: true }));
  expect(kept.slice(kept.indexOf("export "))).toBe(made);
});
