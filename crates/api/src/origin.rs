//! Where a request comes from and which URLs lead back here.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::config::{ApiConfig, OverTls};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The host the client spoke to.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    text(&parts.headers, header::HOST.as_str()).or_else(|| parts.uri.authority().map(|a| a.as_str()))
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

fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_its_network() {
        let count = |address: &str| customer(address.parse().unwrap());
        assert_eq!(count("2001:db8::1"), count("2001:db8::ffff:1"));
        assert_ne!(count("2001:db8::1"), count("2001:db8:0:1::1"));
        assert_eq!(count("::ffff:10.0.0.1"), count("10.0.0.1"));
    }
}
