//! Connections that keep the server waiting, with real sockets against the real program: each ends in its time, is counted
//! and logged, and keeps nobody else from being served.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Server, get, ports, serve, stoa};

/// A server on whose patience a test can wait.
fn hasty(folder: &Path, base: u16) -> Command {
    let mut command = serve(folder, base);
    for (name, time) in [("HEADER", "2s"), ("BODY", "3s"), ("IDLE", "4s")] {
        command.env(format!("STOA_LIMITS_{name}_TIMEOUT"), time);
    }
    command
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("listening");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    stream
}

fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("open");
}

/// Reads until the server closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it was left open: {error}"),
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads one answer whose length it says, and leaves the connection open.
fn answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut byte = [0; 1];
    while !all.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        all.push(byte[0]);
    }
    let head = String::from_utf8(all).expect("text");
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).expect("whole");
    head + &String::from_utf8_lossy(&body)
}

/// A counter of the metrics, by the text before its value; 0 where it is not there yet.
fn metric(base: u16, name: &str) -> f64 {
    let page = get(base + 5, "/metrics");
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";

#[test]
fn whoever_is_slow_is_closed_in_time_counted_and_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(0);
    let (server, _) = Server::start(&mut hasty(folder.path(), base));
    let timed_out =
        |what: &str| metric(base, &format!("stoa_connections_timed_out_total{{door=\"web\",waited_for=\"{what}\"}}"));

    // A head that never ends, though a byte comes now and then.
    let mut slow = open(base);
    let began = Instant::now();
    while slow.write_all(b"X").is_ok() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(300));
    }
    let took = began.elapsed();
    assert!((2..8).contains(&took.as_secs()), "{took:?}");
    assert!(rest(&mut slow).is_empty());
    until("the head to be counted", || timed_out("head") >= 1.0);
    assert!(
        server.log().contains("it did not send a request's headers in time")
            && server.log().contains("peer=127.0.0.1:")
    );

    // Half of a handshake.
    let mut half = open(base + 1);
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).expect("open");
    rest(&mut half);
    // And none at all.
    rest(&mut open(base + 1));
    until("both handshakes to be counted", || timed_out("handshake") >= 2.0);

    // A body of which a byte comes now and then: its client is told.
    let mut trickle = open(base);
    say(&mut trickle, "POST /api/session/guest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    say(&mut trickle, "Content-Length: 1000\r\n\r\n{");
    let mut more = trickle.try_clone().expect("a handle");
    let writer = std::thread::spawn(move || {
        while more.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let told = rest(&mut trickle);
    assert!(told.starts_with("HTTP/1.1 408") && told.contains("request_timeout"), "{told}");
    assert!(told.contains("connection: close"), "{told}");
    writer.join().expect("ended");
    until("the body to be counted", || timed_out("body") >= 1.0);

    // Between requests there is longer to wait, and the end of it is no fault.
    let mut idle = open(base);
    say(&mut idle, &format!("{HEAD}\r\n"));
    assert!(answer(&mut idle).contains("\"ok\""));
    let began = Instant::now();
    assert!(rest(&mut idle).is_empty());
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    until("the idle one to be counted", || timed_out("idle") >= 1.0);
    until("all places to be given back", || metric(base, "stoa_connections{door=\"web\"}") == 0.0);
}

#[test]
fn an_answer_nobody_takes_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(1);
    let (_server, _) = Server::start(&mut hasty(folder.path(), base));
    let mut greedy = open(base);
    // More than the kernel keeps for a reader that does not read.
    for _ in 0..400 {
        if greedy.write_all(b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n").is_err() {
            break;
        }
    }
    let name = "stoa_connections_timed_out_total{door=\"web\",waited_for=\"answer\"}";
    until("the answer to be given up", || metric(base, name) >= 1.0);
}

#[test]
fn sockets_and_long_polls_outlive_every_time_out_of_requests() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(2);
    let (_server, _) = Server::start(&mut hasty(folder.path(), base));
    let output = stoa(folder.path()).args(["token", "livekit", "--room", "r", "--identity", "alice"]).output();
    let token = String::from_utf8(output.expect("the binary").stdout).expect("text");

    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut signal = open(base);
    say(&mut signal, &format!("GET /rtc?access_token={} HTTP/1.1\r\nHost: localhost\r\n{upgrade}", token.trim()));
    assert!(answer(&mut signal).starts_with("HTTP/1.1 101"));
    let mut socket = open(base);
    say(&mut socket, &format!("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n{upgrade}"));
    assert!(answer(&mut socket).starts_with("HTTP/1.1 101"));

    let opened = get(base, "/socket.io/?EIO=4&transport=polling");
    let session = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session");
    let polling = format!("/socket.io/?EIO=4&transport=polling&sid={session}");
    assert!(get(base, &polling).ends_with("\r\n2"), "the first ping, at once");
    let mut poll = open(base);
    say(&mut poll, &format!("GET {polling} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    // Longer than each of the three; a socket that does not say who it is has ten seconds for that.
    std::thread::sleep(Duration::from_secs(7));
    for (stream, name) in [(&mut signal, "signal"), (&mut socket, "socket"), (&mut poll, "poll")] {
        stream.set_nonblocking(true).expect("a socket");
        let mut taken = vec![0; 64 << 10];
        loop {
            match stream.read(&mut taken) {
                Ok(0) => panic!("{name} was closed"),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
    assert_eq!(metric(base, "stoa_connections{door=\"web\"}"), 3.0);
}

#[test]
fn a_small_body_nobody_wants_costs_no_connection_and_a_large_one_is_told_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(3);
    let (_server, _) = Server::start(&mut hasty(folder.path(), base));
    let post = |length: usize, more: &str| {
        format!("POST /api/calls HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{more}\r\n")
    };
    let mut stream = open(base);
    for _ in 0..3 {
        say(&mut stream, &post(20_000, ""));
        say(&mut stream, &"x".repeat(20_000));
        let refused = answer(&mut stream);
        assert!(refused.starts_with("HTTP/1.1 401") && !refused.contains("connection: close"), "{refused}");
    }
    // Answered while the client still writes: it writes to its end, and gets to see the answer.
    let large = "x".repeat(20 << 20);
    say(&mut stream, &post(large.len(), ""));
    say(&mut stream, &large);
    let refused = rest(&mut stream);
    assert!(refused.starts_with("HTTP/1.1 413") && refused.contains("connection: close"), "{refused}");
    // One that waits to be told to go on is told no, and is not asked for more.
    let mut expecting = open(base);
    say(&mut expecting, &post(20_000, "Expect: 100-continue\r\n"));
    let refused = rest(&mut expecting);
    assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("connection: close"), "{refused}");
    // In chunks, that say no length.
    let mut chunked = open(base);
    say(&mut chunked, "POST /nothing HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..2_000 {
        say(&mut chunked, &format!("1000\r\n{}\r\n", "x".repeat(0x1000)));
    }
    let refused = rest(&mut chunked);
    assert!(refused.starts_with("HTTP/1.1 404") && refused.contains("connection: close"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_connections_survives_refusals() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(4);
    let (_server, _) = Server::start(&mut serve(folder.path(), base));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for (url, http1) in [
        (format!("http://127.0.0.1:{base}"), true),
        (format!("https://127.0.0.1:{}", base + 1), true),
        (format!("https://127.0.0.1:{}", base + 1), false),
    ] {
        let builder = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).pool_max_idle_per_host(4);
        let client = if http1 { builder.http1_only() } else { builder }.build().expect("a client");
        for round in 0..15 {
            for (length, status) in [(3 << 20, 413), (30_000, 401), (10, 401)] {
                let posted = client.post(format!("{url}/api/calls")).body(vec![b'x'; length]).send().await;
                let posted = posted.unwrap_or_else(|error| panic!("{url} {round} {length}: {error:?}"));
                assert_eq!(posted.status().as_u16(), status, "{url}");
            }
            let next = client.get(format!("{url}/healthz")).send().await;
            let next = next.unwrap_or_else(|error| panic!("{url}, round {round}: {error:?}"));
            assert_eq!(next.status().as_u16(), 200);
        }
    }
}

/// As many descriptors as the operating system lets this test have; the server's own are its business.
fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, wanted);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A join as LiveKit's clients do it, up to the first message of the room.
fn joins(folder: &Path, base: u16) {
    let output = stoa(folder).args(["token", "livekit", "--room", "r", "--identity", "bob"]).output();
    let token = String::from_utf8(output.expect("the binary").stdout).expect("text");
    let mut signal = open(base);
    let query = format!("access_token={}&protocol=16", token.trim());
    say(
        &mut signal,
        &format!("GET /rtc?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"),
    );
    say(&mut signal, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert!(answer(&mut signal).starts_with("HTTP/1.1 101"));
    let mut frame = [0; 2];
    signal.read_exact(&mut frame).expect("the room answers");
    // A ping without a payload may come first.
    if frame == [0x89, 0] {
        signal.read_exact(&mut frame).expect("the room answers");
    }
    assert_eq!(frame[0], 0x82, "a binary message");
}

#[test]
fn five_thousand_slow_connections_leave_the_rest_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(5);
    let (server, _) = Server::start(&mut serve(folder.path(), base));
    let wanted = (raise_descriptors().saturating_sub(200) as usize).min(5_000);
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..wanted {
        let mut stream = open(if number % 2 == 0 { base } else { base + 1 });
        // Half of them say nothing, or begin a handshake or a head.
        let _ = stream.write_all(if number % 2 == 0 { b"GET /" } else { &[0x16, 0x03, 0x01] });
        slow.push(stream);
    }
    let began = Instant::now();
    assert!(get(base, "/healthz").contains("\"ok\""));
    joins(folder.path(), base);
    let took = began.elapsed();
    println!("beside {wanted} slow connections: health and a join in {took:?}");
    assert!(metric(base, "stoa_connections{door=\"web\"}") > 100.0, "{}", server.log());
    drop(slow);
}

#[test]
fn with_few_descriptors_those_who_wait_make_room_and_the_log_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(6);
    let server = serve(folder.path(), base);
    // As an operator's shell or unit file would have it.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 1024 && exec \"$0\" \"$@\""]).arg(server.get_program()).args(server.get_args());
    command.current_dir(folder.path());
    let (server, _) = Server::start(&mut command);
    raise_descriptors();
    let mut half_open: Vec<TcpStream> = Vec::new();
    for _ in 0..1_074 {
        let mut stream = open(base);
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
        half_open.push(stream);
        // At TURN's and ICE-TCP's ports, too.
        if half_open.len().is_multiple_of(2) {
            half_open.push(open(base + 2 + 2 * (half_open.len() % 4 / 2) as u16));
        }
    }
    for _ in 0..20 {
        assert!(get(base, "/healthz").contains("\"ok\""), "{}", server.log());
    }
    joins(folder.path(), base);
    until("the log", || server.log().contains("closed those that had kept it waiting longest"));
    // Those that were shown out take a moment to go: the limit may be met, and is survived.
    until("the files to be fewer again", || metric(base, "stoa_process_open_files") < 900.0);
    assert!(metric(base, "stoa_connections_made_room_total{door=\"web\"}") >= 1_074.0 - 512.0);
}

#[tokio::test]
async fn browsers_are_kept_to_https_with_a_real_certificate_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(7);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client");
    let told = async |url: String| {
        let answer = client.get(format!("{url}/healthz")).send().await.expect("an answer");
        answer.headers().get("strict-transport-security").map(|value| value.to_str().expect("text").to_owned())
    };
    let (http, https) = (format!("http://127.0.0.1:{base}"), format!("https://127.0.0.1:{}", base + 1));
    let (server, _) = Server::start(&mut serve(folder.path(), base));
    assert_eq!(told(https.clone()).await, None, "self-signed");
    server.end();
    // The operator's own, for all the server knows.
    let mut command = serve(folder.path(), base);
    command.envs([("STOA_TLS_CERT", "data/tls/cert.pem"), ("STOA_TLS_KEY", "data/tls/key.pem")]);
    let (server, _) = Server::start(&mut command);
    assert_eq!(told(https.clone()).await.as_deref(), Some("max-age=31536000"));
    assert_eq!(told(http).await, None, "in clear");
    server.end();
    let (_server, _) = Server::start(command.env("STOA_TLS_HSTS", "false"));
    assert_eq!(told(https).await, None, "the operator wants none");
}
