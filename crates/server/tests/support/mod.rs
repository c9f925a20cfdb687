//! The program on ports of its own, and what a test says to it.
#![allow(dead_code)]

use std::borrow::BorrowMut;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A range of ports of a test's own: tests run side by side. Below those that the kernel hands out.
pub fn ports(test: u16) -> u16 {
    21_000 + (std::process::id() % 110) as u16 * 100 + test * 10
}

pub fn stoa(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stoa"));
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// On ports from `base` on: web, https, ICE-TCP, media, TURN, metrics.
pub fn serve(folder: &Path, base: u16) -> Command {
    let mut command = stoa(folder);
    command.args(["serve", "--dev", "--workers", "1"]);
    command.args(["--http", &format!("127.0.0.1:{base}"), "--https", &format!("127.0.0.1:{}", base + 1)]);
    command.args(["--tcp-port", &(base + 2).to_string(), "--udp-ports", &(base + 3).to_string()]);
    command.args(["--turn-port", &(base + 4).to_string(), "--admin-http", &(base + 5).to_string()]);
    command
}

pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server and waits until it says where it is; the text it prints.
    pub fn start(command: impl BorrowMut<Command>) -> (Self, String) {
        Self::start_logging(command, Stdio::piped())
    }

    /// The same with its log going elsewhere.
    pub fn start_logging(mut command: impl BorrowMut<Command>, to: Stdio) -> (Self, String) {
        let mut child = command.borrow_mut().stdout(Stdio::piped()).stderr(to).spawn().expect("the binary");
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let kept = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    let mut kept = kept.lock().expect("whole");
                    kept.push_str(&line);
                    kept.push('\n');
                }
            });
        }
        let stdout = child.stdout.take().expect("piped");
        let mut printed = String::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            printed.push_str(&line);
            printed.push('\n');
            if line.contains("data  ") {
                return (Self { child, log }, printed);
            }
        }
        let _ = child.wait();
        panic!("did not start: {}", log.lock().expect("whole"));
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("whole").clone()
    }

    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().expect("kill");
        assert!(killed.success());
    }

    /// Ends it with no chance to finish anything, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
    }

    pub fn end(mut self) -> (Duration, Option<i32>) {
        let began = Instant::now();
        self.signal("TERM");
        let code = self.child.wait().expect("a child").code();
        (began.elapsed(), code)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a refusal must be: one line on standard error, nothing on standard output, exit code 2.
pub fn refused(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    assert!(text.starts_with("stoa: ") && output.stdout.is_empty(), "{text}");
    text
}

pub fn get(port: u16, path: &str) -> String {
    ask(port, "GET", path, &[], "")
}

/// One request and its answer, head and all.
pub fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("listening");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// What a command of the program prints, in one line.
pub fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = stoa(folder).args(arguments).output().expect("the binary");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
