/** The admin link that the server prints carries its code after the `#`, where no log and no referrer sees it. */

export function takeAdminCode(): string | null {
  if (!location.pathname.startsWith("/admin")) return null;
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  history.replaceState(null, "", "/");
  return code;
}
