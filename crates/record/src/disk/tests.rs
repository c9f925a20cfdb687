//! The thread with a real disk.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use container::{Parameters, Sample};
use crossbeam_channel::unbounded;

use super::*;
use crate::folder::{About, Event, What};

const PARAMETERS: Parameters = Parameters::Vp8 { width: 640, height: 360 };
/// Tells the program of this test to record until it is killed, and where to.
const CHILD: &str = "STOA_TEST_RECORDS_TO";

fn id() -> RecordingId {
    "0192d3b4-0000-7000-8000-000000000001".parse().expect("a UUID")
}

fn start(root: &Path) -> (Disk, Receiver<Notice>) {
    let (sender, notices) = unbounded();
    let (disk, _) = Disk::start(root.to_owned(), move |notice| drop(sender.send(notice))).expect("a thread");
    (disk, notices)
}

/// A second of a track from this second on.
fn second(part: u32, at: u64) -> Write {
    let sample = |n: u32| Sample { duration: 3_600, keyframe: n == 0, data: vec![at as u8; 4_000] };
    Write::Fragment(Fragment {
        track: "TR_VC".into(),
        part,
        parameters: Arc::new(PARAMETERS),
        from: at * 90_000,
        samples: (0..25).map(sample).collect(),
    })
}

use crate::recorder::Fragment;

fn next(notices: &Receiver<Notice>) -> NoticeKind {
    notices.recv_timeout(Duration::from_secs(20)).expect("a notice").kind
}

fn events(folder: &Path) -> Vec<Event> {
    let text = fs::read_to_string(folder.join("events.jsonl")).expect("events");
    text.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect()
}

/// Decode times of a file's fragments, in seconds; it must be whole.
fn fragments(file: &Path) -> Vec<u64> {
    use mp4_atom::{Any, ReadFrom};
    let bytes = fs::read(file).expect("a file");
    let mut rest = bytes.as_slice();
    let atoms: Vec<Any> = std::iter::from_fn(|| Option::<Any>::read_from(&mut rest).expect("whole boxes")).collect();
    let begins = atoms.iter().filter_map(|atom| match atom {
        Any::Moof(moof) => moof.traf[0].tfdt.as_ref().map(|tfdt| tfdt.base_media_decode_time / 90_000),
        _ => None,
    });
    begins.collect()
}

#[test]
fn a_recording_is_written_synced_and_measured() {
    let root = tempfile::tempdir().expect("a folder");
    let (disk, notices) = start(root.path());
    let mut lane = disk.open(id(), "room", 1_000);
    assert_eq!(next(&notices), NoticeKind::Began { at: 1_000 });
    for at in 0..3 {
        assert!(lane.write(second(1, at)));
    }
    assert!(lane.write(second(2, 3)));
    assert!(lane.write(Write::Event { at: 4_000, what: What::Stopped }));
    assert!(lane.close(Some(5_000)));
    let NoticeKind::Stopped { at, duration_ms, size_bytes } = next(&notices) else { panic!("not stopped") };
    let folder = root.path().join(id().to_string());
    assert_eq!((at, duration_ms), (5_000, 4_000));
    assert!(size_bytes > 4 * 25 * 4_000, "{size_bytes}");
    let about: About = serde_json::from_slice(&fs::read(folder.join("recording.json")).expect("there")).expect("JSON");
    assert_eq!((about.id, about.room.as_str(), about.started_at), (id(), "room", 1_000));
    assert_eq!(fragments(&folder.join("tracks/TR_VC-1.mp4")), [0, 1, 2]);
    assert_eq!(fragments(&folder.join("tracks/TR_VC-2.mp4")), [3]);
    let kinds: Vec<What> = events(&folder).into_iter().map(|event| event.what).collect();
    assert!(matches!(
        kinds.as_slice(),
        [What::Started { .. }, What::Part { .. }, What::Part { width: Some(640), .. }, What::Stopped]
    ));
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("tracks/TR_VC-1.mp4"))), (0o700, 0o600));
}

#[test]
fn a_folder_that_is_there_is_gone_on_with() {
    let root = tempfile::tempdir().expect("a folder");
    let (disk, notices) = start(root.path());
    let mut lane = disk.open(id(), "room", 10_000);
    assert!((0..2).all(|at| lane.write(second(1, at))));
    disk.flush();
    // As a crash leaves it: half a fragment, half a line.
    let folder = root.path().join(id().to_string());
    let append = |name: &str, bytes: &[u8]| {
        let file = fs::OpenOptions::new().append(true).open(folder.join(name));
        file.expect("there").write_all(bytes).expect("writable");
    };
    let torn = container::fragment(3, 180_000, &[Sample { duration: 1, keyframe: true, data: vec![1; 900] }]);
    append("tracks/TR_VC-1.mp4", &torn.expect("writable")[..700]);
    append("events.jsonl", br#"{"at":1900,"type":"mut"#);

    let mut again = disk.open(id(), "room", 70_000);
    assert_eq!([next(&notices), next(&notices)].map(|kind| matches!(kind, NoticeKind::Began { .. })), [true; 2]);
    again.write(second(1, 5));
    again.close(Some(80_000));
    let NoticeKind::Stopped { duration_ms, .. } = next(&notices) else { panic!("not stopped") };
    assert_eq!(duration_ms, 66_000, "60 s later, 5 s on, a second long");
    assert_eq!(fragments(&folder.join("tracks/TR_VC-1.mp4")), [0, 1], "what was torn is cut off");
    assert_eq!(fragments(&folder.join("tracks/TR_VC-2.mp4")), [65], "a new part, on the one timeline");
    let events = events(&folder);
    assert!(events.iter().any(|event| event.at == 60_000 && event.what == What::WentOn { wall_ms: 70_000 }));
}

#[test]
fn a_full_disk_fails_the_recording_and_no_other() {
    let mounted = tempfile::tempdir().expect("a folder");
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(mounted.path()).output();
    if !mount.as_ref().is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: a tmpfs cannot be mounted here: {mount:?}");
        return;
    }
    let (disk, notices) = start(mounted.path());
    let mut lane = disk.open(id(), "room", 0);
    let other = "0192d3b4-0000-7000-8000-000000000002".parse().expect("a UUID");
    let _quiet = disk.open(other, "other", 0);
    assert!((0..2).all(|_| matches!(next(&notices), NoticeKind::Began { .. })));
    for at in 0..40 {
        lane.write(second(1, at));
    }
    disk.flush();
    let failed = notices.recv_timeout(Duration::from_secs(20)).expect("a notice");
    assert!(matches!(failed.kind, NoticeKind::Failed { code: DISK_FULL, .. }), "{failed:?}");
    assert_eq!(failed.id, id());
    assert!(lane.has_failed());
    assert!(notices.try_recv().is_err(), "said once, and of one");
    // What is whole can be read, and the recording be gone on with, once there is room.
    let folder = mounted.path().join(id().to_string());
    let file = folder.join("tracks/TR_VC-1.mp4");
    let _again = disk.open(id(), "room", 60_000);
    disk.flush();
    let _ = notices.try_recv();
    assert!(fragments(&file).len() > 10);
    drop((disk, lane));
    let _ = Command::new("umount").arg("-l").arg(mounted.path()).status();
}

#[test]
fn a_disk_that_is_behind_holds_nobody_up() {
    // Nobody reads the jobs.
    let (jobs, _waiting) = bounded(MOST_WAITING);
    let disk = Disk { jobs, bytes: Arc::default() };
    let mut lane = disk.open(id(), "room", 0);
    let taken = (0..2_000).filter(|at| lane.write(second(1, *at))).count();
    assert_eq!(taken, MOST_BYTES / 100_000, "as many as fit into its memory");
    assert_eq!(lane.dropped(), 2_000 - taken as u64);
    assert!(lane.write(Write::Event { at: 0, what: What::Paused }), "events still get through");
}

/// Not a test: the process that [`a_killed_process_loses_no_more_than_its_last_fragment`] kills.
#[test]
fn records_until_it_is_killed() {
    let Ok(root) = std::env::var(CHILD) else { return };
    let (disk, _notices) = start(Path::new(&root));
    let mut lane = disk.open(id(), "room", 0);
    for at in 0.. {
        lane.write(second(1, at));
        lane.write(Write::Event { at: at * 1_000, what: What::Paused });
        disk.flush();
        println!("written {at}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_process_loses_no_more_than_its_last_fragment() {
    use std::io::{BufRead, BufReader};
    let root = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "disk::tests::records_until_it_is_killed", "--nocapture"])
        .env(CHILD, root.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut written = 0;
    for line in output.lines().map_while(Result::ok) {
        if let Some(at) = line.split("written ").nth(1) {
            written = at.trim().parse().expect("a number");
            if written == 40 {
                child.kill().expect("SIGKILL");
            }
        }
    }
    child.wait().expect("it is gone");
    let (disk, notices) = start(root.path());
    let mut lane = disk.open(id(), "room", 100_000);
    assert!(matches!(next(&notices), NoticeKind::Began { .. }));
    lane.write(second(1, 0));
    lane.close(Some(110_000));
    assert!(matches!(next(&notices), NoticeKind::Stopped { .. }));
    let folder = root.path().join(id().to_string());
    let kept = fragments(&folder.join("tracks/TR_VC-1.mp4"));
    assert!(kept.len() as u64 > written, "{} fragments of {}", kept.len(), written + 1);
    assert_eq!(kept, (0..kept.len() as u64).collect::<Vec<_>>());
    assert_eq!(fragments(&folder.join("tracks/TR_VC-2.mp4")), [100]);
    assert!(events(&folder).len() as u64 > written);
}
