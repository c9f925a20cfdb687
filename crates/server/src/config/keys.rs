//! Every setting there is, with its type and its meaning. The file's keys, the environment's names and `stoa settings`
//! all come from this table.

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// Texts; in the environment and in flags divided by commas.
    List,
    /// Seconds, or a text such as `90s`, `5m`, `1h`.
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
    /// Another environment name, besides `STOA_` and the key in capitals.
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
    key("dev", Kind::Bool, "development: sign-in by name alone, LiveKit's devkey/secret, rooms made by whoever joins"),
    key("data_dir", Kind::Text, "where everything is kept (./data)"),
    key("http", Kind::Text, "address of the web app and the API (7880)"),
    key(
        "https",
        Kind::Text,
        "address of the same over TLS, or \"off\" (7843 with --dev, 443 with a domain, otherwise off)",
    ),
    key(
        "admin_http",
        Kind::Text,
        "address of the metrics, or \"off\"; whoever reaches it may read them (127.0.0.1:7879)",
    ),
    key("public_url", Kind::Text, "how clients reach the server, such as https://calls.example.org"),
    key("domain", Kind::Text, "the server's domain: its addresses are announced, its URL is https://domain"),
    key(
        "tls.cert",
        Kind::Text,
        "certificate chain for https, PEM (of acme.directory with a domain, otherwise self-signed)",
    ),
    key("tls.key", Kind::Text, "its key, PEM"),
    key(
        "tls.hsts",
        Kind::Bool,
        "browsers are told to come by https only, where its certificate is not self-signed (true)",
    ),
    key(
        "acme.directory",
        Kind::Text,
        "who signs the certificate of `domain` where tls.cert is not given (Let's Encrypt)",
    ),
    key("acme.email", Kind::Text, "where that authority may write to"),
    key("acme.ca", Kind::Text, "roots that the authority itself is verified with, PEM (the public ones)"),
    aliased("media.workers", Kind::Number, "STOA_WORKERS", "media threads (one a core)"),
    aliased(
        "media.udp_ports",
        Kind::Text,
        "STOA_UDP_PORTS",
        "media ports, one a worker: 7882 (from there on) or 7882-7889",
    ),
    aliased("media.tcp_port", Kind::Number, "STOA_TCP_PORT", "media over TCP, 0 for none (7881)"),
    aliased("media.announce", Kind::List, "STOA_ANNOUNCE", "addresses told to clients (those of the interfaces)"),
    key("media.initial_bitrate", Kind::Number, "bits a second a client is believed to take before it is measured"),
    key("log.level", Kind::Text, "error, warn, info, debug, trace, or a filter as tracing takes it (info)"),
    key("log.json", Kind::Bool, "one JSON object a line"),
    key("auth.token_secret", Kind::Text, "HS256 secret of user tokens (generated)"),
    key("auth.jwks_url", Kind::Text, "where the key set for user tokens is fetched"),
    key("auth.jwks_file", Kind::Text, "file with that key set"),
    key("auth.issuer", Kind::Text, "the iss that user tokens must have"),
    key("auth.audience", Kind::Text, "the aud that user tokens must have"),
    aliased("livekit.api_key", Kind::Text, "LIVEKIT_API_KEY", "LiveKit API key (generated)"),
    aliased("livekit.api_secret", Kind::Text, "LIVEKIT_API_SECRET", "its secret (generated)"),
    aliased("livekit.keys", Kind::List, "LIVEKIT_KEYS", "further API keys, each as \"KEY:SECRET\""),
    key("webhooks.urls", Kind::List, "where LiveKit's webhooks are sent"),
    key("webhooks.api_key", Kind::Text, "API key that signs them (livekit.api_key)"),
    key("accounts.sign_up", Kind::Bool, "anyone may make an account (true)"),
    key("users.strict", Kind::Bool, "only users known before may be called (false)"),
    key("room.auto_create", Kind::Bool, "a LiveKit token opens a room that no call made (true with --dev)"),
    key("room.max_participants", Kind::Number, "in a room that no call made; 0 for no limit (0)"),
    key("room.empty_timeout", Kind::Duration, "how long a room lives with nobody in it (5m)"),
    key("room.departure_timeout", Kind::Duration, "how long a lost participant may take to resume (20s)"),
    key("call.ring_timeout", Kind::Duration, "how long a call rings, 5s to 3m (30s)"),
    key("call.reconnect_window", Kind::Duration, "how long a lost participant keeps their place (30s)"),
    key("call.waiting", Kind::Bool, "a second call may knock on devices that say so (true)"),
    key("quality.keep", Kind::Duration, "how long raw quality reports are kept (30d)"),
    key("call.empty_timeout", Kind::Duration, "how long a call lives with nobody connected (5m)"),
    aliased(
        "call.max_participants",
        Kind::Number,
        "NEXT_PUBLIC_MAX_CALL_PARTICIPANTS",
        "the most participants of a call (100)",
    ),
    key("features.voice_calls", Kind::Bool, "calls with sound only (true)"),
    aliased("features.video_calls", Kind::Bool, "NEXT_PUBLIC_ENABLE_VIDEO_CALLS", "calls with a camera (true)"),
    key("features.group_calls", Kind::Bool, "calls of more than two (true)"),
    aliased("features.screen_sharing", Kind::Bool, "NEXT_PUBLIC_ENABLE_SCREEN_SHARING", "sharing a screen (true)"),
    aliased("features.call_recording", Kind::Bool, "NEXT_PUBLIC_ENABLE_CALL_RECORDING", "recording calls (false)"),
    key("cors.origins", Kind::List, "origins whose pages may use the API"),
    key("web.image_sources", Kind::List, "origins that people's pictures may come from, or https: for any"),
    key("proxy.trust_forwarded", Kind::Bool, "X-Forwarded-For, -Host and -Proto come from a proxy of yours (false)"),
    key("turn.port", Kind::Text, "the built-in STUN and TURN server, UDP and TCP; \"off\" for none (3478)"),
    key(
        "turn.tls_port",
        Kind::Text,
        "TURN over TLS, besides the https port; \"off\" for none (5349 with a certificate)",
    ),
    key("turn.workers", Kind::Number, "TURN threads (one a core)"),
    key(
        "turn.relay_ports",
        Kind::Text,
        "UDP ports opened for peers elsewhere, such as 49152-49251 (none: in memory only)",
    ),
    key("turn.p2p_relay", Kind::Bool, "peers elsewhere may be relayed to, by turn.relay_ports (true)"),
    key("turn.allow", Kind::List, "special-purpose ranges that may be relayed to, such as 192.168.0.0/16"),
    key("turn.deny", Kind::List, "ranges that may not be relayed to"),
    key("turn.allocations_per_user", Kind::Number, "TURN allocations of one user (12)"),
    key("turn.allocations", Kind::Number, "TURN allocations in all (20000)"),
    key("turn.challenges", Kind::Number, "TURN and STUN refusals to one address in a second, until it logs in (10)"),
    key("turn.user_bitrate", Kind::Number, "bits a second relayed for one user, 0 for no limit (0)"),
    key("turn.total_bitrate", Kind::Number, "bits a second relayed in all, 0 for no limit (0)"),
    aliased(
        "turn.secret",
        Kind::Text,
        "TURN_SECRET",
        "the secret shared with TURN servers, of which credentials are made (generated)",
    ),
    aliased("turn.credential_ttl", Kind::Duration, "TURN_TTL", "how long TURN credentials are good for (12h)"),
    aliased(
        "turn.server_host",
        Kind::Text,
        "TURN_SERVER_HOST",
        "a TURN server of yours that knows turn.secret, such as coturn",
    ),
    aliased("turn.server_port", Kind::Number, "TURN_SERVER_PORT", "its port, UDP and TCP (3478)"),
    key("ice_servers", Kind::Servers, "STUN and TURN servers told to clients"),
    aliased("ice.stun_server", Kind::List, "NEXT_PUBLIC_STUN_SERVER", "STUN servers told to clients besides"),
    aliased("ice.turn_server", Kind::List, "NEXT_PUBLIC_TURN_SERVER", "TURN servers told to clients besides"),
    aliased("ice.turn_username", Kind::Text, "NEXT_PUBLIC_TURN_USERNAME", "user name on ice.turn_server"),
    aliased("ice.turn_credential", Kind::Text, "NEXT_PUBLIC_TURN_CREDENTIAL", "password on ice.turn_server"),
    key("limits.sign_ins_a_minute", Kind::Number, "attempts to sign in or up, for one address (10)"),
    key("limits.requests_a_second", Kind::Number, "API requests, for one user (50)"),
    key("limits.request_burst", Kind::Number, "how many of them at once (200)"),
    key("limits.server_requests_a_second", Kind::Number, "requests of LiveKit's server API, for one API key (500)"),
    key("limits.server_request_burst", Kind::Number, "how many of them at once (2000)"),
    key("limits.key_requests_a_second", Kind::Number, "API requests, for one API key (500)"),
    key("limits.key_request_burst", Kind::Number, "how many of them at once (2000)"),
    key("limits.address_requests_a_second", Kind::Number, "API requests, for one address (500)"),
    key("limits.address_request_burst", Kind::Number, "how many of them at once (2000)"),
    key(
        "limits.connections",
        Kind::Number,
        "web connections open at once (half of the descriptors the process may have, at most 65536)",
    ),
    key(
        "limits.address_connections",
        Kind::Number,
        "of them, those of one address, and as many to TURN; not with proxy.trust_forwarded (512)",
    ),
    key("limits.header_timeout", Kind::Duration, "how long a TLS handshake or a request's head may take (10s)"),
    key("limits.body_timeout", Kind::Duration, "how long a request's body may take (30s)"),
    key("limits.idle_timeout", Kind::Duration, "how long a connection waits for its next request (75s)"),
    key("limits.signals_a_second", Kind::Number, "LiveKit signalling messages, for one connection (50)"),
    key("limits.signal_burst", Kind::Number, "how many of them at once (500)"),
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
