//! The edge's settings, validated by whoever read them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::{LinkKey, LiveKitKeys, UserVerifier};
use control::{Handle, Recordings};
use model::{Secret, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::ice::turn::BuiltInTurn;

/// One-time codes that sign an administrator in.
pub trait AdminCodes: Send + Sync {
    /// Whether a code is valid; using it up. May wait for a disk.
    fn redeem(&self, code: &str, now: Timestamp) -> bool;
}

/// A request extension: the connection is TLS, so that URLs in answers are `wss` and cookies `Secure`.
#[derive(Debug, Clone, Copy)]
pub struct OverTls;

/// The settings and services that the edge needs.
#[derive(Clone)]
pub struct ApiConfig {
    /// The control plane.
    pub handle: Handle,
    /// Keys of user tokens; may be replaced while the server runs (a key set that was fetched again).
    pub users: Arc<ArcSwap<UserVerifier>>,
    /// LiveKit API keys; calls' tokens are minted with the first.
    pub livekit_keys: LiveKitKeys,
    /// Redeems the admin link's codes; none: no admin link.
    pub admin_codes: Option<Arc<dyn AdminCodes>>,
    /// The URL at which clients reach the server (`https://calls.example.org`); none: taken from each request.
    pub public_url: Option<String>,
    /// Development: sign-in with just a name, rooms opened by joining.
    pub dev: bool,
    /// Whether anyone may create an account.
    pub sign_up: bool,
    /// Feature flags.
    pub features: Features,
    /// Origins, besides our own, whose pages may use the API with a bearer token.
    pub cors_origins: Vec<String>,
    /// Where the web app may load people's pictures from, besides our own origin: origins, or `https:` for any.
    pub image_sources: Vec<String>,
    /// Whether `X-Forwarded-For`, `X-Forwarded-Host` and `X-Forwarded-Proto` come from a proxy of the operator's.
    pub trust_forwarded: bool,
    /// Whether a LiveKit token opens a room that belongs to no call.
    pub auto_create_rooms: bool,
    /// STUN and TURN servers to offer to clients.
    pub ice_servers: Vec<IceServer>,
    /// Where media goes to.
    pub media_ports: MediaPorts,
    /// The TURN server in this process, if it runs.
    pub built_in_turn: Option<Arc<dyn BuiltInTurn>>,
    /// TURN servers whose credentials this server makes.
    pub turn: TurnHandout,
    /// How long the token for a call's room is valid.
    pub call_pass_ttl: Duration,
    /// How long a session of the web app is valid.
    pub session_ttl: Duration,
    /// Rate limits per client.
    pub limits: Limits,
    /// The server's version, shown to clients.
    pub version: String,
    /// Whether responses over TLS tell browsers to use TLS only.
    pub hsts: bool,
    /// Recordings, where they are kept.
    pub recordings: Option<Recordings>,
    /// Signs links to recordings.
    pub link_key: LinkKey,
    /// How long those are good.
    pub recording_link_ttl: Duration,
}

impl ApiConfig {
    /// The default settings.
    pub fn new(handle: Handle, users: UserVerifier, livekit_keys: LiveKitKeys) -> Self {
        let link_key = LinkKey::derive(livekit_keys.own().secret.reveal().as_bytes());
        Self {
            handle,
            users: Arc::new(ArcSwap::from_pointee(users)),
            livekit_keys,
            admin_codes: None,
            public_url: None,
            dev: false,
            sign_up: true,
            features: Features::default(),
            cors_origins: Vec::new(),
            image_sources: Vec::new(),
            trust_forwarded: false,
            auto_create_rooms: false,
            ice_servers: Vec::new(),
            media_ports: MediaPorts::default(),
            built_in_turn: None,
            turn: TurnHandout::default(),
            call_pass_ttl: Duration::from_secs(6 * 3600),
            session_ttl: Duration::from_secs(30 * 24 * 3600),
            limits: Limits::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hsts: false,
            recordings: None,
            link_key,
            recording_link_ttl: Duration::from_secs(3_600),
        }
    }
}

/// Feature flags. The server enforces those that concern calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// Voice calls are allowed.
    pub voice_calls: bool,
    /// Video calls are allowed.
    pub video_calls: bool,
    /// Calls of more than two people are allowed.
    pub group_calls: bool,
    /// Screen sharing is allowed.
    pub screen_sharing: bool,
    /// Call recording is allowed.
    pub call_recording: bool,
    /// The most participants a call can have.
    pub max_call_participants: usize,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            voice_calls: true,
            video_calls: true,
            group_calls: true,
            screen_sharing: true,
            call_recording: false,
            max_call_participants: 100,
        }
    }
}

/// The media ports, for clients that test whether they can reach them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediaPorts {
    /// The announced addresses, without loopback.
    pub addresses: Vec<IpAddr>,
    /// UDP ports. Each answers a Binding request.
    pub udp: Vec<u16>,
    /// The ICE-TCP port, which also speaks TURN.
    pub tcp: Option<u16>,
}

/// TURN servers that share a secret with this server, and how credentials for them are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnHandout {
    /// The secret; none: no credentials can be made.
    pub secret: Option<Secret<String>>,
    /// How long credentials are valid.
    pub ttl: Duration,
    /// `turn:` and `turns:` URLs that everyone signed in gets, before those in the store.
    pub urls: Vec<String>,
}

impl Default for TurnHandout {
    fn default() -> Self {
        Self { secret: None, ttl: Duration::from_secs(12 * 3600), urls: Vec::new() }
    }
}

/// A STUN or TURN server for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// TURN password.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credential: Option<String>,
}

/// Rate limits per client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Attempts to sign in or sign up per minute, per address.
    pub sign_ins_a_minute: u32,
    /// How many of those can come at once.
    pub sign_in_burst: u32,
    /// API requests per second, per user.
    pub requests_a_second: u32,
    /// How many of those can come at once.
    pub request_burst: u32,
    /// LiveKit server API requests per second, per API key.
    pub server_requests_a_second: u32,
    /// How many of those can come at once.
    pub server_request_burst: u32,
    /// API requests per second, per API key.
    pub key_requests_a_second: u32,
    /// How many of those can come at once.
    pub key_request_burst: u32,
    /// API requests per second, per address, whoever asks.
    pub address_requests_a_second: u32,
    /// How many of those can come at once.
    pub address_request_burst: u32,
    /// Socket.IO events per second, per socket.
    pub events_a_second: u32,
    /// How many of those can come at once.
    pub event_burst: u32,
    /// LiveKit signalling messages per second, per connection.
    pub signals_a_second: u32,
    /// How many of those can come at once.
    pub signal_burst: u32,
    /// How long a connection may exceed its signalling rate, slowed down to it, before it is closed.
    pub signal_patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sign_ins_a_minute: 10,
            sign_in_burst: 10,
            requests_a_second: 50,
            request_burst: 200,
            server_requests_a_second: 500,
            server_request_burst: 2_000,
            key_requests_a_second: 500,
            key_request_burst: 2_000,
            address_requests_a_second: 500,
            address_request_burst: 2_000,
            events_a_second: 50,
            event_burst: 200,
            signals_a_second: 50,
            signal_burst: 500,
            signal_patience: Duration::from_secs(5),
        }
    }
}
