/** The app's paths, and the little that is needed to move between them. */
import { useSyncExternalStore, type MouseEvent } from "react";

export type Route =
  | { at: "recent" }
  | { at: "people" }
  | { at: "channels" }
  | { at: "person"; id: string }
  | { at: "channel"; id: string }
  | { at: "admin" };

export function routeOf(path: string): Route {
  const [place, id] = path.split("/").filter(Boolean).map(decode);
  switch (place) {
    case "people":
      return id ? { at: "person", id } : { at: "people" };
    case "channels":
      return id ? { at: "channel", id } : { at: "channels" };
    case "admin":
      return { at: "admin" };
    default:
      return { at: "recent" };
  }
}

export function pathOf(route: Route): string {
  switch (route.at) {
    case "recent":
      return "/history";
    case "people":
    case "channels":
    case "admin":
      return `/${route.at}`;
    case "person":
      return `/people/${encodeURIComponent(route.id)}`;
    case "channel":
      return `/channels/${encodeURIComponent(route.id)}`;
  }
}

export function go(route: Route): void {
  history.pushState(null, "", pathOf(route));
  dispatchEvent(new PopStateEvent("popstate"));
}

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(listen, () => location.pathname));
}

/** Attributes for a link inside the app; opening in a new tab stays the browser's. */
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
