//! What clients are told about the built-in server: its URLs as they reach it, and credentials of their own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{IceClient, IceServer};
use arc_swap::ArcSwap;
use model::{Secret, UserId};
use turn::credentials::Credentials;

use super::shard::unix;

/// Hands out URLs and credentials.
#[derive(Clone)]
pub struct Handout {
    /// Mints; replaced at a rotation.
    pub secret: Arc<ArcSwap<Secret<String>>>,
    /// How long credentials are good for an Allocate.
    pub ttl: Duration,
    /// The name that clients reach this server by; none: the one they asked.
    pub host: Option<String>,
    /// The address for those who asked this machine by a name of its own.
    pub address: Option<IpAddr>,
    /// The port of TURN over UDP and over TCP.
    pub port: u16,
    /// TLS, with a certificate that clients trust.
    pub tls_ports: Vec<u16>,
}

impl Handout {
    /// The servers for one client.
    pub fn servers(&self, client: &IceClient<'_>) -> Vec<IceServer> {
        let Ok(user) = UserId::new(client.user) else { return Vec::new() };
        let Some(host) = self.host_for(client.host) else { return Vec::new() };
        let credentials = Credentials::mint(&self.secret.load(), &user, unix() + self.ttl.as_secs());
        let port = self.port;
        let mut urls = vec![format!("turn:{host}:{port}?transport=udp"), format!("turn:{host}:{port}?transport=tcp")];
        urls.extend(self.tls_ports.iter().map(|port| format!("turns:{host}:{port}?transport=tcp")));
        let stun = IceServer { urls: vec![format!("stun:{host}:{port}")], username: None, credential: None };
        let credential = Some(credentials.password.reveal().clone());
        vec![stun, IceServer { urls, username: Some(credentials.username), credential }]
    }

    /// The host in URLs: configured, or as the client asked, or where that leads nowhere from a browser's media stack, an
    /// address.
    fn host_for(&self, asked: Option<&str>) -> Option<String> {
        if let Some(host) = &self.host {
            return Some(host.clone());
        }
        let address = || self.address.map(|ip| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
        let Some(name) = asked.and_then(name_of) else { return address() };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let loopback = name.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if loopback { address().or_else(|| Some(name.to_owned())) } else { Some(name.to_owned()) }
    }
}

/// The host of `host:port`, if it can appear in a URL.
fn name_of(authority: &str) -> Option<&str> {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    (!name.is_empty() && name.len() <= 253 && name.bytes().all(fits)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handout(host: Option<&str>) -> Handout {
        Handout {
            secret: Arc::new(ArcSwap::from_pointee(Secret::new("a secret of some length".to_owned()))),
            ttl: Duration::from_secs(3_600),
            host: host.map(str::to_owned),
            address: Some("192.0.2.7".parse().expect("an address")),
            port: 3478,
            tls_ports: vec![443, 5349],
        }
    }

    fn hosts(handout: &Handout, asked: Option<&str>) -> String {
        let servers = handout.servers(&IceClient { user: "alice", host: asked });
        servers[0].urls[0].clone()
    }

    #[test]
    fn urls_lead_where_the_client_came_from() {
        let plain = handout(None);
        assert_eq!(hosts(&plain, Some("calls.example.org:7880")), "stun:calls.example.org:3478");
        assert_eq!(hosts(&plain, Some("[fd00::2]:7880")), "stun:[fd00::2]:3478");
        for here in [Some("localhost:7880"), Some("127.0.0.1"), Some("[::1]:80"), None, Some("a b"), Some("x/y")] {
            assert_eq!(hosts(&plain, here), "stun:192.0.2.7:3478", "{here:?}");
        }
        assert_eq!(hosts(&handout(Some("turn.example.org")), Some("localhost")), "stun:turn.example.org:3478");
    }

    #[test]
    fn credentials_are_the_users_and_expire() {
        let servers = handout(None).servers(&IceClient { user: "alice", host: Some("a.org") });
        let username = servers[1].username.clone().expect("credentials");
        let (expires, user) = username.split_once(':').expect("expiry:user");
        assert_eq!(user, "alice");
        let left = expires.parse::<u64>().expect("a time") - unix();
        assert!((3_590..=3_600).contains(&left), "{left}");
        assert_eq!(servers[1].urls.len(), 4);
        assert!(servers[1].credential.as_ref().is_some_and(|password| password.len() == 28));
    }
}
