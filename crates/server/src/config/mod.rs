//! The settings: read from `stoa.toml`, the environment and flags, checked once at start, plain values from then on.
//!
//! There are two steps. [`sources`] turns each source into a layer of known keys, and [`validate`] turns the layers
//! into a [`Config`]. Every error is one line that says what to do. A command that needs only a few settings reads only
//! those. An unknown key is an error in a file and among the flags. Environments are shared with other programs, so
//! there it is a warning.

mod connections;
mod credentials;
mod keys;
mod reader;
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
pub use sources::{Layer, Value, environment, file, flags};
pub use validate::{data_dir, validate};

/// Why the settings cannot be used: one line, which says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The settings, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development: sign-in by name, LiveKit's `devkey`, rooms made by whoever joins.
    pub dev: bool,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Plain HTTP.
    pub http: Listen,
    /// HTTPS, if any.
    pub https: Option<Listen>,
    /// Where metrics are read, if anywhere.
    pub admin_http: Option<AdminHttp>,
    /// Whether browsers are told to come by https only.
    pub hsts: bool,
    /// Certificate and key files; none: self-signed.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Who signs the certificate; none: nobody is asked.
    pub acme: Option<Acme>,
    /// How clients reach the server; none: by whatever they asked.
    pub public_url: Option<String>,
    /// The server's domain: announced with the addresses it resolves to.
    pub domain: Option<String>,
    /// One UDP port a worker.
    pub udp_ports: Vec<u16>,
    /// ICE over TCP.
    pub tcp_port: Option<u16>,
    /// Addresses announced; empty: found out at start.
    pub announce: Vec<IpAddr>,
    /// What a subscriber is believed to take before anything was measured.
    pub initial_bitrate: Bitrate,
    /// Logging.
    pub log: Log,
    /// Who may come in.
    pub auth: Auth,
    /// Who is told what happens in rooms.
    pub webhooks: Webhooks,
    /// Whether anyone may make an account.
    pub sign_up: bool,
    /// Whether only known users may be called.
    pub strict_users: bool,
    /// How long raw quality reports are kept.
    pub keep_quality: std::time::Duration,
    /// Rooms.
    pub room: Room,
    /// Calls.
    pub call: call::Config,
    /// Origins whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// Where people's pictures may be loaded from.
    pub image_sources: Vec<String>,
    /// Whether a proxy of the operator's says who asks.
    pub trust_forwarded: bool,
    /// The built-in STUN and TURN server, if it is to run.
    pub turn: Option<TurnSettings>,
    /// STUN and TURN servers told to clients.
    pub ice_servers: Vec<api::IceServer>,
    /// TURN servers that share a secret with this one.
    pub turn_handout: api::TurnHandout,
    /// Whether calls may be recorded.
    pub call_recording: bool,
    /// How much is taken from one client.
    pub limits: api::Limits,
    /// How many connections there may be.
    pub connections: Connections,
    /// How long a client may keep the server waiting.
    pub patience: Patience,
}

impl Config {
    /// Whether https has a certificate that others than this server vouch for.
    pub fn has_real_certificate(&self) -> bool {
        self.certificate.is_some() || self.acme.is_some()
    }
}

/// Where metrics are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminHttp {
    /// The address.
    pub listen: Listen,
    /// The operator chose it: there is no start without it.
    pub chosen: bool,
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Of the web side; none: by the descriptors there are.
    pub web: Option<usize>,
    /// Of one address.
    pub of_address: usize,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Must be had.
    pub address: SocketAddr,
    /// The same port of the other family, where the host has it.
    pub also: Option<SocketAddr>,
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A filter as `tracing` takes it.
    pub filter: String,
    /// One JSON object a line.
    pub json: bool,
}

/// Keys and what tokens must say.
#[derive(Debug, Clone)]
pub struct Auth {
    /// In place of the generated HS256 secret.
    pub token_secret: Option<Secret<String>>,
    /// Where the key set is fetched.
    pub jwks_url: Option<String>,
    /// Where the key set lies.
    pub jwks_file: Option<PathBuf>,
    /// The `iss` that tokens must have.
    pub issuer: Option<String>,
    /// The `aud` that tokens must have.
    pub audience: Option<String>,
    /// In place of the generated LiveKit key.
    pub livekit: Option<auth::LiveKitKey>,
    /// Further LiveKit keys.
    pub livekit_others: Vec<auth::LiveKitKey>,
}

/// LiveKit's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Webhooks {
    /// Where they are sent.
    pub urls: Vec<String>,
    /// The API key that signs them; none: the one that mints tokens.
    pub api_key: Option<String>,
}

/// Rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// A LiveKit token opens a room that no call made.
    pub auto_create: bool,
    /// 0: no limit.
    pub max_participants: usize,
    /// How long a room lives with nobody in it.
    pub empty_timeout: Duration,
    /// How long a lost participant may take to resume.
    pub departure_timeout: Duration,
}
