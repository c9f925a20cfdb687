//! The program as an operator meets it: exit codes, messages, secrets, tokens, the end.

mod support;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Server, get, ports, refused, serve, stoa};

#[test]
fn bad_flags_keys_and_variables_are_one_line_and_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: &[(&[&str], &str)] = &[
        (&["serve", "--prot", "1"], "--prot"),
        (&["serve", "--http", "nonsense"], "--http: must be a port"),
        (&["serve", "--workers", "0"], "--workers: must be a whole number"),
        (&["serve", "--announce", "here"], "\"here\" is not an IP address"),
        (&["serve", "--config", "absent.toml"], "absent.toml"),
        (&["srve"], "srve"),
        (&["token", "user", "--id", "alice"], "start `stoa serve`"),
        (&["token", "livekit", "--room", "r"], "--identity"),
    ];
    for (arguments, wanted) in cases {
        let line = refused(&stoa(folder.path()).args(*arguments).output().expect("the binary"));
        assert!(line.contains(wanted), "{arguments:?}: {line}");
    }
    fs::write(folder.path().join("stoa.toml"), "[media]\nworkres = 1\n").expect("writable");
    let line = refused(&stoa(folder.path()).arg("serve").output().expect("the binary"));
    assert!(line.contains("media.workres") && line.contains("media.workers"), "{line}");
    fs::write(folder.path().join("stoa.toml"), "dev = 3\n").expect("writable");
    let line = refused(&stoa(folder.path()).arg("serve").output().expect("the binary"));
    assert!(line.contains("stoa.toml: dev: must be true or false"), "{line}");
}

#[test]
fn a_shell_where_livekits_tutorial_was_followed_serves_and_signs() {
    let folder = tempfile::tempdir().expect("a folder");
    let tutorial = |mut command: Command| {
        let url = "ws://localhost:7880";
        command.envs([("LIVEKIT_API_KEY", "devkey"), ("LIVEKIT_API_SECRET", "secret"), ("LIVEKIT_URL", url)]);
        // Nobody's setting.
        command.env("STOA_HTPP", "1");
        command
    };
    let base = ports(6);
    let (server, _) = Server::start(&mut tutorial(serve(folder.path(), base)));
    let sign = |arguments: &[&str]| {
        let mut command = tutorial(stoa(folder.path()));
        // What only the server would need may be wrong.
        let output = command.args(arguments).env("STOA_WORKERS", "many").output().expect("the binary");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    sign(&["token", "user", "--id", "alice"]);
    let token = sign(&["token", "livekit", "--room", "r", "--identity", "alice"]);
    assert!(get(base, &format!("/rtc/validate?access_token={token}")).starts_with("HTTP/1.1 200"));
    let log = server.log();
    server.end();
    assert!(log.contains("STOA_HTPP") && log.contains("did you mean STOA_HTTP?"), "{log}");

    let mut production = tutorial(stoa(folder.path()));
    let line = refused(&production.arg("serve").output().expect("the binary"));
    assert!(line.contains("LIVEKIT_API_SECRET: devkey/secret works with --dev only"), "{line}");
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_chooses_another() {
    let folder = tempfile::tempdir().expect("a folder");
    for (offset, flag) in [(0, "--http"), (1, "--https"), (2, "--tcp-port"), (3, "--udp-ports"), (4, "--turn-port")] {
        let base = ports(1);
        let _tcp = (offset != 3).then(|| TcpListener::bind(("0.0.0.0", base + offset)).expect("free"));
        let _udp = (offset == 3).then(|| UdpSocket::bind(("0.0.0.0", base + offset)).expect("free"));
        let line = refused(&serve(folder.path(), base).output().expect("the binary"));
        assert!(line.contains(&format!("{} is in use", base + offset)) && line.contains(flag), "{line}");
    }
}

#[test]
fn metrics_are_done_without_only_where_nobody_asked_for_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(7);
    let _taken = TcpListener::bind(("127.0.0.1", base + 5)).expect("free");
    let line = refused(&serve(folder.path(), base).output().expect("the binary"));
    assert!(line.contains(&format!("{} is in use", base + 5)) && line.contains("--admin-http"), "{line}");
    // The default port is another's, or this test's.
    let _default = TcpListener::bind(("127.0.0.1", 7879));
    for (admin_http, complains) in [(None, true), (Some("off"), false)] {
        let mut command = stoa(folder.path());
        command.args(["serve", "--workers", "1", "--http", &format!("127.0.0.1:{base}"), "--turn-port", "off"]);
        command.args(["--tcp-port", "0", "--udp-ports", &(base + 3).to_string()]);
        command.envs(admin_http.map(|off| ("STOA_ADMIN_HTTP", off)));
        let (server, printed) = Server::start(&mut command);
        assert!(get(base, "/healthz").contains("\"ok\""));
        assert!(!printed.contains("metrics"), "{printed}");
        assert_eq!(server.log().contains("metrics are off"), complains, "{}", server.log());
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file in its place: permissions would not stop root.
    fs::write(folder.path().join("taken"), "").expect("writable");
    for dir in ["taken", "taken/below", "/proc/stoa"] {
        let output = serve(folder.path(), ports(2)).args(["--data-dir", dir]).output().expect("the binary");
        let line = refused(&output);
        assert!(line.contains(dir) && line.contains("--data-dir"), "{line}");
    }
}

#[test]
fn serves_prints_where_signs_tokens_and_ends_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(3);
    let (server, printed) = Server::start(&mut serve(folder.path(), base));
    assert!(printed.contains(&format!("http://localhost:{base}\n")), "{printed}");
    assert!(printed.contains("/admin#code="), "{printed}");
    assert!(get(base, "/healthz").contains("\"ok\""));
    assert!(printed.contains(&format!("  metrics         http://127.0.0.1:{}/metrics\n", base + 5)), "{printed}");
    assert!(get(base + 5, "/metrics").contains("stoa_rooms{worker=\"0\"} 0"));
    assert!(get(base, "/metrics").starts_with("HTTP/1.1 404"), "not on the public port");
    assert!(get(base + 5, "/api/session").starts_with("HTTP/1.1 404"), "nor the public side on that one");

    // While it runs, tokens are signed with its secrets, and it takes them.
    let token = |arguments: &[&str]| {
        let output = stoa(folder.path()).args(arguments).output().expect("the binary");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.trim().split('.').count(), 3, "just the token: {text}");
        text.trim().to_owned()
    };
    let livekit = token(&["token", "livekit", "--room", "r", "--identity", "alice"]);
    assert!(get(base, &format!("/rtc/validate?access_token={livekit}")).starts_with("HTTP/1.1 200"));
    let forged = format!("{livekit}x");
    assert!(get(base, &format!("/rtc/validate?access_token={forged}")).starts_with("HTTP/1.1 401"));
    token(&["token", "user", "--id", "alice", "--name", "Alice", "--permission", "admin", "--ttl", "15m"]);

    // A second server in the same folder is told so.
    let line = refused(&serve(folder.path(), ports(4)).output().expect("the binary"));
    assert!(line.contains("in use by another stoa"), "{line}");

    let (took, code) = server.end();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(folder.path().join("data/stoa.db").exists());
}

#[test]
fn help_and_settings_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in
        [&["--help"][..], &["serve", "--help"], &["token", "livekit", "--help"], &["settings"], &["--version"]]
    {
        let output = stoa(folder.path()).args(arguments).output().expect("the binary");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
}

/// A pipe that nobody reads from any more.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

#[test]
fn commands_go_on_to_their_end_when_nobody_reads_what_they_print() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(8);
    let (server, _) = Server::start(serve(folder.path(), base));
    let doctor = ["doctor", "--workers", "1", "--turn-port", "off"];
    let commands: [&[&str]; 11] = [
        &["--help"],
        &["--version"],
        &["settings"],
        &["token", "user", "--id", "alice"],
        &["token", "livekit", "--room", "r", "--identity", "alice"],
        &["token", "admin"],
        &["turn", "rotate"],
        &["migrate"],
        &["journal", "replay"],
        &doctor,
        &[
            "bench",
            "--url",
            &format!("ws://127.0.0.1:{base}"),
            "--rooms",
            "1",
            "--subscribers",
            "1",
            "--seconds",
            "1",
            "--warm-up",
            "0",
        ],
    ];
    for arguments in commands {
        let output = stoa(folder.path()).args(arguments).stdout(unread()).output().expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
    server.end();
    // What a command found is in its exit code all the same.
    let taken = UdpSocket::bind(("0.0.0.0", base + 3)).expect("free");
    let mut finding = stoa(folder.path());
    finding.args(doctor).args(["--http", &base.to_string(), "--udp-ports", &(base + 3).to_string()]);
    assert_eq!(finding.stdout(unread()).stderr(unread()).status().expect("the binary").code(), Some(1));
    drop(taken);
    // Any other reason for which nothing can be printed is told.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let output = stoa(folder.path()).arg("settings").stdout(full).output().expect("the binary");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("stoa: cannot write to standard output: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_server_goes_on_when_nobody_reads_its_log_or_where_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(9);
    let (server, _) = Server::start_logging(serve(folder.path(), base).env("STOA_LOG_LEVEL", "debug"), unread());
    assert!(get(base, "/healthz").contains("\"ok\""));
    assert_eq!(server.end().1, Some(0));
    let mut silent = serve(folder.path(), base).stdout(unread()).stderr(unread()).spawn().expect("the binary");
    let up = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        std::net::TcpStream::connect(("127.0.0.1", base)).is_ok()
    });
    let answer = if up { get(base, "/healthz") } else { String::new() };
    silent.kill().expect("a child");
    silent.wait().expect("a child");
    assert!(answer.contains("\"ok\""), "{answer}");
}

#[test]
fn migrate_says_what_it_did_and_doctor_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = stoa(folder.path()).arg("migrate").output().expect("the binary");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("is at schema"));
    let base = ports(5);
    let flags =
        ["--http", &base.to_string(), "--tcp-port", &(base + 2).to_string(), "--udp-ports", &(base + 3).to_string()];
    let output = stoa(folder.path()).args(["doctor", "--workers", "1"]).args(flags).output().expect("the binary");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains(&format!("media UDP port {} is free", base + 3)) && text.contains("clients are told"),
        "{text}"
    );
    let _taken = UdpSocket::bind(("0.0.0.0", base + 3)).expect("free");
    let output = stoa(folder.path()).args(["doctor", "--workers", "1"]).args(flags).output().expect("the binary");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("fail  media UDP port"));
}

#[test]
fn a_replay_says_what_it_found_and_needs_a_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let replay = || stoa(folder.path()).args(["journal", "replay"]).output().expect("the binary");
    let line = refused(&replay());
    assert!(line.contains("no database") && line.contains("--data-dir"), "{line}");
    assert!(stoa(folder.path()).arg("migrate").status().expect("the binary").success());
    fs::create_dir_all(folder.path().join("data/journal")).expect("writable");
    for (text, counts) in [(None, "0 lines unreadable"), (Some("{\"sequence\": 7, \"rec"), "1 lines unreadable")] {
        let aside = folder.path().join("data/journal/refused.jsonl");
        if let Some(text) = text {
            fs::write(&aside, text).expect("writable");
        }
        let output = replay();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.starts_with("0 records: ") && said.contains(counts), "{output:?}");
        assert_eq!(aside.exists(), text.is_some(), "what cannot be read stays");
    }
}
