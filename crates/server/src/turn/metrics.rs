//! The TURN server's part of the metrics page.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use turn::{CODES, Drop};

use super::{Published, TurnPlane};

type Reading = (&'static str, fn(&Published) -> u64, &'static str);

const NOW: &[Reading] = &[
    ("stoa_turn_allocations", |p| p.core.allocations, "Open TURN allocations."),
    ("stoa_turn_streams", |p| p.streams, "Open TURN streams over TCP and TLS."),
    ("stoa_turn_relay_sockets", |p| p.relay_sockets, "Relay ports open for peers outside this server."),
];

const TOTALS: &[Reading] = &[
    ("stoa_turn_allocations_total", |p| p.core.allocated, "TURN allocations made since the start."),
    ("stoa_turn_packets_to_peers_total", |p| p.core.packets_to_peers, "Packets relayed from clients to peers."),
    ("stoa_turn_bytes_to_peers_total", |p| p.core.bytes_to_peers, "Bytes relayed from clients to peers."),
    ("stoa_turn_packets_to_clients_total", |p| p.core.packets_to_clients, "Packets relayed from peers to clients."),
    ("stoa_turn_bytes_to_clients_total", |p| p.core.bytes_to_clients, "Bytes relayed from peers to clients."),
    ("stoa_stun_bindings_total", |p| p.core.bindings, "STUN Binding requests answered."),
    (
        "stoa_turn_refused_total",
        |p| p.refused,
        "Packets dropped because a socket, a ring or a slow reader did not take them.",
    ),
];

/// Every worker tells the number of all: a user's allocations may be on several.
const USERS: &str = "stoa_turn_users";
const ERRORS: &str = "stoa_turn_errors_total";
const DROPS: &str = "stoa_turn_drops_total";

/// Says what each means.
pub fn describe() {
    for (name, _, help) in NOW {
        describe_gauge!(*name, *help);
    }
    for (name, _, help) in TOTALS {
        describe_counter!(*name, *help);
    }
    describe_gauge!(USERS, "Users with a TURN allocation.");
    describe_counter!(ERRORS, "TURN error responses, by code.");
    describe_counter!(DROPS, "Dropped TURN packets, by cause.");
}

/// Sets all to what they are now, over all workers.
pub fn render(turn: &TurnPlane) {
    let published = turn.published();
    let sum = |read: &dyn Fn(&Published) -> u64| published.iter().map(read).sum::<u64>();
    for (name, read, _) in NOW {
        gauge!(*name).set(sum(read) as f64);
    }
    gauge!(USERS).set(published.iter().map(|p| p.core.users).max().unwrap_or(0) as f64);
    for (name, read, _) in TOTALS {
        counter!(*name).absolute(sum(read));
    }
    for code in CODES {
        counter!(ERRORS, "code" => code.to_string()).absolute(sum(&|p| p.core.refused(code)));
    }
    for cause in Drop::ALL {
        counter!(DROPS, "cause" => cause.label()).absolute(sum(&|p| p.core.dropped(cause)));
    }
}
