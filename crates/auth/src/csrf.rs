//! Whether one of our own pages sent a request that came with a cookie. Pure: the headers are passed in.

/// What a browser says of where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestOrigin<'a> {
    /// The header `Sec-Fetch-Site`, if there is one.
    pub site: Option<&'a str>,
    /// The header `Origin`, if there is one.
    pub origin: Option<&'a str>,
    /// The header `Host` (in HTTP/2, `:authority`), if there is one.
    pub host: Option<&'a str>,
}

/// A request that changes something needs proof: `Sec-Fetch-Site` says same-origin or none, or, where an old browser or
/// plain HTTP leaves that out, `Origin` names our own host.
pub fn may_change_state(request: RequestOrigin<'_>) -> bool {
    match request.site {
        Some(site) => is_own_site(site),
        None => request.origin.is_some_and(|origin| is_own_origin(origin, request.host)),
    }
}

/// A handshake is only read across origins where a browser says so itself, and it then says so: it is refused on
/// evidence against it. (A same-origin GET over plain HTTP carries neither header.)
pub fn may_open_socket(request: RequestOrigin<'_>) -> bool {
    request.site.is_none_or(is_own_site) && request.origin.is_none_or(|origin| is_own_origin(origin, request.host))
}

fn is_own_site(site: &str) -> bool {
    site == "same-origin" || site == "none"
}

fn is_own_origin(origin: &str, host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "https" | "wss" => ":443",
        "http" | "ws" => ":80",
        _ => return false,
    };
    let bare = |authority: &str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    bare(authority) == bare(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_with_a_cookie() {
        let host = Some("stoa.example:7880");
        for (site, origin, host, change, socket) in [
            (Some("same-origin"), None, host, true, true),
            (Some("none"), None, host, true, true),
            (Some("same-site"), Some("http://stoa.example:7880"), host, false, false),
            (Some("cross-site"), Some("http://stoa.example:7880"), host, false, false),
            (None, Some("http://stoa.example:7880"), host, true, true),
            (None, Some("HTTP://stoa.example:7880"), host, false, false),
            (None, Some("http://STOA.example:7880"), host, true, true),
            (None, Some("http://stoa.example"), host, false, false),
            (None, Some("https://stoa.example"), Some("stoa.example:443"), true, true),
            (None, Some("https://stoa.example"), Some("stoa.example:80"), false, false),
            (None, Some("http://evil.example"), host, false, false),
            (None, Some("null"), host, false, false),
            (None, Some("http://stoa.example:7880"), None, false, false),
            (None, None, host, false, true),
        ] {
            let request = RequestOrigin { site, origin, host };
            assert_eq!(may_change_state(request), change, "{request:?}");
            assert_eq!(may_open_socket(request), socket, "{request:?}");
        }
    }
}
