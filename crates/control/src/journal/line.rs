//! The journal's text: the first line of a segment, and the lines that follow.

use call::{CallSnapshot, Record};
use model::{NodeId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Change;

/// What segments of earlier versions begin with. Each record has its whole call, and no node is named.
const FIRST_FORMAT: &[u8] = b"stoa journal 1\n";
/// What comes before the node's ID.
const FORMAT: &[u8] = b"stoa journal 2 ";

/// What the first line of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// Whose records these are; `None`: of the node that keeps this journal, before nodes had IDs.
    Known(Option<NodeId>),
    /// Cut off while it was written.
    Torn,
    /// Not of a format that this version knows.
    Unknown,
}

/// A segment's first line.
pub(super) fn header(node: NodeId) -> Vec<u8> {
    [FORMAT, node.to_string().as_bytes(), b"\n"].concat()
}

/// Reads a segment's first line.
pub(super) fn parse_header(line: &[u8]) -> Header {
    if line == FIRST_FORMAT {
        return Header::Known(None);
    }
    let Some(text) = line.strip_suffix(b"\n") else {
        let begun = |format: &[u8]| format.starts_with(line) || line.starts_with(format);
        return if begun(FIRST_FORMAT) || begun(FORMAT) { Header::Torn } else { Header::Unknown };
    };
    let node = text.strip_prefix(FORMAT).and_then(|node| std::str::from_utf8(node).ok());
    node.and_then(|node| node.parse().ok()).map_or(Header::Unknown, |node| Header::Known(Some(node)))
}

#[derive(Serialize)]
struct RecordLine<'a> {
    sequence: u64,
    record: RecordOut<'a>,
}

#[derive(Serialize)]
struct RecordOut<'a> {
    at: Timestamp,
    event: &'a str,
    user: Option<&'a UserId>,
    payload: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<&'a CallSnapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'a Change>,
}

#[derive(Serialize)]
struct StateLine<'a> {
    state: &'a CallSnapshot,
}

/// A record, with what changed about its call, or the whole call.
pub(super) fn record(sequence: u64, record: &Record, change: Option<&Change>) -> Vec<u8> {
    let Record { at, event, user, payload, call } = record;
    let call = change.is_none().then_some(call);
    let record = RecordOut { at: *at, event, user: user.as_ref(), payload, call, change };
    checked(&serde_json::to_vec(&RecordLine { sequence, record }).expect("a record is plain data"))
}

/// How a call stood before the first record of it in this segment.
pub(super) fn state(call: &CallSnapshot) -> Vec<u8> {
    checked(&serde_json::to_vec(&StateLine { state: call }).expect("a call is plain data"))
}

fn checked(json: &[u8]) -> Vec<u8> {
    let mut line = format!("{:08x} ", crc32fast::hash(json)).into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

/// A line that was read.
#[derive(Debug)]
pub(super) enum Line {
    /// How a call stood.
    State(Box<CallSnapshot>),
    /// What happened.
    Record(RecordIn),
}

/// A record whose call may be yet to be worked out.
#[derive(Debug)]
pub(super) struct RecordIn {
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
    pub(super) event: String,
    pub(super) user: Option<UserId>,
    pub(super) payload: Value,
    pub(super) call: CallUpdate,
}

/// What a record says of its call.
#[derive(Debug)]
pub(super) enum CallUpdate {
    Whole(Box<CallSnapshot>),
    Change(Change),
}

#[derive(Deserialize)]
struct LineText {
    sequence: Option<u64>,
    record: Option<RecordText>,
    state: Option<CallSnapshot>,
}

#[derive(Deserialize)]
struct RecordText {
    at: Timestamp,
    event: String,
    user: Option<UserId>,
    payload: Value,
    call: Option<CallSnapshot>,
    change: Option<Change>,
}

/// Reads a line; `None` where it is not a whole and true one.
pub(super) fn parse(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n")?;
    let (crc, json) = line.split_at_checked(9)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc.strip_suffix(b" ")?).ok()?, 16).ok()?;
    if crc32fast::hash(json) != crc {
        return None;
    }
    match serde_json::from_slice(json).ok()? {
        LineText { state: Some(call), sequence: None, record: None } => Some(Line::State(Box::new(call))),
        LineText { state: None, sequence: Some(sequence), record: Some(record) } => {
            let RecordText { at, event, user, payload, call, change } = record;
            let call = match (call, change) {
                (Some(call), None) => CallUpdate::Whole(Box::new(call)),
                (None, Some(change)) => CallUpdate::Change(change),
                (Some(_), Some(_)) | (None, None) => return None,
            };
            Some(Line::Record(RecordIn { sequence, at, event, user, payload, call }))
        }
        LineText { .. } => None,
    }
}
