/** The app's paths, which the server knows too (`crates/api/src/web.rs`), and what little it takes to move between them. */
import { useSyncExternalStore, type MouseEvent } from "react";

export type Route =
  | { at: "recent" }
  | { at: "people" }
  | { at: "channels" }
  | { at: "person"; id: string }
  | { at: "channel"; id: string }
  /** `callId`: only those of one call. */
  | { at: "recordings"; callId?: string }
  | { at: "recording"; id: string }
  | { at: "admin" }
  | { at: "doctor" }
  | { at: "nowhere"; path: string };

/** `query`: what follows the path in the address, such as `?call=…`. */
export function routeOf(path: string, query = ""): Route {
  const [place, id, ...more] = path.split("/").filter(Boolean).map(decode);
  if (more.length > 0) return { at: "nowhere", path };
  switch (place) {
    case "people":
      return id ? { at: "person", id } : { at: "people" };
    case "channels":
      return id ? { at: "channel", id } : { at: "channels" };
    case "recordings": {
      if (id) return { at: "recording", id };
      const callId = new URLSearchParams(query).get("call");
      return callId ? { at: "recordings", callId } : { at: "recordings" };
    }
    case "admin":
    case "doctor":
      return id === undefined ? { at: place } : { at: "nowhere", path };
    case undefined:
      return { at: "recent" };
    case "history":
      return id === undefined ? { at: "recent" } : { at: "nowhere", path };
    default:
      return { at: "nowhere", path };
  }
}

export function pathOf(route: Route): string {
  switch (route.at) {
    case "recent":
      return "/history";
    case "people":
    case "channels":
    case "admin":
    case "doctor":
      return `/${route.at}`;
    case "nowhere":
      return route.path;
    case "person":
      return `/people/${encodeURIComponent(route.id)}`;
    case "channel":
      return `/channels/${encodeURIComponent(route.id)}`;
    case "recordings":
      return route.callId === undefined ? "/recordings" : `/recordings?call=${encodeURIComponent(route.callId)}`;
    case "recording":
      return `/recordings/${encodeURIComponent(route.id)}`;
  }
}

export function go(route: Route): void {
  history.pushState(null, "", pathOf(route));
  dispatchEvent(new PopStateEvent("popstate"));
}

export function useRoute(): Route {
  const path = useSyncExternalStore(listen, () => location.pathname);
  const query = useSyncExternalStore(listen, () => location.search);
  return routeOf(path, query);
}

/** Attributes for a link inside the app. Opening it in a new tab is left to the browser. */
export function linkTo(route: Route) {
  return {
    href: pathOf(route),
    onClick: (event: MouseEvent): void => {
      if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      go(route);
    },
  };
}

function listen(onChange: () => void): () => void {
  addEventListener("popstate", onChange);
  return () => removeEventListener("popstate", onChange);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
