import { SERVER_CODES, StoaError } from "@stoa/client";
import { english } from "@stoa/react/hooks";
import { describe, expect, it } from "vitest";

import { phraseOf } from "../src/errors";
import { i18n } from "../src/i18n";
import { en } from "../src/locales";
import { whenText } from "../src/parts/history-list";
import { sizeText } from "../src/parts/recording-words";
import { pathOf, routeOf, type Route } from "../src/routes";

describe("paths", () => {
  it("survive the round trip, whatever the ID contains", () => {
    const routes: Route[] = [
      { at: "recent" }, { at: "people" }, { at: "channels" }, { at: "admin" }, { at: "doctor" }, { at: "person", id: "a/b c?#é" }, { at: "channel", id: "choir" },
      { at: "recordings" }, { at: "recordings", callId: "a/b c?#é" }, { at: "recording", id: "r" },
    ];
    for (const route of routes) {
      const { pathname, search } = new URL(pathOf(route), "http://here");
      expect(routeOf(pathname, search)).toEqual(route);
    }
  });

  it("lead nowhere if unknown, and as far as they can if broken", () => {
    for (const path of ["/nowhere", "/administration", "/channels/x/y", "/history/1", "/admin/keys", "/doctor/x", "/recordings/x/y"]) {
      expect(routeOf(path)).toEqual({ at: "nowhere", path });
      expect(pathOf({ at: "nowhere", path })).toBe(path);
    }
    expect([routeOf("/"), routeOf("/history/"), routeOf("")].map(({ at }) => at)).toEqual(["recent", "recent", "recent"]);
    expect(routeOf("/people/%E0%A4%A")).toEqual({ at: "person", id: "%E0%A4%A" });
  });
});

describe("words", () => {
  it("have a phrase for each known error and one for the rest", () => {
    expect(phraseOf(new StoaError("name_taken", "", 409))).toBe("error.name_taken");
    expect(phraseOf(new StoaError("teapot", "", 418))).toBe("error.other");
    expect(phraseOf(new Error("x"))).toBe("error.other");
    const codes = Object.keys(en).flatMap((phrase) => /^error\.(?!other$)(.*)/.exec(phrase)?.[1] ?? []);
    expect(codes.filter((code) => ![...SERVER_CODES, "network"].includes(code)), "phrases for codes that there aren't").toEqual([]);
  });

  it("use typographic apostrophes, quotes and ellipses", () => {
    expect(Object.values(en).filter((text) => /['"`]|\.\.\./.test(text))).toEqual([]);
  });

  it("include the components' phrases, through i18next and unescaped", () => {
    expect(i18n.t("call.with", { ns: "calls", name: "Bob & <Co>" })).toBe("Call with Bob & <Co>");
    for (const phrase of Object.keys(english) as (keyof typeof english)[]) {
      expect(i18n.t(phrase, { ns: "calls", count: 2 })).not.toBe(phrase);
    }
    expect(i18n.t("channels.membersCount", { count: 1 })).toBe("1 member");
    expect(i18n.t("channels.membersCount", { count: 3 })).toBe("3 members");
  });
});

describe("when a call was", () => {
  it("is a time today, a date before, and has the year if it was another", () => {
    const now = new Date(2026, 5, 15, 18);
    expect(whenText(new Date(2026, 5, 15, 9, 5).toISOString(), "en", now)).toMatch(/^9:05\sAM$/u);
    expect(whenText(new Date(2026, 4, 2).toISOString(), "en", now)).toBe("May 2");
    expect(whenText(new Date(2025, 11, 31, 12).toISOString(), "en", now)).toBe("Dec 31, 2025");
  });
});

describe("how large a file is", () => {
  it("is said in the unit that keeps it short", () => {
    expect([0, 999, 1_000, 3_240_000, 734_003_200, 5e13].map((bytes) => sizeText(bytes, "en")))
      .toEqual(["0 kB", "1 kB", "1 kB", "3.2 MB", "734 MB", "50 TB"]);
  });
});
