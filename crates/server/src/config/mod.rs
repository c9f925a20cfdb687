//! The settings: read from `stoa.toml`, the environment and flags, checked once at start, plain values from then on.
//!
//! There are two steps. `sources` turns each source into a layer of known keys, and [`validate`] turns the layers
//! into a [`Config`]. Every error is one line that says what to do. A command that needs only a few settings reads only
//! those. An unknown key is an error in a file and among the flags. Environments are shared with other programs, so
//! there it is a warning.

mod connections;
mod credentials;
mod keys;
mod reader;
mod recording;
mod sources;
mod validate;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::{Bitrate, Secret};

use crate::acme::Acme;
use crate::admission::Patience;
use crate::turn::TurnSettings;

pub use credentials::{dev_key, has_turn_secret, minting_key, token_secret};
pub use keys::{KEYS, Key, Kind};
pub use reader::parse_duration;
pub use recording::{Place, RecordingConfig};
pub use sources::{Layer, Value, environment, file, flags};
pub use validate::{data_dir, validate};

/// Why the settings cannot be used: one line, which says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The settings, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development: sign-in with just a name, LiveKit's `devkey`, rooms opened by joining.
    pub dev: bool,
    /// The folder of the database, the journal and the secrets.
    pub data_dir: PathBuf,
    /// Where plain HTTP is served.
    pub http: Listen,
    /// Where HTTPS is served; `None`: nowhere.
    pub https: Option<Listen>,
    /// Where metrics are served, if anywhere.
    pub admin_http: Option<AdminHttp>,
    /// Whether browsers are told to use https only.
    pub hsts: bool,
    /// Certificate and key files; none: self-signed.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The authority that issues the certificate, if any.
    pub acme: Option<Acme>,
    /// The URL at which clients reach the server; none: taken from each request.
    pub public_url: Option<String>,
    /// The server's domain: announced with the addresses it resolves to.
    pub domain: Option<String>,
    /// One UDP port per worker.
    pub udp_ports: Vec<u16>,
    /// Port for ICE over TCP; `None`: there is none.
    pub tcp_port: Option<u16>,
    /// Announced addresses; empty: determined at start.
    pub announce: Vec<IpAddr>,
    /// From so many clients on a worker on, its rooms spread to others; `None`: a room stays on one worker.
    pub spread_from: Option<u64>,
    /// The bandwidth assumed for a subscriber before any measurement.
    pub initial_bitrate: Bitrate,
    /// What is logged, and how.
    pub log: Log,
    /// The keys and secrets by which tokens are verified.
    pub auth: Auth,
    /// Where events are sent to.
    pub webhooks: Webhooks,
    /// Whether anyone may create an account.
    pub sign_up: bool,
    /// Whether only known users may be called.
    pub strict_users: bool,
    /// How long raw quality reports are kept.
    pub keep_quality: std::time::Duration,
    /// Limits of rooms.
    pub room: Room,
    /// Rules of calls: which are allowed, and how long they ring.
    pub call: call::Config,
    /// Origins whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// Where people's pictures may be loaded from.
    pub image_sources: Vec<String>,
    /// Whether to trust the forwarding headers of the operator's proxy.
    pub trust_forwarded: bool,
    /// The built-in STUN and TURN server, if it is to run.
    pub turn: Option<TurnSettings>,
    /// STUN and TURN servers to offer to clients.
    pub ice_servers: Vec<api::IceServer>,
    /// TURN servers that share a secret with this one.
    pub turn_handout: api::TurnHandout,
    /// Recordings, and where they are kept.
    pub recording: RecordingConfig,
    /// Rate limits per client.
    pub limits: api::Limits,
    /// How many connections there may be.
    pub connections: Connections,
    /// How long a client may keep the server waiting.
    pub patience: Patience,
}

impl Config {
    /// Whether https has a certificate that is not self-signed.
    pub fn has_real_certificate(&self) -> bool {
        self.certificate.is_some() || self.acme.is_some()
    }
}

/// Where metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminHttp {
    /// The address.
    pub listen: Listen,
    /// Whether the operator chose it; then the server does not start without it.
    pub chosen: bool,
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Web connections; none: derived from the number of file descriptors.
    pub web: Option<usize>,
    /// Connections from one address.
    pub of_address: usize,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address, which must be available.
    pub address: SocketAddr,
    /// The same port of the other address family, if the host has it.
    pub also: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter in `tracing`'s format.
    pub filter: String,
    /// Whether to log one JSON object per line.
    pub json: bool,
}

/// Keys, and the claims that tokens must have.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Replaces the generated HS256 secret.
    pub token_secret: Option<Secret<String>>,
    /// The URL of the key set.
    pub jwks_url: Option<String>,
    /// The file of the key set.
    pub jwks_file: Option<PathBuf>,
    /// The `iss` that tokens must have.
    pub issuer: Option<String>,
    /// The `aud` that tokens must have.
    pub audience: Option<String>,
    /// Replaces the generated LiveKit key.
    pub livekit: Option<auth::LiveKitKey>,
    /// Further LiveKit keys.
    pub livekit_others: Vec<auth::LiveKitKey>,
}

/// LiveKit's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Webhooks {
    /// The URLs that receive them.
    pub urls: Vec<String>,
    /// The API key that signs them; none: the one that mints tokens.
    pub api_key: Option<String>,
}

/// Limits of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Whether a LiveKit token opens a room that belongs to no call.
    pub auto_create: bool,
    /// Most participants of a room; 0: no limit.
    pub max_participants: usize,
    /// How long an empty room stays open.
    pub empty_timeout: Duration,
    /// How long a disconnected participant has to resume.
    pub departure_timeout: Duration,
}
