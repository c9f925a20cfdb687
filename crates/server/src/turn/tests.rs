//! The TURN server through real sockets: what a client, an operator and an attacker may do to it.

mod amplification;
mod workers;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{BuiltInTurn, IceClient};
use axum_server::tls_rustls::RustlsConfig;
use model::{Secret, UserId};
use turn::Transport;
use turn::credentials::Credentials;
use turn::message::{Builder, Class, Method, TransactionId};

use super::probe::{Client, ProbeError, probe};
use super::{Around, TurnPlane, TurnSecrets, TurnSettings, unix};
use crate::admission::{Admission, Most, Patience};
use crate::bridge::Relays;
use crate::media::{Addresses, WorkerHandle};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The announced media port.
const MEDIA: SocketAddr = SocketAddr::new(LOOPBACK, 7882);

struct Running {
    plane: TurnPlane,
    address: SocketAddr,
    tls: SocketAddr,
    data: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

fn settings(workers: usize) -> TurnSettings {
    TurnSettings {
        port: 0,
        tls_port: None,
        workers,
        relay_ports: None,
        p2p_relay: true,
        allow: Vec::new(),
        deny: Vec::new(),
        // All tests' clients have one address.
        limits: turn::Limits { allocations_per_user: 1_000, challenges_per_second: 255, ..turn::Limits::default() },
        credential_ttl: Duration::from_secs(600),
        secret: None,
    }
}

/// Neighbouring ports that are free; below those that the kernel gives away.
fn free_ports() -> u16 {
    let free = |port: u16| {
        let address = (Ipv4Addr::UNSPECIFIED, port);
        std::net::UdpSocket::bind(address).is_ok() && std::net::TcpListener::bind(address).is_ok()
    };
    loop {
        let port = 9_000 + rand::random::<u16>() % 900;
        if free(port) && free(port + 1) {
            return port;
        }
    }
}

impl Running {
    fn start(settings: TurnSettings) -> Self {
        Self::start_with(settings, &|_| Vec::new())
    }

    /// `media` makes the media workers, given the way to the relays.
    fn start_with(mut settings: TurnSettings, media: &dyn Fn(Relays) -> Vec<WorkerHandle>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let port = free_ports();
        (settings.port, settings.tls_port) = (port, Some(port + 1));
        let data = tempfile::tempdir().expect("a folder");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        let plane = runtime.block_on(async {
            let tls = crate::tls::self_signed(data.path(), &["localhost".to_owned()], &[LOOPBACK]).expect("made");
            start(settings, data.path(), &tls, media)
        });
        let at = |port| SocketAddr::new(LOOPBACK, port);
        Self { plane, address: at(port), tls: at(port + 1), data, runtime }
    }

    fn credentials(&self, user: &str) -> Credentials {
        let secrets = TurnSecrets::read(self.data.path()).expect("readable").expect("there");
        Credentials::mint(&secrets.current, &UserId::new(user).expect("a user"), unix() + 600)
    }

    fn server(&self, transport: Transport) -> SocketAddr {
        if transport == Transport::Tls { self.tls } else { self.address }
    }

    /// Whether clients are given credentials of the secret that is in the data directory now.
    fn hands_out_the_current(&self) -> bool {
        let servers = self.plane.servers(&IceClient { user: "alice", host: Some("calls.test") });
        let username = servers[1].username.clone().expect("credentials");
        let expires = username.split(':').next().and_then(|time| time.parse().ok()).expect("expiry:user");
        let secrets = TurnSecrets::read(self.data.path()).expect("readable").expect("there");
        let minted = Credentials::mint(&secrets.current, &UserId::new("alice").expect("a user"), expires);
        servers[1].credential.as_deref() == Some(minted.password.reveal().as_str())
    }

    /// Waits until what the workers publish is so.
    fn until(&self, what: &str, is: impl Fn(&super::Published) -> bool) {
        let late = Instant::now() + Duration::from_secs(10);
        while !self.plane.published().iter().any(&is) {
            assert!(Instant::now() < late, "{what}: {:?}", self.plane.published());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn start(
    settings: TurnSettings,
    data: &Path,
    tls: &RustlsConfig,
    media: &dyn Fn(Relays) -> Vec<WorkerHandle>,
) -> TurnPlane {
    let sockets = settings.bind(false).expect("free ports");
    let addresses = Addresses::new(&[LOOPBACK], &[LOOPBACK]);
    let around = Around {
        data_dir: data,
        udp_ports: &[MEDIA.port()],
        tcp_port: None,
        addresses: &addresses,
        own: &[LOOPBACK],
        host: None,
        https_port: None,
        admission: Admission::new("media", Most { connections: 100, of_address: None }, Patience::default()),
        trusted: true,
    };
    let media = Arc::from(media(settings.relays(&sockets, &around)));
    settings.start(sockets, &around, &media, Some(tls)).expect("a good configuration")
}

const ALL: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

#[test]
fn relays_between_allocations_over_every_transport() {
    let running = Running::start(settings(1));
    let credentials = running.credentials("alice");
    for transport in ALL {
        probe(running.server(transport), transport, &credentials).expect("relayed");
    }
    running.until("released", |published| published.core.allocations == 0 && published.core.packets_to_peers == 3);
}

#[test]
fn allocations_of_different_workers_are_linked() {
    let running = Running::start(settings(3));
    let credentials = running.credentials("alice");
    for transport in [Transport::Udp, Transport::Tcp].into_iter().cycle().take(24) {
        probe(running.server(transport), transport, &credentials).expect("relayed");
    }
    let used = running.plane.published().iter().filter(|published| published.core.allocated > 0).count();
    assert!(used >= 2, "clients are dealt among the workers");
}

#[test]
fn strangers_and_wrong_passwords_get_nothing() {
    let running = Running::start(settings(1));
    let wrong =
        Credentials::mint(&Secret::new("another secret".to_owned()), &UserId::new("eve").expect("a user"), unix() + 60);
    let late = TurnSecrets::read(running.data.path()).expect("readable").expect("there").current;
    let late = Credentials::mint(&late, &UserId::new("eve").expect("a user"), unix() - 1);
    for credentials in [wrong, late] {
        for transport in ALL {
            let refused = probe(running.server(transport), transport, &credentials);
            assert_eq!(refused.map(drop), Err(ProbeError::Refused(401)));
        }
    }
}

#[test]
fn a_rotation_turns_nobody_away_and_a_second_one_does() {
    let running = Running::start(settings(1));
    let first = running.credentials("alice");
    let mut client = Client::open(running.address, Transport::Udp, &first).expect("reachable");
    client.allocate().expect("allocated");
    for (round, still_good) in [(1, true), (2, false)] {
        TurnSecrets::rotate(running.data.path()).expect("rotated");
        let late = Instant::now() + Duration::from_secs(10);
        while !running.hands_out_the_current() {
            assert!(Instant::now() < late, "the rotation was not noticed");
            std::thread::sleep(Duration::from_millis(50));
        }
        let answer = probe(running.address, Transport::Udp, &first);
        assert_eq!(answer.is_ok(), still_good, "round {round}: {answer:?}");
        probe(running.address, Transport::Udp, &running.credentials("alice")).expect("the new secret");
    }
    client.refresh().expect("what is allocated lives on");
}

#[test]
fn a_revoked_user_is_cut_off_and_others_are_not() {
    let running = Running::start(settings(1));
    let (eve, bob) = (running.credentials("eve"), running.credentials("bob"));
    let mut cut = Client::open(running.address, Transport::Tcp, &eve).expect("reachable");
    let mut kept = Client::open(running.address, Transport::Tcp, &bob).expect("reachable");
    cut.allocate().expect("allocated");
    kept.allocate().expect("allocated");
    let _inside = running.runtime.enter();
    running.plane.revoke(&UserId::new("eve").expect("a user")).expect("written down");
    running.until("one is left", |published| published.core.allocations == 1);
    assert!(cut.refresh().is_err(), "the stream is closed");
    kept.refresh().expect("not meant");
    assert_eq!(probe(running.address, Transport::Udp, &eve).map(drop), Err(ProbeError::Refused(401)));
}

fn binding() -> Vec<u8> {
    Builder::new(Class::Request, Method::Binding, TransactionId(rand::random())).finish()
}

fn stream(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("open");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    stream
}

#[test]
fn frames_may_be_split_and_merged() {
    let running = Running::start(settings(1));
    let mut one = stream(running.address);
    for byte in binding() {
        one.write_all(&[byte]).expect("open");
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut answer = [0; 32];
    one.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer[..2], [1, 1]);
    let together: Vec<u8> = [binding(), binding(), binding()].concat();
    one.write_all(&together).expect("open");
    let mut answers = [0; 96];
    one.read_exact(&mut answers).expect("three answers");
    assert!(answers.chunks(32).all(|answer| answer[..2] == [1, 1]));
}

/// Whether the server closes the stream within a time.
fn is_closed(mut stream: TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).expect("a socket");
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_says_nothing_or_nonsense_is_shown_out() {
    let running = Running::start(settings(1));
    let mut nonsense = stream(running.address);
    nonsense.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("open");
    assert!(is_closed(nonsense, Duration::from_secs(2)), "at once");
    let silent = stream(running.address);
    let mut half = stream(running.address);
    half.write_all(&binding()[..12]).expect("open");
    let mut half_tls = stream(running.tls);
    half_tls.write_all(&[0x16, 3, 1, 0, 200, 1, 0]).expect("open");
    for (what, slow) in [("silent", silent), ("half a frame", half), ("half a handshake", half_tls)] {
        assert!(is_closed(slow, Duration::from_secs(12)), "{what}");
    }
    running.until("gone", |published| published.streams == 0);
}

#[test]
fn a_stream_with_an_allocation_may_be_silent_at_once() {
    let running = Running::start(settings(1));
    let alice = running.credentials("alice");
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = Client::open(running.server(transport), transport, &alice).expect("reachable");
        client.allocate().expect("an allocation");
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(client.refresh(), Ok(()), "{transport:?}: longer than a stream without one may last");
    }
}

#[test]
fn a_slow_loris_has_one_deadline_however_often_a_byte_comes() {
    let running = Running::start(settings(1));
    // A frame of a thousand bytes; a handshake of two hundred; and too few bytes to tell what they begin.
    let frame = [&binding()[..2], &1_000_u16.to_be_bytes(), &binding()[4..]].concat();
    let handshake = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    let cases = [
        ("a frame", running.address, &frame[..]),
        ("a handshake", running.tls, &handshake),
        ("first bytes", running.address, &[]),
    ];
    let slow = cases.map(|(what, address, begun)| {
        let mut slow = stream(address);
        slow.write_all(begun).expect("open");
        std::thread::spawn(move || {
            let began = Instant::now();
            while slow.write_all(&[0]).is_ok() {
                assert!(began.elapsed() < Duration::from_secs(15), "{what} is waited for as long as a byte comes");
                std::thread::sleep(Duration::from_millis(400));
            }
            assert!(began.elapsed() > Duration::from_secs(1), "{what} is given some time");
        })
    });
    for slow in slow {
        slow.join().expect("shown out");
    }
    running.until("gone", |published| published.streams == 0);
}

#[test]
fn tls_that_says_nothing_inside_is_shown_out() {
    let running = Running::start(settings(1));
    let credentials = running.credentials("alice");
    // Its handshake is whole, and what follows is never said: with TURN's own ALPN, and with none.
    for alpn in [&b"stun.turn"[..], b""] {
        let mut silent = Client::open_tls(running.tls, &credentials, alpn).expect("reachable");
        silent.shake_hands().expect("a certificate");
        assert!(silent.is_closed_within(Duration::from_secs(12)), "{}", String::from_utf8_lossy(alpn));
    }
    running.until("gone", |published| published.streams == 0);
}

/// Something of this machine that TURN clients are not to reach.
fn private_port(ip: IpAddr) -> std::net::UdpSocket {
    let private = std::net::UdpSocket::bind((ip, 0)).expect("a port");
    private.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
    private
}

#[test]
fn no_port_of_this_machine_is_reached_though_the_override_opens_its_address() {
    let range = 40_300..=40_399;
    let allow = vec!["127.0.0.0/8".to_owned()];
    let running = Running::start(TurnSettings { relay_ports: Some(range), allow, ..settings(1) });
    let credentials = running.credentials("eve");
    let other = private_port(IpAddr::from([127, 0, 0, 2]));
    let private = private_port(LOOPBACK);
    let mut eve = Client::open(running.address, Transport::Udp, &credentials).expect("reachable");
    eve.allocate().expect("allocated");
    // What the override is for.
    let reachable = other.local_addr().expect("bound");
    eve.permit(reachable).expect("opened by the override");
    eve.send_payload(reachable, b"hello").expect("open");
    assert_eq!(other.recv(&mut [0; 64]).expect("relayed"), 5);
    for target in [private.local_addr().expect("bound"), running.address, running.tls] {
        // Media ports are at this address, and permissions are by address.
        eve.permit(target).expect("permitted");
        assert_eq!(eve.bind_channel(0x4000, target), Err(ProbeError::NotRelayed("error 403".to_owned())), "{target}");
        eve.send_payload(target, b"GET /admin").expect("open");
        eve.send_on(0x4000, b"GET /admin").expect("open");
    }
    assert!(private.recv(&mut [0; 64]).is_err(), "nothing came");
    running.until("counted", |published| {
        published.core.dropped(turn::Drop::Denied) == 3 && published.core.dropped(turn::Drop::NoChannel) == 3
    });
}

#[test]
fn a_stalled_reader_loses_its_own_packets_alone() {
    let running = Running::start(settings(1));
    let credentials = running.credentials("alice");
    let mut stalled = Client::open(running.address, Transport::Tcp, &credentials).expect("reachable");
    let mut sender = Client::open(running.address, Transport::Udp, &credentials).expect("reachable");
    let (to, from) = (stalled.allocate().expect("allocated"), sender.allocate().expect("allocated"));
    stalled.permit(from).expect("permitted");
    sender.permit(to).expect("permitted");
    let payload = vec![7; 1_200];
    let late = Instant::now() + Duration::from_secs(20);
    while running.plane.published()[0].refused == 0 {
        assert!(Instant::now() < late, "its buffers never fill");
        for _ in 0..50 {
            sender.send_payload(to, &payload).expect("open");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = probe(running.address, Transport::Tcp, &credentials).expect("others are served");
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn comings_and_goings_leave_nothing_behind() {
    let running = Running::start(settings(1));
    let credentials = running.credentials("alice");
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("Linux").count();
    let mut before = 0;
    for round in 0..150 {
        // Each allocation costs a challenge, and one source gets so many a second.
        std::thread::sleep(Duration::from_millis(15));
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut client = Client::open(running.address, transport, &credentials).expect("reachable");
            client.allocate().expect("allocated");
            if round % 2 == 0 || transport == Transport::Udp {
                client.release();
            }
        }
        if round == 20 {
            before = descriptors();
        }
    }
    running.until("all are gone", |published| published.core.allocations == 0 && published.streams == 0);
    // Other tests of this process open some, too.
    assert!(descriptors() < before + 100, "{} after {before}", descriptors());
}
