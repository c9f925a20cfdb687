//! Where a request comes from and which URLs lead back here.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::{ApiConfig, OverTls};
use crate::http::error::ApiError;
use crate::state::AppState;

const FORWARDED_HOST: &str = "x-forwarded-host";

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What the client says it spoke to, or the operator's proxy of it, checked before any of the routes sees a request.
#[derive(Debug, Clone)]
struct Host(Authority);

/// The host the client spoke to.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    parts.extensions.get::<Host>().map(|host| host.0.as_str())
}

/// Refuses a request whose host is no authority (RFC 9110, 7.2) or that names none; what is in it comes back in URLs.
pub(crate) async fn check_host(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    match host_of(&request, state.config.trust_forwarded) {
        Ok(host) => {
            if let Some(host) = host {
                request.extensions_mut().insert(Host(host));
            }
            next.run(request).await
        }
        Err(header) => {
            let why = "must appear once and be a host, with or without a port";
            ApiError::invalid(header, why).into_response()
        }
    }
}

/// The host of a request, or the header that has no valid one. HTTP/1.0 knows none.
fn host_of(request: &Request, trust_forwarded: bool) -> Result<Option<Authority>, &'static str> {
    let given: Vec<&HeaderValue> = request.headers().get_all(header::HOST).iter().collect();
    let own = match given[..] {
        [] => request.uri().authority().map_or(Ok(None), |authority| authority_of(authority.as_str()).map(Some)),
        [one] => one.to_str().map_err(|_| ()).and_then(authority_of).map(Some),
        _ => Err(()),
    };
    let own = own.map_err(|()| "Host")?;
    if own.is_none() && request.version() > Version::HTTP_10 {
        return Err("Host");
    }
    let Some(forwarded) = request.headers().get(FORWARDED_HOST).filter(|_| trust_forwarded) else { return Ok(own) };
    // Of several the last: that is the nearest proxy's.
    let last = forwarded.to_str().ok().and_then(|list| list.rsplit(',').next());
    last.and_then(|text| authority_of(text.trim()).ok()).map(Some).ok_or("X-Forwarded-Host")
}

/// A host with or without a port, and nothing else.
fn authority_of(text: &str) -> Result<Authority, ()> {
    let authority: Authority = text.parse().map_err(|_| ())?;
    let (host, rest) = (authority.host(), authority.as_str().strip_prefix(authority.host()).ok_or(())?);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let is_host = match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(plain),
    };
    let is_port = rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if is_host && is_port { Ok(authority) } else { Err(()) }
}

/// What the CSRF decision is made from.
pub(crate) fn request_origin(parts: &Parts) -> auth::RequestOrigin<'_> {
    auth::RequestOrigin {
        site: text(&parts.headers, "sec-fetch-site"),
        origin: text(&parts.headers, header::ORIGIN.as_str()),
        host: host(parts),
    }
}

/// Whether the client came over TLS.
pub(crate) fn is_tls(parts: &Parts, config: &ApiConfig) -> bool {
    if let Some(url) = &config.public_url {
        return url.starts_with("https");
    }
    let forwarded = config.trust_forwarded.then(|| text(&parts.headers, "x-forwarded-proto")).flatten();
    match forwarded {
        Some(proto) => proto.eq_ignore_ascii_case("https"),
        None => parts.extensions.get::<OverTls>().is_some(),
    }
}

/// The URL under which the client of this request reaches the server; without a slash at its end.
pub(crate) fn base_url(parts: &Parts, config: &ApiConfig) -> String {
    if let Some(url) = &config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if is_tls(parts, config) { "https" } else { "http" };
    format!("{scheme}://{}", host(parts).unwrap_or("localhost"))
}

/// The URL a LiveKit client of this request can connect to.
pub(crate) fn livekit_url(parts: &Parts, config: &ApiConfig) -> String {
    if let Some(url) = &config.public_url {
        let url = url.trim_end_matches('/');
        return match url.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => url.to_owned(),
        };
    }
    let scheme = if is_tls(parts, config) { "wss" } else { "ws" };
    format!("{scheme}://{}", host(parts).unwrap_or("localhost"))
}

/// Whom a limit by address counts against: the client's address, for IPv6 its /64 (what one customer is given).
pub(crate) fn client_address(parts: &Parts, config: &ApiConfig) -> IpAddr {
    let forwarded = config
        .trust_forwarded
        .then(|| text(&parts.headers, "x-forwarded-for"))
        .flatten()
        .and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    let connected = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    customer(forwarded.or_else(connected).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
}

/// An address as far as limits go: for IPv6 its /64 (what one customer is given).
pub fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_an_authority_and_nothing_else() {
        for host in ["a.example", "a.example:7880", "10.0.0.1:80", "[::1]:7880", "[2001:db8::1]", "xn--a_b-c.example"] {
            assert_eq!(authority_of(host).map(|authority| authority.to_string()).as_deref(), Ok(host));
        }
        for host in [
            "",
            ":80",
            "evil.example/x?y=",
            "evil.example?",
            "a b",
            "a#b",
            "user@a.example",
            "a:b@c",
            "a:99999",
            "a:",
            "a:8o",
            "[::1",
            "::1",
            "[no]",
            "a\"b",
            "a<b>",
            "a,b/c",
            "http://a",
        ] {
            assert!(authority_of(host).is_err(), "{host:?}");
        }
    }

    #[test]
    fn a_proxys_word_counts_where_it_is_trusted() {
        let asked = |version, headers: &[(&str, &str)], trusted| {
            let mut request = Request::builder().version(version).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let host = host_of(&request.body(axum::body::Body::empty()).unwrap(), trusted);
            host.map(|host| host.map(|host| host.to_string()))
        };
        let http = Version::HTTP_11;
        assert_eq!(asked(http, &[("host", "a:1")], false), Ok(Some("a:1".into())));
        assert_eq!(asked(http, &[], false), Err("Host"));
        assert_eq!(asked(Version::HTTP_10, &[], false), Ok(None));
        assert_eq!(asked(http, &[("host", "a"), ("host", "a")], false), Err("Host"));
        let both = [("host", "inside"), ("x-forwarded-host", "evil.example/x, b.example")];
        assert_eq!(asked(http, &both, false), Ok(Some("inside".into())));
        assert_eq!(asked(http, &both, true), Ok(Some("b.example".into())));
        let wrong = [("host", "inside"), ("x-forwarded-host", "evil.example/x?y=")];
        assert_eq!(asked(http, &wrong, true), Err("X-Forwarded-Host"));
        assert_eq!(asked(http, &wrong, false), Ok(Some("inside".into())));
    }

    #[test]
    fn ipv6_counts_by_its_network() {
        let count = |address: &str| customer(address.parse().unwrap());
        assert_eq!(count("2001:db8::1"), count("2001:db8::ffff:1"));
        assert_ne!(count("2001:db8::1"), count("2001:db8:0:1::1"));
        assert_eq!(count("::ffff:10.0.0.1"), count("10.0.0.1"));
    }
}
