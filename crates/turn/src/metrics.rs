//! What a server counted. Plain numbers; whoever exports them reads them now and then.

/// Why something was dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// Neither STUN nor ChannelData, or malformed.
    Malformed,
    /// A message that a server does not get: an answer, a Data indication, an unknown method.
    Unexpected,
    /// The client has no allocation, or the relayed address belongs to none.
    NoAllocation,
    /// The channel is not bound.
    NoChannel,
    /// The peer has no permission.
    NoPermission,
    /// The peer policy denies the peer.
    Denied,
    /// A token bucket is empty.
    Rate,
    /// The relay socket could not be opened.
    NoSocket,
    /// Larger than a message can carry.
    TooLarge,
    /// The source had its share of unauthenticated answers.
    Challenges,
}

impl Drop {
    /// All of them, in the order of [`Metrics::drops`].
    pub const ALL: [Drop; 10] = [
        Drop::Malformed,
        Drop::Unexpected,
        Drop::NoAllocation,
        Drop::NoChannel,
        Drop::NoPermission,
        Drop::Denied,
        Drop::Rate,
        Drop::NoSocket,
        Drop::TooLarge,
        Drop::Challenges,
    ];

    /// A label for charts.
    pub const fn label(self) -> &'static str {
        match self {
            Drop::Malformed => "malformed",
            Drop::Unexpected => "unexpected",
            Drop::NoAllocation => "no_allocation",
            Drop::NoChannel => "no_channel",
            Drop::NoPermission => "no_permission",
            Drop::Denied => "denied",
            Drop::Rate => "rate",
            Drop::NoSocket => "no_socket",
            Drop::TooLarge => "too_large",
            Drop::Challenges => "challenges",
        }
    }
}

/// The error codes that are counted, in the order of [`Metrics::refusals`].
pub const CODES: [u16; 12] = [400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508];

/// Counters since the start, but for `allocations` and `users`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Allocations that there are now.
    pub allocations: u64,
    /// Users with an allocation, or with a bucket that is not full yet, now; of all servers that share accounts.
    pub users: u64,
    /// Allocations made since the start.
    pub allocated: u64,
    /// Packets from clients on to peers.
    pub packets_to_peers: u64,
    /// Payload bytes from clients on to peers.
    pub bytes_to_peers: u64,
    /// Packets from peers on to clients.
    pub packets_to_clients: u64,
    /// Payload bytes from peers on to clients.
    pub bytes_to_clients: u64,
    /// Binding requests answered since the start.
    pub bindings: u64,
    /// Error answers by [`CODES`].
    pub refusals: [u64; CODES.len()],
    /// What was dropped, by [`Drop::ALL`].
    pub drops: [u64; Drop::ALL.len()],
}

impl Metrics {
    /// Error answers with this code.
    pub fn refused(&self, code: u16) -> u64 {
        CODES.iter().position(|known| *known == code).map_or(0, |at| self.refusals[at])
    }

    /// What was dropped for this reason.
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.drops[reason as usize]
    }

    pub(crate) fn count_refusal(&mut self, code: u16) {
        if let Some(at) = CODES.iter().position(|known| *known == code) {
            self.refusals[at] += 1;
        }
    }

    pub(crate) fn count_drop(&mut self, reason: Drop) {
        self.drops[reason as usize] += 1;
    }
}
