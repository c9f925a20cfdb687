//! What random runs come upon, and what they must come upon, lest they prove little.

use std::collections::BTreeMap;

/// How often each kind of line was said.
pub type Seen = BTreeMap<String, u64>;

/// What a line says, without who, when and where.
pub fn kind(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[0] {
        "log" if words[1] == "ended" => {
            let of = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)).unwrap_or("-");
            format!("log ended {} {}", of("status="), of("reason="))
        }
        "log" => format!("log {}", words[1]),
        "room" => format!("room {}", words[2]),
        "presence" => format!("presence {}", words[4]),
        _ => format!("tell {}", words[2]),
    }
}

/// What many runs must come upon.
const MUST_OCCUR: [&str; 87] = [
    "log recording_requested",
    "log recording_started",
    "log recording_paused",
    "log recording_resumed",
    "log recording_stopped",
    "log recording_failed",
    "log recording_consent",
    "tell asked",
    "tell consent",
    "tell rec-started",
    "tell rec-paused",
    "tell rec-resumed",
    "tell rec-stopped",
    "tell rec-failed",
    "room record",
    "room pause",
    "room go-on",
    "room stop-recording",
    "room mark",
    "log quality_alert",
    "tell quality",
    "tell alert",
    "tell invited",
    "room hold",
    "log held",
    "log resumed",
    "log transfer_started",
    "log transfer_released",
    "log transferred",
    "log transfer_failed",
    "log topology_changed",
    "log muted",
    "log mute_lifted",
    "log participant_removed",
    "tell held",
    "tell resumed",
    "tell waiting",
    "tell transfer-started",
    "tell transferred",
    "tell transfer-failed",
    "tell topology",
    "tell merged",
    "tell muted",
    "room mute",
    "room lift",
    "log initiated",
    "log ringing",
    "log accepted",
    "log participant_joined",
    "log participant_returned",
    "log media_joined",
    "log media_connected",
    "log connected",
    "log participant_disconnected",
    "log participant_left",
    "log declined",
    "log missed",
    "log invited",
    "log media_state_changed",
    "log restored",
    "log ended \"ended\" \"completed\"",
    "log ended \"ended\" \"empty\"",
    "log ended \"ended\" \"connection_lost\"",
    "log ended \"failed\" \"connection_lost\"",
    "log ended \"failed\" \"server_failure\"",
    "log ended \"cancelled\" \"cancelled\"",
    "log ended \"cancelled\" \"connection_lost\"",
    "log ended \"declined\" \"declined\"",
    "log ended \"busy\" \"busy\"",
    "log ended \"no_answer\" \"no_answer\"",
    "log ended \"timeout\" \"timeout\"",
    "room open",
    "room remove",
    "room close",
    "tell incoming",
    "tell accepted",
    "tell declined",
    "tell cancelled",
    "tell missed",
    "tell answered-elsewhere",
    "tell joined",
    "tell left",
    "tell media",
    "tell ended",
    "presence offline",
    "presence online",
    "presence in_call",
];

/// Of these what takes several things in a row.
const RARE: [&str; 6] = [
    "log transfer_released",
    "log mute_lifted",
    "room lift",
    "log recording_resumed",
    "tell rec-resumed",
    "room go-on",
];

/// Whether all of it occurred, and often enough.
pub fn check(seen: &Seen) {
    for kind in MUST_OCCUR {
        let least = if RARE.contains(&kind) { 5 } else { 100 };
        assert!(seen.get(kind).is_some_and(|count| *count >= least), "{kind} did not occur");
    }
}
