/** The admin link that the server prints has its code after the `#`, where logs and referrers don't see it. */

import { routeOf } from "../routes";

export function takeAdminCode(): string | null {
  if (routeOf(location.pathname).at !== "admin") return null;
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  history.replaceState(null, "", location.pathname);
  return code;
}
