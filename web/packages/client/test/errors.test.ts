/// <reference types="node" />
import { readFile } from "node:fs/promises";

import { describe, expect, expectTypeOf, it } from "vitest";

import { codeOf, SERVER_CODES, StoaError, type ClientCode, type ErrorCode, type ServerCode } from "../src/errors";

const fromRoot = (path: string) => readFile(new URL(`../../../../${path}`, import.meta.url), "utf8");

describe("the error codes", () => {
  it("are those that docs/API.md lists, in its order", async () => {
    const guide = await fromRoot("docs/API.md");
    const section = guide.split("\n## ").find((one) => one.includes("| `invalid_request` |")) ?? "";
    const listed = Array.from(section.matchAll(/^\| `(\w+)` \| \d{3} \|/gm), ([, code]) => code);
    expect(listed.length).toBeGreaterThan(20);
    expect(SERVER_CODES).toEqual(listed);
  });

  it("are those that the server has", async () => {
    const source = await fromRoot("crates/model/src/code.rs");
    const known = Array.from(source.matchAll(/ = "(\w+)", \d{3};/g), ([, code]) => code);
    expect(known.length).toBeGreaterThan(20);
    expect(new Set(SERVER_CODES)).toEqual(new Set(known));
  });

  it("are a union that a program can switch on, open for codes to come", () => {
    expectTypeOf<ServerCode>().exclude<"unauthorized">().not.toEqualTypeOf<ServerCode>();
    expectTypeOf<ServerCode | ClientCode>().toExtend<ErrorCode>();
    const code: ErrorCode = codeOf(new StoaError("from_a_newer_server", "", 418));
    expect(code).toBe("from_a_newer_server");
    expect(codeOf(new Error("mine"))).toBe("internal");
  });
});
