//! What must not get out: tokens into the log, files into other people's hands, the admin link into use a second time.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use futures_util::{SinkExt as _, StreamExt as _};
use support::{Server, ask, ports, printed, serve};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const PASSWORD: &str = "correct-horse-battery";
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The text of a field of an answer.
fn field(answer: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body(answer)).unwrap_or_else(|_| panic!("no JSON: {answer}"));
    value[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
}

fn cookie(answer: &str) -> String {
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
    set.split(';').next().expect("a cookie").to_owned()
}

fn code_of(link: &str) -> &str {
    link.split_once("/admin#code=").expect("a link").1
}

fn redeem(port: u16, code: &str) -> String {
    ask(port, "POST", "/api/session/admin", &[JSON], &format!("{{\"code\":\"{code}\"}}"))
}

/// Sends a text to a WebSocket and reads one that begins with what is wanted, or to the end.
async fn speak(port: u16, path: &str, says: Option<String>, wanted: &str) {
    let Ok((mut socket, _)) = connect_async(format!("ws://127.0.0.1:{port}{path}")).await else { return };
    if let Some(says) = says {
        let _ = socket.send(Message::Text(says.into())).await;
    }
    while let Some(Ok(message)) = socket.next().await {
        if message.is_binary() || message.to_text().is_ok_and(|text| text.starts_with(wanted)) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_level_of_the_log_shows_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let (base, path) = (ports(6), folder.path().join("log"));
    let mut command = serve(folder.path(), base);
    // Asked for by name, too.
    command.args(["--log-level", "trace,tungstenite=trace,tungstenite::protocol=trace,engineioxide=trace,hyper=trace"]);
    let log = File::create(&path).expect("writable");
    let (server, banner) = Server::start_logging(command, log.into());

    let user = |id: &str| printed(folder.path(), &["token", "user", "--id", id, "--permission", "admin"]);
    let (alice, bob, carol, dora) = (user("alice"), user("bob"), user("carol"), user("dora"));
    let livekit = |who: &str| printed(folder.path(), &["token", "livekit", "--room", "r", "--identity", who]);
    let (header, query, join, twirp) = (livekit("a"), livekit("b"), livekit("c"), livekit("d"));
    let bearer = |token: &str| format!("Bearer {token}");

    let call =
        ask(base, "POST", "/api/calls", &[JSON, ("Authorization", &bearer(&alice))], "{\"targetUserId\":\"bob\"}");
    let (id, pass) = (field(&call, "callId"), field(&call, "token"));
    let key = ask(
        base,
        "POST",
        "/api/admin/api-keys",
        &[JSON, ("Authorization", &bearer(&alice))],
        "{\"name\":\"k\",\"scopes\":[\"users\"]}",
    );
    let key = field(&key, "key");
    assert!(ask(base, "GET", "/api/users", &[("Authorization", &bearer(&key))], "").contains(" 200 "));

    // Socket.IO, by WebSocket and by long polling.
    speak(base, "/socket.io/?EIO=4&transport=websocket", Some(format!("40{{\"token\":\"{bob}\"}}")), "40").await;
    let opened = ask(base, "GET", "/socket.io/?EIO=4&transport=polling", &[], "");
    let sid = opened.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session").to_owned();
    let polling = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let text = ("Content-Type", "text/plain;charset=UTF-8");
    assert!(ask(base, "POST", &polling, &[text], &format!("40{{\"token\":\"{carol}\"}}")).contains(" 200 "));
    // A ping may come first.
    let polled = [(); 2].map(|()| ask(base, "GET", &polling, &[], ""));
    assert!(polled.iter().any(|answer| answer.contains("40{")), "{polled:?}");
    speak(base, &format!("/ws/webrtc/{id}?token={dora}"), None, "{").await;

    assert!(ask(base, "GET", "/rtc/validate", &[("Authorization", &bearer(&header))], "").contains(" 200 "));
    speak(base, &format!("/rtc?access_token={query}"), None, "{").await;
    speak(base, &format!("/rtc?access_token={join}x"), None, "{").await;
    let rooms = ("Authorization", &*bearer(&twirp));
    assert!(ask(base, "POST", "/twirp/livekit.RoomService/ListRooms", &[JSON, rooms], "{}").contains(" 401 "));

    let account = format!("{{\"username\":\"ada\",\"password\":\"{PASSWORD}\"}}");
    let up = cookie(&ask(base, "POST", "/api/session/sign-up", &[JSON], &account));
    let into = cookie(&ask(base, "POST", "/api/session/sign-in", &[JSON], &account));
    assert!(ask(base, "GET", "/api/session", &[("Cookie", &into)], "").contains("\"ada\""));
    let link = banner.lines().find(|line| line.contains("#code=")).expect("the first start's link").trim().to_owned();
    let admin = redeem(base, code_of(&link));
    assert!(admin.contains(" 200 "), "{admin}");

    assert_eq!(server.end().1, Some(0));
    let log = fs::read_to_string(&path).expect("text");
    assert!(log.contains("DEBUG") && log.contains("/socket.io"), "the log says next to nothing:\n{log:.2000}");
    let sessions = [up, into, cookie(&admin)].map(|cookie| cookie.split_once('=').expect("a cookie").1.to_owned());
    let tokens = [alice, bob, carol, dora, header, query, join, twirp, pass, key];
    let others = [PASSWORD.to_owned(), code_of(&link).to_owned()];
    for secret in tokens.into_iter().chain(sessions).chain(others) {
        // Of a token the signature: it may be that only a part of it is shown.
        let part = secret.rsplit('.').next().expect("a part");
        let line = log.lines().find(|line| line.contains(part));
        assert!(line.is_none(), "{}", line.unwrap_or_default());
    }
}

#[test]
fn an_admin_link_is_printed_once_and_good_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = ports(7);
    let (server, banner) = Server::start(serve(folder.path(), base));
    let first = banner.lines().find(|line| line.contains("#code=")).expect("the first start's link").trim().to_owned();
    assert!(redeem(base, code_of(&first)).contains(" 200 "));
    assert!(redeem(base, code_of(&first)).contains(" 401 "), "a second time");

    let another = printed(folder.path(), &["token", "admin"]);
    assert!(another.starts_with(&format!("http://localhost:{base}/admin#code=")), "where the server is: {another}");
    let newer = printed(folder.path(), &["token", "admin"]);
    assert!(redeem(base, code_of(&another)).contains(" 401 "), "another was made");
    assert!(redeem(base, code_of(&newer)).contains(" 200 "));
    server.end();

    let (_server, banner) = Server::start(serve(folder.path(), ports(8)));
    assert!(!banner.contains("#code=") && banner.contains("stoa token admin"), "{banner}");
}

fn modes(dir: &Path, open: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            open.push(format!("{} {mode:o}", path.display()));
        }
        if path.is_dir() {
            modes(&path, open);
        }
    }
}

/// In a folder that was there before, open to all, with files of an earlier version in it.
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (server, _) = Server::start(serve(folder.path(), ports(9)));
    assert_eq!(fs::metadata(&data).expect("made").permissions().mode() & 0o777, 0o700);
    server.end();
    for path in [data.clone(), data.join("journal")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    for entry in fs::read_dir(&data).into_iter().chain(fs::read_dir(data.join("journal"))).flatten() {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "db" || ending == "journal") {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("ours");
        }
    }
    let (_server, _) = Server::start(serve(folder.path(), ports(9)));
    let mut open = Vec::new();
    modes(&data, &mut open);
    assert!(open.is_empty(), "{open:#?}");
}
