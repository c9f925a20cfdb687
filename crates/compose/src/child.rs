//! One run of ffmpeg: at the lowest priority, in a process group of its own, watched, and gone when this process is.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use rustix::process::{Pid, Signal};

/// As much as is kept of what ffmpeg complains about.
const COMPLAINTS: usize = 8 << 10;

/// Ends a job from anywhere, now or when it begins.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    cancelled: Arc<AtomicBool>,
    suspended: Arc<AtomicBool>,
}

impl Stop {
    /// One that is suspended together with `others`, and cancelled alone.
    pub fn beside(others: &Self) -> Self {
        Self { cancelled: Arc::default(), suspended: others.suspended.clone() }
    }

    /// Ends it for good: nothing is left of it.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Ends it for now: what is done is kept.
    pub fn suspend(&self) {
        self.suspended.store(true, Ordering::Relaxed);
    }

    /// Whether it shall end, and how.
    pub fn check(&self) -> Result<(), RunError> {
        match (self.cancelled.load(Ordering::Relaxed), self.suspended.load(Ordering::Relaxed)) {
            (true, _) => Err(RunError::Cancelled),
            (false, true) => Err(RunError::Suspended),
            (false, false) => Ok(()),
        }
    }
}

/// How long a run may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Without any progress.
    pub stall: Duration,
    /// When it has to be over.
    pub deadline: Instant,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached {
    /// Pictures encoded.
    pub pictures: u64,
    /// Microseconds written.
    pub micros: u64,
}

/// Why a run did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such program, or it cannot be started.
    #[error("{program} cannot be started: {error}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It was ended for good.
    #[error("cancelled")]
    Cancelled,
    /// It was ended for now.
    #[error("interrupted")]
    Suspended,
    /// Nothing happened for too long.
    #[error("ffmpeg made no progress for {} s", .0.as_secs())]
    Stalled(Duration),
    /// It took too long.
    #[error("it took longer than allowed")]
    TooLong,
    /// It failed, or something killed it.
    #[error("ffmpeg failed ({status}): {complaint}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its standard error.
        complaint: String,
    },
}

impl RunError {
    /// Whether it failed because the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Failed { complaint, .. } if complaint.contains("No space left on device"))
    }

    /// Whether a signal that we did not send ended it.
    pub fn is_killed(&self) -> bool {
        matches!(self, Self::Failed { status, .. } if status.signal().is_some())
    }
}

/// Runs a program to its end, and calls `told` with how far it has come.
pub fn run(
    program: &Path,
    args: &[OsString],
    limits: Limits,
    stop: &Stop,
    mut told: impl FnMut(Reached),
) -> Result<Reached, RunError> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    humble(&mut command);
    let started = command.spawn();
    let mut group =
        Group::new(started.map_err(|error| RunError::Start { program: program.display().to_string(), error })?);
    let complaints = group.complaints();
    let lines = group.lines();
    let mut reached = Reached::default();
    let mut last = Instant::now();
    loop {
        let line = lines.recv_timeout(Duration::from_millis(100));
        let now = Instant::now();
        stop.check()?;
        if now >= limits.deadline {
            return Err(RunError::TooLong);
        }
        match line {
            Ok(line) => {
                let before = reached;
                reached.hear(&line);
                if reached != before {
                    last = now;
                    told(reached);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if now - last >= limits.stall {
            return Err(RunError::Stalled(limits.stall));
        }
    }
    let status = group.wait().map_err(|error| RunError::Start { program: program.display().to_string(), error })?;
    let complaint = complaints.join().unwrap_or_default();
    if status.success() { Ok(reached) } else { Err(RunError::Failed { status, complaint }) }
}

impl Reached {
    /// A line of `-progress`.
    fn hear(&mut self, line: &str) {
        match line.split_once('=') {
            Some(("frame", number)) => self.pictures = number.trim().parse().unwrap_or(self.pictures),
            // Microseconds, whatever its name says; `N/A` at first.
            Some(("out_time_us", number)) => self.micros = number.trim().parse().unwrap_or(self.micros),
            _ => {}
        }
    }
}

/// A child with its process group, which does not outlive this.
struct Group {
    child: Child,
    done: bool,
}

impl Group {
    fn new(child: Child) -> Self {
        Self { child, done: false }
    }

    fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.done = true;
        Ok(status)
    }

    /// What it writes to standard output, line by line.
    fn lines(&mut self) -> Receiver<String> {
        let output = self.child.stdout.take().expect("piped");
        let (to, lines) = bounded(64);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        lines
    }

    /// The end of what it writes to standard error.
    fn complaints(&mut self) -> JoinHandle<String> {
        let mut errors = self.child.stderr.take().expect("piped");
        std::thread::spawn(move || {
            let mut kept: Vec<u8> = Vec::new();
            let mut bytes = [0; 4_096];
            while let Ok(read @ 1..) = errors.read(&mut bytes) {
                kept.extend_from_slice(&bytes[..read]);
                let surplus = kept.len().saturating_sub(COMPLAINTS);
                kept.drain(..surplus);
            }
            let text = String::from_utf8_lossy(&kept);
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            lines[lines.len().saturating_sub(6)..].join("; ")
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.done {
            if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// The lowest priority for processor and disk, and the end of this thread is the end of the child.
#[expect(unsafe_code, reason = "between fork and exec there is no safe way, and no library here has one")]
fn humble(command: &mut Command) {
    const OF_PROCESS: libc::c_int = 1;
    const IDLE: libc::c_int = 3 << 13;
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if rustix::process::getppid() != Some(parent) {
            return Err(std::io::Error::other("the parent is gone"));
        }
        // Neither is worth failing for.
        let _ = rustix::process::setpriority_process(None, 19);
        // SAFETY: a system call that takes three numbers.
        unsafe { libc::syscall(libc::SYS_ioprio_set, OF_PROCESS, 0, IDLE) };
        Ok(())
    };
    // SAFETY: it makes system calls and does nothing else: it allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stop: &Stop, stall: u64, limit: u64) -> Result<Reached, RunError> {
        let deadline = Instant::now() + Duration::from_millis(limit);
        let limits = Limits { stall: Duration::from_millis(stall), deadline };
        run(Path::new("/bin/sh"), &["-c".into(), script.into()], limits, stop, |_| {})
    }

    fn exists(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn progress_is_read() {
        let reached =
            shell("echo frame=30; echo out_time_us=N/A; echo out_time_us=1000000", &Stop::default(), 9_000, 9_000);
        assert_eq!(reached.expect("it ends well"), Reached { pictures: 30, micros: 1_000_000 });
    }

    #[test]
    fn it_runs_at_the_lowest_priority_in_a_group_of_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let note = dir.path().join("note");
        shell(
            &format!("cut -d' ' -f1,5,19 /proc/$$/stat > {}; ionice -p $$ >> {0}", note.display()),
            &Stop::default(),
            9_000,
            9_000,
        )
        .expect("it ends well");
        let text = std::fs::read_to_string(note).expect("a note");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!((words[0], words[2], words[3]), (words[1], "19", "idle"));
    }

    #[test]
    fn failures_say_what_they_are() {
        let stop = Stop::default();
        let failed = shell("echo one >&2; echo two >&2; exit 3", &stop, 9_000, 9_000).expect_err("it fails");
        assert_eq!(failed.to_string(), "ffmpeg failed (exit status: 3): one; two");
        assert!(shell("kill -9 $$", &stop, 9_000, 9_000).expect_err("it dies").is_killed());
        assert!(
            shell("echo 'x: No space left on device' >&2; exit 1", &stop, 9_000, 9_000).expect_err("full").is_full()
        );
        assert!(matches!(shell("sleep 9", &stop, 200, 9_000), Err(RunError::Stalled(_))));
        assert!(matches!(shell("while :; do echo frame=$((i=i+1)); done", &stop, 9_000, 300), Err(RunError::TooLong)));
        let limits = Limits { stall: Duration::from_secs(9), deadline: Instant::now() + Duration::from_secs(9) };
        let missing = run(Path::new("/nowhere/ffmpeg"), &[], limits, &stop, |_| {});
        assert!(matches!(missing, Err(RunError::Start { .. })));
    }

    #[test]
    fn a_stopped_run_leaves_no_process_of_its_group() {
        let dir = tempfile::tempdir().expect("a folder");
        let note = dir.path().join("note");
        let stop = Stop::default();
        let stopping = stop.clone();
        let script = format!("sleep 60 & echo $! > {}.new; mv {0}.new {0}; wait", note.display());
        let watcher = std::thread::spawn({
            let note = note.clone();
            move || {
                while !note.exists() {
                    std::thread::sleep(Duration::from_millis(5));
                }
                stopping.cancel();
            }
        });
        assert!(matches!(shell(&script, &stop, 50_000, 50_000), Err(RunError::Cancelled)));
        watcher.join().expect("it watched");
        let grandchild = std::fs::read_to_string(note).expect("a note");
        let deadline = Instant::now() + Duration::from_secs(5);
        while exists(&grandchild) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!exists(&grandchild));
    }

    #[test]
    fn the_child_dies_with_the_thread_that_started_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let note = dir.path().join("note");
        let script = format!("echo $$ > {}.new; mv {0}.new {0}; sleep 60", note.display());
        let starter = std::thread::spawn(move || {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(script);
            humble(&mut command);
            let child = command.spawn().expect("it starts");
            while !note.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            (child, std::fs::read_to_string(note).expect("a note"))
        });
        let (mut child, pid) = starter.join().expect("it started");
        assert_eq!(child.wait().expect("it is ours").signal(), Some(9), "{pid}");
    }
}
