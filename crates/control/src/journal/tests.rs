use std::io::Read;

use call::{Command, InitiateCall, Output, Switchboard, Target};
use model::{CallMedia, DeviceId, Timestamp, UserId};

use super::*;

/// Records of a real call that rings and is given up.
fn records(calls: usize) -> Vec<Record> {
    let mut switchboard = Switchboard::new(call::Config::default(), 7);
    let mut records = Vec::new();
    for n in 0..calls {
        let caller = UserId::new(format!("caller {n}")).unwrap();
        let request = InitiateCall {
            id: None,
            caller: caller.clone(),
            device: DeviceId::unnamed(),
            target: Target::Users { users: vec![UserId::new("bob").unwrap()], channel: None, one_to_one: true },
            media: CallMedia::Video,
            ring_timeout: None,
            metadata: serde_json::json!({ "note": "öäü\n" }),
        };
        let now = Timestamp(1_000 + n as i64);
        let answer = switchboard.handle_command(now, Command::Initiate(request)).unwrap();
        let call::Answer::Call(call) = answer else { panic!("{answer:?}") };
        switchboard.handle_command(now, Command::Cancel { call: call.id, user: caller }).unwrap();
        loop {
            match switchboard.poll_output() {
                Output::Record(record) => records.push(*record),
                Output::Deliver(_) | Output::Room(_) => {}
                Output::Timeout(_) | Output::Idle => break,
            }
        }
    }
    records
}

fn open(directory: &Path) -> (Journal, JournalReader) {
    Journal::open(directory, 0).unwrap()
}

fn read_all(reader: &mut JournalReader, until: u64) -> Vec<(u64, Record)> {
    let mut all = Vec::new();
    loop {
        let some = reader.read(until, 10_000).unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    numbers(directory).unwrap().into_iter().map(|number| segment_path(directory, number)).collect()
}

#[test]
fn what_is_committed_is_read_by_the_tail_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let records = records(50);
    let (mut journal, mut reader) = open(directory.path());
    let mut seen = Vec::new();
    for some in records.chunks(7) {
        some.iter().for_each(|record| _ = journal.append(record));
        let last = journal.commit().unwrap();
        seen.extend(read_all(&mut reader, last));
    }
    let expected: Vec<(u64, Record)> = (1..).zip(records).collect();
    assert_eq!(seen, expected);
    drop(journal);
    let (journal, mut reader) = open(directory.path());
    assert_eq!(journal.last(), expected.len() as u64);
    assert_eq!(read_all(&mut reader, journal.last()), expected);
}

#[test]
fn nothing_beyond_what_is_durable_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, mut reader) = open(directory.path());
    let records = records(2);
    records.iter().for_each(|record| _ = journal.append(record));
    assert_eq!(read_all(&mut reader, 0), []);
    journal.commit().unwrap();
    assert_eq!(read_all(&mut reader, 2).len(), 2);
    assert_eq!(read_all(&mut reader, 4).len(), 2);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_what_was_durable_stays() {
    let records = records(3);
    let whole = {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(directory.path());
        records.iter().for_each(|record| _ = journal.append(record));
        journal.commit().unwrap();
        std::fs::read(&segments(directory.path())[0]).unwrap()
    };
    let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    for length in (0..whole.len()).step_by(97).chain(ends.iter().copied()) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(segment_path(directory.path(), 1), &whole[..length]).unwrap();
        let (mut journal, mut reader) = open(directory.path());
        // The first line is the header.
        let kept = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        assert_eq!(journal.last(), kept as u64, "cut at {length}");
        journal.append(&records[0]);
        let last = journal.commit().unwrap();
        let read: Vec<Record> = read_all(&mut reader, last).into_iter().map(|(_, record)| record).collect();
        assert_eq!(read, [&records[..kept], &records[..1]].concat(), "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_ends_the_segment_and_the_cut_is_kept_to_look_at() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    records(3).iter().for_each(|record| _ = journal.append(record));
    journal.commit().unwrap();
    drop(journal);
    let path = &segments(directory.path())[0];
    let mut bytes = std::fs::read(path).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    std::fs::write(path, &bytes).unwrap();
    let (journal, mut reader) = open(directory.path());
    assert!(journal.last() < 6);
    assert_eq!(read_all(&mut reader, journal.last()).len() as u64, journal.last());
    assert!(path.with_extension("cut").exists());
}

#[test]
fn segments_are_closed_by_size_and_removed_when_applied() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, mut reader) = open(directory.path());
    journal.segment_bytes = 4_000;
    let records = records(40);
    for record in &records {
        journal.append(record);
        journal.commit().unwrap();
    }
    let many = segments(directory.path()).len();
    assert!(many > 5, "{many}");
    let last = journal.last();
    assert_eq!(read_all(&mut reader, last).len(), records.len());
    reader.prune(last / 2).unwrap();
    let fewer = segments(directory.path()).len();
    assert!(fewer < many && fewer > 1, "{fewer} of {many}");
    reader.prune(last).unwrap();
    assert_eq!(segments(directory.path()).len(), 1, "the one that is written to stays");
    journal.append(&records[0]);
    let last = journal.commit().unwrap();
    assert_eq!(read_all(&mut reader, last).len(), 1, "the tail is found again");
    drop(journal);
    let (journal, _) = Journal::open(directory.path(), last).unwrap();
    assert_eq!(journal.last(), last);
}

#[test]
fn a_full_disk_keeps_everything_and_the_next_commit_writes_it() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, mut reader) = open(directory.path());
    let records = records(3);
    journal.append(&records[0]);
    journal.commit().unwrap();
    journal.append(&records[1]);
    journal.fill_the_disk();
    assert_eq!(journal.commit().unwrap_err().kind(), io::ErrorKind::StorageFull);
    journal.append(&records[2]);
    let last = journal.commit().unwrap();
    assert_eq!(last, 3);
    assert_eq!(journal.given_up(), 0);
    let read: Vec<u64> = read_all(&mut reader, last).into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(read, [1, 2, 3]);
}

#[test]
fn a_write_that_failed_halfway_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, mut reader) = open(directory.path());
    let records = records(3);
    records[..2].iter().for_each(|record| _ = journal.append(record));
    journal.commit().unwrap();
    // What a failed write may leave: a record that was written again elsewhere, and half of one.
    journal.append(&records[2]);
    let mut file = OpenOptions::new().append(true).open(&segments(directory.path())[0]).unwrap();
    let line = journal.unwritten.clone();
    file.write_all(&line).unwrap();
    file.write_all(&line[..line.len() / 2]).unwrap();
    journal.fill_the_disk();
    journal.commit().unwrap_err();
    journal.append(&records[3]);
    let last = journal.commit().unwrap();
    let sequences = |read: Vec<(u64, Record)>| read.into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>();
    assert_eq!(sequences(read_all(&mut reader, last)), [1, 2, 3, 4]);
    drop(journal);
    let (journal, mut reader) = open(directory.path());
    assert_eq!(sequences(read_all(&mut reader, journal.last())), [1, 2, 3, 4]);
}

#[test]
fn memory_is_bounded_while_the_disk_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    let mut record = records(1).remove(0);
    record.payload = serde_json::Value::String("x".repeat(1 << 20));
    for _ in 0..200 {
        journal.append(&record);
        assert!(journal.unwritten.len() <= UNWRITTEN_BYTES);
    }
    assert!(journal.given_up() > 100);
    let lines = journal.unwritten.split_inclusive(|byte| *byte == b'\n');
    assert_eq!(lines.filter(|line| parse(line).is_none()).count(), 0, "cut between lines");
}

#[test]
fn two_processes_do_not_write_one_journal() {
    let directory = tempfile::tempdir().unwrap();
    let (_journal, _) = open(directory.path());
    let error = Journal::open(directory.path(), 0).unwrap_err();
    assert!(matches!(error, JournalError::InUse(_)), "{error}");
}

#[test]
fn a_format_of_tomorrow_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = segment_path(directory.path(), 1);
    std::fs::write(&path, "stoa journal 2\nwhatever\n").unwrap();
    let error = Journal::open(directory.path(), 0).unwrap_err();
    assert!(matches!(error, JournalError::UnknownFormat(_)), "{error}");
    let mut text = String::new();
    File::open(&path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "stoa journal 2\nwhatever\n");
}

#[test]
fn sequences_go_on_where_the_store_is_even_without_the_folder() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(&directory.path().join("not/there/yet"), 41).unwrap();
    assert_eq!(journal.append(&records(1)[0]), 42);
}

#[test]
fn the_checksum_is_the_one_of_ieee() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
