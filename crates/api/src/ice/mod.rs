//! Which STUN and TURN servers a client gets: the built-in one, then those of the configuration, then those of the
//! store. Servers that need it get credentials made for this client. None belongs to a third party unless an operator
//! configured it.

pub(crate) mod turn;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::turn::credentials::Credentials;
use control::{Handle, IceAuth, IceServerEntry, IssuedTurn, LINGER};
use model::{CallId, Secret, Timestamp, UserId};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::config::IceServer;
use crate::ice::turn::IceClient;
use crate::state::AppState;

/// How long what the store said is believed. Changes through this process are seen at once.
const FRESH: Duration = Duration::from_secs(30);
/// How long a store that did not answer is left alone, so that not every response waits for it.
const LEFT_ALONE: Duration = Duration::from_secs(5);
/// How long an answer waits for the store; a ring that is late is worse than one with fewer servers.
const PATIENCE: Duration = Duration::from_millis(500);
/// The most users whose credentials are kept for their next request; beyond that the cache is emptied.
const MOST: usize = 20_000;

/// Credentials that may wait to be written down; more are handed out, and not written down.
const WAITING: usize = 4_096;

/// What is known of the store's servers, and which credentials are out.
pub(crate) struct IceDirectory {
    /// The servers, and until when they are believed.
    stored: Mutex<Option<(Arc<[IceServerEntry]>, Instant)>>,
    minted: Mutex<HashMap<UserId, Minted>>,
    notes: mpsc::Sender<Note>,
}

/// What the task that records credentials is told.
enum Note {
    Issued(IssuedTurn),
    /// A user was erased: none of theirs may be recorded any more.
    Erased(UserId),
}

/// Credentials of one user.
#[derive(Debug, Clone)]
struct Minted {
    username: String,
    password: Secret<String>,
    expires: Timestamp,
}

impl IceDirectory {
    /// Starts the task that writes down what is handed out; needs a tokio runtime.
    pub fn start(handle: &Handle) -> Self {
        let (notes, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write_down(handle.clone(), waiting));
        Self { stored: Mutex::default(), minted: Mutex::default(), notes }
    }

    /// The store's servers were changed.
    pub fn forget(&self) {
        *self.stored.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A user was erased.
    pub fn forget_user(&self, user: &UserId) {
        self.minted.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
        self.tell(Note::Erased(user.clone()));
    }

    async fn stored(&self, state: &AppState) -> Arc<[IceServerEntry]> {
        let known = self.stored.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((servers, until)) = &known
            && Instant::now() < *until
        {
            return Arc::clone(servers);
        }
        let (servers, believed_for): (Arc<[IceServerEntry]>, Duration) =
            match tokio::time::timeout(PATIENCE, state.handle().ice_servers()).await {
                Ok(Ok(servers)) => (servers.into(), FRESH),
                failed => {
                    tracing::debug!(?failed, "cannot read the ICE servers");
                    (known.map(|(servers, _)| servers).unwrap_or_default(), LEFT_ALONE)
                }
            };
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        *stored = Some((Arc::clone(&servers), Instant::now() + believed_for));
        servers
    }

    /// A user's TURN credentials: the same ones again until half their time is gone.
    fn credentials(&self, state: &AppState, user: &UserId, call: Option<CallId>) -> Option<Minted> {
        let handout = &state.config.turn;
        let secret = handout.secret.as_ref()?;
        let now = state.handle().now();
        let known = self.minted.lock().unwrap_or_else(PoisonError::into_inner).get(user).cloned();
        if let Some(known) = known.filter(|known| known.expires.since(now) >= handout.ttl / 2) {
            return Some(known);
        }
        let expires = u64::try_from((now + handout.ttl).as_millis() / 1_000).ok()?;
        let made = Credentials::mint(secret, user, expires);
        let expires = Timestamp(i64::try_from(expires).ok()?.checked_mul(1_000)?);
        let minted = Minted { username: made.username, password: made.password, expires };
        {
            let mut all = self.minted.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= MOST {
                all.clear();
            }
            all.insert(user.clone(), minted.clone());
        }
        self.note(state, user, call, &minted.username);
        Some(minted)
    }

    /// Has credentials written down. Whoever rings does not wait for the database.
    fn note(&self, state: &AppState, user: &UserId, call: Option<CallId>, username: &str) {
        let expires = username.split_once(':').and_then(|(expires, _)| expires.parse::<i64>().ok()?.checked_mul(1_000));
        // Words that do not expire are not the client's own.
        let Some(expires) = expires else { return };
        let issued = IssuedTurn {
            username: username.to_owned(),
            user: user.clone(),
            call,
            issued_at: state.handle().now(),
            expires_at: Timestamp(expires),
        };
        self.tell(Note::Issued(issued));
    }

    fn tell(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            tracing::warn!("handing out more TURN credentials than can be recorded");
        }
    }
}

/// Every transaction costs about the same, so credentials gather for a moment.
async fn write_down(handle: Handle, mut waiting: mpsc::Receiver<Note>) {
    while let Some(first) = waiting.recv().await {
        sleep(LINGER).await;
        let mut notes = vec![first];
        notes.extend(std::iter::from_fn(|| waiting.try_recv().ok()).take(WAITING));
        let batch = to_write_down(notes);
        if let Err(error) = handle.turn_credentials_issued(&batch).await {
            tracing::warn!(%error, count = batch.len(), "cannot record the TURN credentials that were handed out");
        }
    }
}

/// The credentials to record, each once: a user who asks twice within a second gets the same ones.
fn to_write_down(notes: Vec<Note>) -> Vec<IssuedTurn> {
    let mut batch: Vec<IssuedTurn> = Vec::new();
    let mut names = HashSet::new();
    for note in notes {
        match note {
            Note::Issued(issued) if names.insert(issued.username.clone()) => batch.push(issued),
            Note::Issued(_) => {}
            Note::Erased(user) => batch.retain(|issued| issued.user != user),
        }
    }
    batch
}

/// The servers for one client. Someone who is signed in gets more than the public ones. Servers in the client's region come first.
pub(crate) async fn ice_servers_for(
    state: &AppState,
    client: Option<IceClient<'_>>,
    call: Option<CallId>,
    region: Option<&str>,
) -> Vec<IceServer> {
    let stored = state.ice.stored(state).await;
    let Some(client) = client else {
        let public = stored.iter().filter(|server| server.is_active && server.is_public);
        return public.filter_map(|server| shown(server, None)).collect();
    };
    // An identity of LiveKit's may be no user's id; it is told of what takes no credentials of its own.
    let user = UserId::new(client.user).ok();
    let config = &state.config;
    let mut servers = config.built_in_turn.as_ref().map(|turn| turn.servers(&client)).unwrap_or_default();
    if let Some(user) = &user {
        let mut names: Vec<&String> = servers.iter().filter_map(|server| server.username.as_ref()).collect();
        names.dedup();
        names.into_iter().for_each(|name| state.ice.note(state, user, call, name));
    }
    servers.extend(config.ice_servers.iter().cloned());
    let mut wanted: Vec<&IceServerEntry> = stored.iter().filter(|server| server.is_active).collect();
    wanted.sort_by_key(|server| region.is_some() && server.region.as_deref() != region);
    let own = &config.turn.urls;
    let expiring = !own.is_empty() || wanted.iter().any(|server| server.auth == IceAuth::Expiring);
    let credentials = match &user {
        Some(user) if expiring => state.ice.credentials(state, user, call),
        _ => None,
    };
    if let (Some(made), false) = (&credentials, own.is_empty()) {
        servers.push(with(own.clone(), &made.username, made.password.reveal()));
    }
    servers.extend(wanted.into_iter().filter_map(|server| shown(server, credentials.as_ref())));
    servers
}

/// A server as a client gets it; none if its credentials cannot be made.
fn shown(server: &IceServerEntry, credentials: Option<&Minted>) -> Option<IceServer> {
    let urls = server.urls.clone();
    match &server.auth {
        IceAuth::None => Some(IceServer { urls, username: None, credential: None }),
        IceAuth::Fixed { username, credential } => Some(with(urls, username, credential.reveal())),
        IceAuth::Expiring => credentials.map(|made| with(urls, &made.username, made.password.reveal())),
    }
}

fn with(urls: Vec<String>, username: &str, credential: &str) -> IceServer {
    IceServer { urls, username: Some(username.to_owned()), credential: Some(credential.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_down_once_and_not_of_the_erased() {
        let issued = |user: &str, second: i64| {
            Note::Issued(IssuedTurn {
                username: format!("{second}:{user}"),
                user: UserId::new(user).unwrap(),
                call: None,
                issued_at: Timestamp(0),
                expires_at: Timestamp(second * 1_000),
            })
        };
        let gone = Note::Erased(UserId::new("gone").unwrap());
        let notes = vec![issued("a", 7), issued("gone", 7), issued("a", 7), gone, issued("a", 8)];
        let names: Vec<String> = to_write_down(notes).into_iter().map(|issued| issued.username).collect();
        assert_eq!(names, ["7:a", "8:a"]);
    }
}
