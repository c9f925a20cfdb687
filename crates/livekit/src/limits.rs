//! What a client may ask of a room, and how long a room waits for what. Each number protects the room or the other
//! participants.

use std::time::Duration;

/// Longest display name, in bytes.
pub(crate) const LONGEST_NAME: usize = 256;
/// Longest participant metadata, in bytes.
pub(crate) const LONGEST_METADATA: usize = 64 * 1024;
/// Tags of a room, keys and values together, in bytes: a log has a line of them.
pub(crate) const LONGEST_TAGS: usize = 2 * 1024;
/// The longest a room may be told to stay without anyone in it.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);
/// Attributes of a participant, keys and values together, in bytes.
pub(crate) const LONGEST_ATTRIBUTES: usize = 64 * 1024;
/// Tracks that one participant may publish, announced ones included.
pub(crate) const MOST_TRACKS: usize = 64;
/// Codecs of one track besides its first.
pub(crate) const MOST_BACKUPS: usize = 2;
/// Data tracks that one participant may publish.
pub(crate) const MOST_DATA_TRACKS: usize = 64;
/// Longest text that names a track, its stream or its client-side id, in bytes.
pub(crate) const LONGEST_TRACK_TEXT: usize = 512;
/// m-lines in one description.
pub(crate) const MOST_MEDIA: usize = 512;
/// Longest session description, in bytes.
pub(crate) const LONGEST_SDP: usize = 1024 * 1024;
/// Entries a client may keep about tracks (settings, explicit subscriptions, permissions).
pub(crate) const MOST_WISHES: usize = 4096;
/// Longest data packet from a client, in bytes. Clients cap theirs at 64,000.
pub(crate) const LONGEST_DATA: usize = 64 * 1024;
/// Reliable bytes that wait for one slow or absent receiver.
pub(crate) const MOST_WAITING_DATA: usize = 4 * 1024 * 1024;
/// Reliable bytes kept to be sent again to those who resume.
pub(crate) const MOST_REPLAY_DATA: usize = 1024 * 1024;
/// Participants remembered after they left, for those who resume.
pub(crate) const MOST_DEPARTED: usize = 256;

/// Announced: a client pings so often, in seconds.
pub(crate) const PING_INTERVAL: i32 = 5;
/// Announced: a client takes the server for lost after so long, in seconds.
pub(crate) const PING_TIMEOUT: i32 = 15;
/// A client that has pinged and then says nothing for so long has lost its connection. Longer than what is announced, for
/// timers of background tabs run late.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
/// A participant whose media connection has died may say goodbye for so long before it is told to come anew: when a
/// client leaves, its media may end before its Leave is here.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(3);
/// One who says goodbye and is back within this has not left: clients do so to reconnect from scratch.
pub(crate) const SECOND_THOUGHTS: Duration = Duration::from_millis(1500);
/// Backends' RPCs under way in a room.
pub(crate) const MOST_RPCS: usize = 256;
/// Requests of backends that other shards carry out, at a time.
pub(crate) const MOST_PASSED_ON: usize = 1024;
/// Longest payload of an RPC, in bytes, as clients have it.
pub(crate) const LONGEST_RPC_PAYLOAD: usize = 15 * 1024;
/// Participants of a room that are shown in others, and of others shown in it.
pub(crate) const MOST_CASCADES: usize = 256;
/// Recordings of a room at a time.
pub(crate) const MOST_RECORDINGS: usize = 8;
/// Nonces of sent data remembered, so that what a backend sends again comes once.
pub(crate) const MOST_NONCES: usize = 256;
/// Identities whose tokens were revoked when they were removed.
pub(crate) const MOST_REVOKED: usize = 4096;
/// Identities on hold.
pub(crate) const MOST_HELD: usize = 4096;

/// How often a connected client gets a fresh token.
pub(crate) const TOKEN_REFRESH: Duration = Duration::from_secs(5 * 60);
/// How long a fresh token is good for at least.
pub(crate) const TOKEN_TTL: Duration = Duration::from_secs(10 * 60);
/// How long a participant may take to acknowledge an RPC.
pub(crate) const RPC_ACK: Duration = Duration::from_secs(7);
/// How long a participant may take to answer an RPC where the backend did not say, and at most.
pub(crate) const RPC_TIMEOUT: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(60));
/// The least it gets.
pub(crate) const SHORTEST_RPC_TIMEOUT: Duration = Duration::from_millis(100);
/// How often a receiver with waiting reliable data is tried again.
pub(crate) const DATA_RETRY: Duration = Duration::from_millis(20);
/// How long a client may take to answer a request for an offer before it is asked again.
pub(crate) const OFFER_PATIENCE: Duration = Duration::from_secs(3);
/// How long the answer to the offer in a join waits for a client that may not have applied its own offer.
pub(crate) const OWN_OFFER_PATIENCE: Duration = Duration::from_secs(1);
/// Room updates (participant counts) are sent at most so often.
pub(crate) const ROOM_UPDATE_INTERVAL: Duration = Duration::from_secs(5);
/// What left at most so long before a connection was lost is told again on resume: its news may have gone into a dead socket.
pub(crate) const NEWS_LOST: Duration = Duration::from_secs(45);
