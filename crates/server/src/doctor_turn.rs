//! What `stoa doctor` finds out about TURN: it tries each path as a browser would, from this machine, and relays a
//! packet.

use std::net::{IpAddr, SocketAddr};

use model::UserId;
use turn::Transport;
use turn::credentials::Credentials;

use crate::config::Config;
use crate::doctor::Finding;
use crate::media::{announce_by_default, interface_addresses};
use crate::turn::probe::{ProbeError, probe};
use crate::turn::{TurnSecrets, TurnSettings, unix};

/// Tries every way to the TURN server that runs here.
pub fn running(config: &Config, findings: &mut Vec<Finding>) {
    let Some(turn) = &config.turn else {
        findings.push(Finding::Mind(
            "the built-in TURN server is off".to_owned(),
            "callers behind strict firewalls need it, or TURN servers of your own in ice_servers".to_owned(),
        ));
        return;
    };
    let secrets = match &turn.secret {
        Some(secret) => Ok(Some(TurnSecrets::given(secret.clone()))),
        None => TurnSecrets::read(&config.data_dir),
    };
    let Ok(Some(secrets)) = secrets else {
        findings.push(Finding::Bad(
            "cannot read the TURN secret".to_owned(),
            "restore turn-secret.json in the data directory".to_owned(),
        ));
        return;
    };
    let user = UserId::new("stoa-doctor").expect("a constant of few letters");
    let credentials = Credentials::mint(&secrets.current, &user, unix() + 120);
    for ip in targets(config) {
        for (transport, port) in ways(config, turn) {
            findings.push(judge(transport, SocketAddr::new(ip, port), &credentials));
        }
    }
}

/// The address that clients are told, of each family.
fn targets(config: &Config) -> Vec<IpAddr> {
    let announced = if config.announce.is_empty() {
        announce_by_default(&interface_addresses(), config.dev)
    } else {
        config.announce.clone()
    };
    let first = |v4: bool| announced.iter().find(|ip| ip.is_ipv4() == v4).copied();
    first(true).into_iter().chain(first(false)).collect()
}

fn ways(config: &Config, turn: &TurnSettings) -> Vec<(Transport, u16)> {
    let https = config.https.as_ref().map(|https| https.address.port());
    let tls = turn.tls_port.into_iter().chain(https).map(|port| (Transport::Tls, port));
    [(Transport::Udp, turn.port), (Transport::Tcp, turn.port)].into_iter().chain(tls).collect()
}

fn judge(transport: Transport, server: SocketAddr, credentials: &Credentials) -> Finding {
    let name = match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
    };
    let port = server.port();
    match probe(server, transport, credentials) {
        Ok(took) => Finding::Good(format!("TURN over {name} at {server} works ({} µs)", took.as_micros())),
        Err(error) => {
            let change = match &error {
                ProbeError::Unreachable(_) if transport == Transport::Udp => {
                    format!("allow UDP {port} in this host's firewall; behind a NAT, also forward it to this host")
                }
                ProbeError::Unreachable(_) => {
                    format!("allow TCP {port} in this host's firewall; behind a NAT, also forward it to this host")
                }
                ProbeError::Refused(486 | 508) => {
                    "it is full: raise turn.allocations, or check the metrics to see how it is used".to_owned()
                }
                ProbeError::Refused(_) => {
                    "restart the server: its secret is not the one in the data directory".to_owned()
                }
                ProbeError::NotRelayed(_) => "set an address that clients can reach with --announce".to_owned(),
            };
            Finding::Bad(format!("TURN over {name} at {server}: {error}"), change)
        }
    }
}
