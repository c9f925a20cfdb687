//! What every handler shares.

use std::sync::Arc;

use control::Handle;
use tokio::sync::Semaphore;

use crate::access::api_keys::Keys;
use crate::access::sessions::Sessions;
use crate::access::standing::Standings;
use crate::config::ApiConfig;
use crate::http::limits::RequestLimits;
use crate::http::refusals::Refusals;
use crate::ice::IceDirectory;
use crate::people::People;
use crate::signalling::meetings::Meetings;
use crate::signalling::registry::Registry;

/// So many passwords are hashed at a time: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 2;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Shared>);

pub(crate) struct Shared {
    pub config: ApiConfig,
    pub limits: RequestLimits,
    pub people: People,
    pub refusals: Refusals,
    pub sessions: Sessions,
    pub ice: IceDirectory,
    pub keys: Keys,
    /// Sockets of the main namespace.
    pub sockets: Arc<Registry>,
    /// Sockets of `/webrtc`.
    pub webrtc: Arc<Registry>,
    pub meetings: Arc<Meetings>,
    /// Open connections of every kind but LiveKit's.
    pub standings: Arc<Standings>,
    pub hashing: Semaphore,
}

impl AppState {
    pub fn new(config: ApiConfig) -> Self {
        Self(Arc::new(Shared {
            limits: RequestLimits::new(&config.limits),
            people: People::new(config.handle.clone()),
            refusals: Refusals::new(),
            sessions: Sessions::new(config.handle.clone(), config.session_ttl),
            ice: IceDirectory::start(&config.handle),
            keys: Keys::new(config.handle.clone()),
            sockets: Arc::default(),
            webrtc: Arc::default(),
            meetings: Arc::default(),
            standings: Arc::default(),
            hashing: Semaphore::new(HASHES_AT_ONCE),
            config,
        }))
    }

    /// The control plane.
    pub fn handle(&self) -> &Handle {
        &self.config.handle
    }
}

impl std::ops::Deref for AppState {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
