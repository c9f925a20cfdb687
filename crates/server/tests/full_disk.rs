//! The data directory's disk fills up under the real program, and is emptied again. Nothing that was answered "done" is lost, and nobody has
//! to help.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use support::{Server, ask, ports, printed, serve};

/// Small, yet roomy enough for a write-ahead log of its longest beside everything else.
const SIZE: &str = "size=24m";
const CALLS: usize = 150;

/// A small disk of its own.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`: this process may not mount one, which is said.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(folder)),
            refused => {
                // Past the test's own output, which nobody sees where a test passes.
                let _ = writeln!(std::io::stderr(), "SKIPPED: a tmpfs cannot be mounted here: {refused:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes every byte there is.
    fn fill(&self) {
        let mut file = File::create(self.path().join("filler")).expect("room for a name");
        for size in [1 << 20, 4_096, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("filler")).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// The program under this test, and what the test says to it.
struct Program {
    server: Server,
    port: u16,
}

impl Program {
    fn start(folder: &Path, data: &Path) -> Self {
        fs::write(folder.join("stoa.toml"), SETTINGS).expect("writable");
        let port = ports(0);
        let mut command = serve(folder, port);
        let (server, _) = Server::start(command.arg("--data-dir").arg(data));
        Self { server, port }
    }

    /// The status and the JSON of an answer.
    fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map_or_else(String::new, |body| body.to_string());
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let answer = ask(self.port, method, path, &headers, &body);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let text = answer.split_once("\r\n\r\n").map_or("", |(_, text)| text);
        // A chunked body has its lengths around it.
        let json = text.find('{').and_then(|from| text.rfind('}').map(|to| &text[from..=to])).unwrap_or("null");
        (status, serde_json::from_str(json).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str, token: &str) -> (u16, Value) {
        self.ask("GET", path, token, None)
    }

    /// A call that rings, or the refusal.
    fn ring(&self, token: &str) -> Result<String, (u16, Value)> {
        match self.ask("POST", "/api/calls/initiate", token, Some(json!({"targetUserId": "nobody in particular"}))) {
            (201, answer) => Ok(answer["callId"].as_str().expect("an id").to_owned()),
            refused => Err(refused),
        }
    }

    fn cancel(&self, token: &str, call: &str) {
        let (status, answer) = self.ask("POST", &format!("/api/calls/{call}/cancel"), token, None);
        assert_eq!(status, 200, "{answer}");
    }

    /// Waits for `/readyz` to say so; its answer.
    fn until_ready(&self, wanted: u16) -> Value {
        let began = Instant::now();
        loop {
            let (status, answer) = self.get("/readyz", "");
            if status == wanted {
                return answer;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "/readyz: {status} {answer}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn kill(self) {
        self.server.kill();
    }
}

const SETTINGS: &str = "[limits]\nrequests_a_second = 100000\nrequest_burst = 100000\n\
    address_requests_a_second = 100000\naddress_request_burst = 100000\n";

fn token(folder: &Path, data: &Path, id: &str) -> String {
    printed(folder, &["token", "user", "--id", id, "--data-dir", data.to_str().expect("text")])
}

#[test]
fn one_moment_of_a_full_disk_loses_nothing_and_passes_by_itself() {
    let Some(disk) = Disk::mount() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let data = disk.path().join("data");
    let server = Program::start(folder.path(), &data);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|id| token(folder.path(), &data, id));
    assert_eq!(server.until_ready(200), json!({"status": "ok"}));
    let running = server.ring(&alice).expect("there is room");

    disk.fill();
    // A user who was never seen is to be written down, and cannot be.
    server.get("/api/session", &carol);
    let account = json!({"username": "dave", "password": "long enough"});
    let (status, answer) = server.ask("POST", "/api/session/sign-up", "", Some(account.clone()));
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("unavailable")), "{answer}");
    let channel = json!({"name": "team", "members": ["bob"]});
    let (status, answer) = server.ask("POST", "/api/channels", &bob, Some(channel.clone()));
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("unavailable")), "{answer}");
    let told = server.until_ready(503);
    let trouble = &told["error"]["details"]["troubles"][0];
    assert_eq!((&trouble["part"], &trouble["cause"]), (&json!("store"), &json!("full")), "{told}");
    assert!(trouble["since"].is_string(), "{told}");
    assert!(!told.to_string().contains(&data.display().to_string()), "no paths: {told}");
    assert_eq!(server.get("/healthz", "").0, 200);

    // Calls go into the room that the journal has taken ahead, until there is no more of it. Then they are refused.
    let (mut kept, mut refusal) = (Vec::new(), None);
    for _ in 0..2_000 {
        match server.ring(&carol) {
            Ok(call) => {
                server.cancel(&carol, &call);
                kept.push(call);
            }
            Err(refused) => {
                refusal = Some(refused);
                break;
            }
        }
    }
    let (status, answer) = refusal.expect("a full disk takes no call for ever");
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("unavailable")), "{answer}");
    // The call that runs goes on.
    let muted = Some(json!({"isMuted": true}));
    let (status, answer) = server.ask("PATCH", &format!("/api/calls/{running}/media"), &alice, muted);
    assert_eq!(status, 200, "{answer}");
    let told = server.until_ready(503);
    let parts: Vec<&Value> = told["error"]["details"]["troubles"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|trouble| &trouble["part"])
        .collect();
    assert_eq!(parts, ["journal", "store"], "{told}");
    assert_eq!(server.get("/healthz", "").0, 200);

    disk.empty();
    server.until_ready(200);
    let (status, answer) = server.ask("POST", "/api/session/sign-up", "", Some(account));
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = server.ask("POST", "/api/channels", &bob, Some(channel));
    assert_eq!(status, 201, "{answer}");
    let full = kept.len();
    for _ in 0..CALLS {
        let call = server.ring(&carol).unwrap_or_else(|refused| panic!("refused on a healed disk: {refused:?}"));
        server.cancel(&carol, &call);
        kept.push(call);
    }
    server.kill();

    let server = Program::start(folder.path(), &data);
    let lost: Vec<&String> =
        kept.iter().filter(|call| server.get(&format!("/api/calls/{call}"), &carol).0 != 200).collect();
    assert!(lost.is_empty(), "{} of {} calls are gone", lost.len(), kept.len());
    for call in &kept {
        let (status, answer) = server.get(&format!("/api/calls/{call}/events"), &carol);
        let events: Vec<&Value> =
            answer["events"].as_array().expect("a list").iter().map(|event| &event["event"]).collect();
        assert_eq!((status, events), (200, vec![&json!("initiated"), &json!("ended")]), "{call}: {answer}");
    }
    let (_, answer) = server.get(&format!("/api/calls/{running}/events"), &alice);
    assert!(answer.to_string().contains("\"media_state_changed\""), "{answer}");
    assert!(!data.join("journal/refused.jsonl").exists(), "nothing was wrong with any record");
    println!("{full} calls were taken while the disk was full, {CALLS} after it; all are there");
    // Its files must be closed before the disk can go.
    server.kill();
}
