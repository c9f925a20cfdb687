//! Every setting, with its type and its meaning. The keys in the file, the names in the environment and `stoa settings`
//! all come from this table.

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number,
    /// A string.
    Text,
    /// Strings; separated by commas in the environment and in flags.
    List,
    /// Seconds, or a string such as `90s`, `5m`, `1h`.
    Duration,
    /// Tables with `urls`, `username`, `credential`; in the file only.
    Servers,
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// Its place in the file.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Another environment variable, besides `STOA_` and the key in capitals.
    pub alias: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
}

const fn key(name: &'static str, kind: Kind, help: &'static str) -> Key {
    Key { name, kind, alias: None, help }
}

const fn aliased(name: &'static str, kind: Kind, alias: &'static str, help: &'static str) -> Key {
    Key { name, kind, alias: Some(alias), help }
}

/// Every setting.
pub const KEYS: &[Key] = &[
    key(
        "dev",
        Kind::Bool,
        "for development: sign in with just a name, LiveKit key devkey/secret, joining opens rooms (false)",
    ),
    key("data_dir", Kind::Text, "folder that holds all data (./data)"),
    key("http", Kind::Text, "port or address for the web app and the API (7880)"),
    key(
        "https",
        Kind::Text,
        "port or address for the same over TLS, or \"off\" (7843 with --dev, 443 with a domain, otherwise off)",
    ),
    key(
        "admin_http",
        Kind::Text,
        "port or address for metrics, or \"off\"; anyone who can reach it can read them (127.0.0.1:7879)",
    ),
    key("public_url", Kind::Text, "URL at which clients reach the server, such as https://calls.example.org"),
    key(
        "domain",
        Kind::Text,
        "the server's domain: clients use its addresses and https://DOMAIN, and Stoa gets its certificate",
    ),
    key(
        "tls.cert",
        Kind::Text,
        "certificate chain for https, PEM (from acme.directory if there is a domain, otherwise self-signed)",
    ),
    key("tls.key", Kind::Text, "private key of that certificate, PEM"),
    key("tls.hsts", Kind::Bool, "tell browsers to use https only, unless the certificate is self-signed (true)"),
    key(
        "acme.directory",
        Kind::Text,
        "the ACME authority that issues the certificate for `domain`, unless tls.cert is set (Let's Encrypt)",
    ),
    key("acme.email", Kind::Text, "e-mail address that the authority can write to"),
    key("acme.ca", Kind::Text, "root certificates to trust when talking to the authority, PEM (the public ones)"),
    aliased("media.workers", Kind::Number, "STOA_WORKERS", "number of media threads (one per core)"),
    aliased(
        "media.udp_ports",
        Kind::Text,
        "STOA_UDP_PORTS",
        "UDP ports for media, one per worker: 7882 (and up) or 7882-7889 (7882)",
    ),
    aliased("media.tcp_port", Kind::Number, "STOA_TCP_PORT", "port for media over TCP, or 0 for none (7881)"),
    aliased(
        "media.announce",
        Kind::List,
        "STOA_ANNOUNCE",
        "IP addresses that clients are told to use (those of the interfaces)",
    ),
    key(
        "media.spread_from",
        Kind::Number,
        "from so many clients on a worker on, new ones of its rooms go to a worker with less than half as many; 0 for never (200)",
    ),
    key(
        "media.initial_bitrate",
        Kind::Number,
        "bits per second to assume for a client until its bandwidth has been measured",
    ),
    key("log.level", Kind::Text, "error, warn, info, debug, trace, or a tracing filter (info)"),
    key("log.json", Kind::Bool, "log JSON, one object per line (false)"),
    key("auth.token_secret", Kind::Text, "HS256 secret that signs user tokens (generated)"),
    key("auth.jwks_url", Kind::Text, "URL of the key set (JWKS) that verifies user tokens"),
    key("auth.jwks_file", Kind::Text, "file with that key set, instead of a URL"),
    key("auth.issuer", Kind::Text, "the iss claim that user tokens must have"),
    key("auth.audience", Kind::Text, "the aud claim that user tokens must have"),
    aliased("livekit.api_key", Kind::Text, "LIVEKIT_API_KEY", "LiveKit API key (generated)"),
    aliased("livekit.api_secret", Kind::Text, "LIVEKIT_API_SECRET", "secret of that API key (generated)"),
    aliased("livekit.keys", Kind::List, "LIVEKIT_KEYS", "more API keys, each as \"KEY:SECRET\""),
    key("webhooks.urls", Kind::List, "URLs that receive LiveKit webhooks"),
    key("webhooks.api_key", Kind::Text, "API key that signs webhooks (livekit.api_key)"),
    key("accounts.sign_up", Kind::Bool, "let anyone create an account (true)"),
    key("users.strict", Kind::Bool, "allow calls only to users that Stoa already knows (false)"),
    key(
        "room.auto_create",
        Kind::Bool,
        "let a LiveKit token open a room that belongs to no call (true with --dev, otherwise false)",
    ),
    key(
        "room.max_participants",
        Kind::Number,
        "most participants in a room that belongs to no call; 0 for no limit (0)",
    ),
    key("room.empty_timeout", Kind::Duration, "how long an empty room stays open (5m)"),
    key("room.departure_timeout", Kind::Duration, "how long a disconnected participant has to resume (20s)"),
    key("call.ring_timeout", Kind::Duration, "how long a call rings, 5s to 3m (30s)"),
    key(
        "call.reconnect_window",
        Kind::Duration,
        "how long a disconnected participant keeps their place in a call (30s)",
    ),
    key("call.waiting", Kind::Bool, "let a second call ring on devices that support call waiting (true)"),
    key("quality.keep", Kind::Duration, "how long to keep raw quality reports (30d)"),
    key("call.empty_timeout", Kind::Duration, "how long a call lasts with nobody connected (5m)"),
    aliased(
        "call.max_participants",
        Kind::Number,
        "NEXT_PUBLIC_MAX_CALL_PARTICIPANTS",
        "most participants in a call (100)",
    ),
    key("features.voice_calls", Kind::Bool, "allow voice calls (true)"),
    aliased("features.video_calls", Kind::Bool, "NEXT_PUBLIC_ENABLE_VIDEO_CALLS", "allow video calls (true)"),
    key("features.group_calls", Kind::Bool, "allow calls of more than two people (true)"),
    aliased("features.screen_sharing", Kind::Bool, "NEXT_PUBLIC_ENABLE_SCREEN_SHARING", "allow screen sharing (true)"),
    aliased("features.call_recording", Kind::Bool, "NEXT_PUBLIC_ENABLE_CALL_RECORDING", "allow call recording (false)"),
    key(
        "recording.policy",
        Kind::Text,
        "how calls are recorded: \"off\", \"ask\" everyone for consent, \"announce\" it, or \"always\" (ask)",
    ),
    key(
        "recording.decline",
        Kind::Text,
        "who does not consent: \"exclude\" them from the recording, or they \"leave\" the call (exclude)",
    ),
    key("recording.compose", Kind::Bool, "make one file of each recording when it is over; this needs ffmpeg (true)"),
    key("recording.retention_days", Kind::Number, "how many days to keep recordings; 0 for no limit (0)"),
    key(
        "recording.channel_members",
        Kind::Bool,
        "show the recordings in a channel to all its members, not only to those who took part (false)",
    ),
    key("recording.max_bytes", Kind::Number, "most bytes that all recordings can take; 0 for no limit (0)"),
    key("recording.max_channel_bytes", Kind::Number, "the same for one channel; 0 for no limit (0)"),
    key("recording.max_user_bytes", Kind::Number, "the same for what one user started; 0 for no limit (0)"),
    key(
        "recording.disk_reserve",
        Kind::Number,
        "bytes on the data directory's disk to leave free of recordings (1 GiB)",
    ),
    key("recording.max_upload", Kind::Number, "most bytes of a recording that a client uploads (2 GiB)"),
    key("recording.link_ttl", Kind::Duration, "how long links to recordings are valid, up to 7d (1h)"),
    key("storage.folder", Kind::Text, "folder to keep recordings in (storage in the data directory)"),
    key(
        "storage.key_file",
        Kind::Text,
        "file with age identities that encrypt recordings, the newest first (none: unencrypted)",
    ),
    key("storage.s3_bucket", Kind::Text, "S3 bucket to keep recordings in, instead of a folder"),
    key("storage.s3_endpoint", Kind::Text, "URL of an S3 service other than Amazon's, such as http://127.0.0.1:9000"),
    key("storage.s3_region", Kind::Text, "region of the bucket (us-east-1)"),
    key("storage.s3_access_key", Kind::Text, "access key ID for the bucket"),
    key("storage.s3_secret_key", Kind::Text, "secret access key for the bucket"),
    key("storage.s3_prefix", Kind::Text, "what the names of all objects begin with, such as stoa/eu"),
    key(
        "storage.s3_path_style",
        Kind::Bool,
        "address the bucket as ENDPOINT/BUCKET rather than BUCKET.ENDPOINT (true with storage.s3_endpoint)",
    ),
    key("cors.origins", Kind::List, "origins whose pages can use the API"),
    key("web.image_sources", Kind::List, "origins that people's pictures can come from, or https: for any"),
    key(
        "proxy.trust_forwarded",
        Kind::Bool,
        "trust X-Forwarded-For, -Host and -Proto, because they come from your own proxy (false)",
    ),
    key("turn.port", Kind::Text, "port for the built-in STUN and TURN server (UDP and TCP), or \"off\" (3478)"),
    key(
        "turn.tls_port",
        Kind::Text,
        "port for TURN over TLS, in addition to the https port, or \"off\" (5349 if there is a certificate)",
    ),
    key("turn.workers", Kind::Number, "number of TURN threads (one per core)"),
    key(
        "turn.relay_ports",
        Kind::Text,
        "UDP ports for relaying to peers outside this server, such as 49152-49251 (none: relay in memory only)",
    ),
    key("turn.p2p_relay", Kind::Bool, "allow relaying to peers outside this server, through turn.relay_ports (true)"),
    key("turn.allow", Kind::List, "special-purpose address ranges to allow relaying to, such as 192.168.0.0/16"),
    key("turn.deny", Kind::List, "address ranges never to relay to"),
    key("turn.allocations_per_user", Kind::Number, "most TURN allocations per user (12)"),
    key("turn.allocations", Kind::Number, "most TURN allocations in total (20000)"),
    key(
        "turn.challenges",
        Kind::Number,
        "TURN and STUN error responses per second to one address, until it authenticates (10)",
    ),
    key("turn.user_bitrate", Kind::Number, "bits per second to relay for one user; 0 for no limit (0)"),
    key("turn.total_bitrate", Kind::Number, "bits per second to relay in total; 0 for no limit (0)"),
    aliased(
        "turn.secret",
        Kind::Text,
        "TURN_SECRET",
        "secret that signs TURN credentials, shared with your TURN servers (generated)",
    ),
    aliased("turn.credential_ttl", Kind::Duration, "TURN_TTL", "how long TURN credentials are valid (12h)"),
    aliased(
        "turn.server_host",
        Kind::Text,
        "TURN_SERVER_HOST",
        "host of your own TURN server, such as coturn, that shares turn.secret",
    ),
    aliased("turn.server_port", Kind::Number, "TURN_SERVER_PORT", "port of that TURN server, UDP and TCP (3478)"),
    key("ice_servers", Kind::Servers, "STUN and TURN servers to offer to clients"),
    aliased("ice.stun_server", Kind::List, "NEXT_PUBLIC_STUN_SERVER", "more STUN servers to offer to clients"),
    aliased("ice.turn_server", Kind::List, "NEXT_PUBLIC_TURN_SERVER", "more TURN servers to offer to clients"),
    aliased("ice.turn_username", Kind::Text, "NEXT_PUBLIC_TURN_USERNAME", "user name for ice.turn_server"),
    aliased("ice.turn_credential", Kind::Text, "NEXT_PUBLIC_TURN_CREDENTIAL", "password for ice.turn_server"),
    key("limits.sign_ins_a_minute", Kind::Number, "attempts to sign in or sign up per minute, per address (10)"),
    key("limits.requests_a_second", Kind::Number, "API requests per second, per user (50)"),
    key("limits.request_burst", Kind::Number, "how many of those can come at once (200)"),
    key("limits.server_requests_a_second", Kind::Number, "LiveKit server API requests per second, per API key (500)"),
    key("limits.server_request_burst", Kind::Number, "how many of those can come at once (2000)"),
    key("limits.key_requests_a_second", Kind::Number, "API requests per second, per API key (500)"),
    key("limits.key_request_burst", Kind::Number, "how many of those can come at once (2000)"),
    key("limits.address_requests_a_second", Kind::Number, "API requests per second, per address (500)"),
    key("limits.address_request_burst", Kind::Number, "how many of those can come at once (2000)"),
    key(
        "limits.connections",
        Kind::Number,
        "most open web connections (half of the process's file descriptors, at most 65536)",
    ),
    key(
        "limits.address_connections",
        Kind::Number,
        "most of those from one address, and as many to TURN; unused with proxy.trust_forwarded (512)",
    ),
    key("limits.header_timeout", Kind::Duration, "how long a TLS handshake or a request's headers may take (10s)"),
    key("limits.body_timeout", Kind::Duration, "how long a request's body may take (30s)"),
    key("limits.idle_timeout", Kind::Duration, "how long a connection waits for its next request (75s)"),
    key("limits.signals_a_second", Kind::Number, "LiveKit signalling messages per second, per connection (50)"),
    key("limits.signal_burst", Kind::Number, "how many of those can come at once (500)"),
];

impl Key {
    /// The setting of this name in the file.
    pub fn find(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("STOA_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The setting whose name looks most like a mistyped one.
    pub fn nearest(name: &str) -> Option<&'static Key> {
        let leaf = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
        let near = |key: &&Key| distance(name, key.name).min(distance(name, leaf(key.name)));
        KEYS.iter().min_by_key(near).filter(|key| near(key) <= 3)
    }
}

/// Edits from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_variables_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for key in KEYS {
            assert!(seen.insert(key.name.to_owned()), "{}", key.name);
            assert!(seen.insert(key.variable()), "{}", key.variable());
            assert!(key.alias.is_none_or(|alias| seen.insert(alias.to_owned())), "{:?}", key.alias);
        }
    }

    #[test]
    fn a_mistyped_key_is_recognised() {
        for (typed, meant) in [("htp", "http"), ("media.udp_port", "media.udp_ports"), ("udp_ports", "media.udp_ports")]
        {
            assert_eq!(Key::nearest(typed).map(|key| key.name), Some(meant));
        }
        assert!(Key::nearest("something_else_entirely").is_none());
    }
}
