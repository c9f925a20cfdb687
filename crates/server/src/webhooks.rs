//! LiveKit's webhooks: signed, delivered to each URL in order per room, and retried for a while.
//!
//! Events from rooms come over one bounded channel. Each URL has a lane per room, and a lane is a task for as long as
//! it has events: a slow backend for one room delays no other room.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth::{LiveKitClaims, LiveKitKey, mint_livekit};
use base64::Engine as _;
use livekit::json;
use livekit::proto::WebhookEvent;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::keys;
use crate::recording_hooks;
use crate::secrets::Secrets;

/// Events on their way from the rooms.
const CHANNEL: usize = 16_384;
/// Events of all rooms that may wait for one URL.
const MOST_WAITING: usize = 16_384;
/// How long one try may take.
const TRY: Duration = Duration::from_secs(10);
/// The pauses between tries; after the last the event is given up.
const PAUSES: [Duration; 8] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// How long the token of one delivery is good for.
const TOKEN_TTL: u64 = 300;
/// How long the end waits for what is on its way.
const LAST_WORDS: Duration = Duration::from_secs(2);

type Hook = Box<WebhookEvent>;

/// The running deliveries.
pub struct Webhooks {
    sender: mpsc::Sender<Hook>,
    running: JoinHandle<()>,
    recordings: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// Starts delivering; `None` where nobody is to be told.
    pub fn start(config: &Config, secrets: &Secrets) -> anyhow::Result<Option<Self>> {
        if config.webhooks.urls.is_empty() {
            return Ok(None);
        }
        let client = reqwest::Client::builder().timeout(TRY).redirect(reqwest::redirect::Policy::none()).build()?;
        let key = Arc::new(keys::webhook_key(config, secrets));
        let targets = config.webhooks.urls.iter().map(|url| {
            Arc::new(Target {
                url: url.clone(),
                key: Arc::clone(&key),
                client: client.clone(),
                waiting: AtomicUsize::new(0),
            })
        });
        let (sender, events) = mpsc::channel(CHANNEL);
        let running = tokio::spawn(distribute(events, targets.collect()));
        Ok(Some(Self { sender, running, recordings: None }))
    }

    /// Where events go in.
    pub fn sender(&self) -> mpsc::Sender<Hook> {
        self.sender.clone()
    }

    /// Tells of what happens to the recordings of calls, too.
    pub fn follow(&mut self, changes: broadcast::Receiver<Arc<call::Record>>) {
        self.recordings = Some(tokio::spawn(recording_hooks::hand_on(changes, self.sender())));
    }

    /// Delivers what is on its way, but waits no longer than a moment.
    pub async fn stop(self) {
        if let Some(recordings) = self.recordings {
            recordings.abort();
            drop(recordings.await);
        }
        drop(self.sender);
        if tokio::time::timeout(LAST_WORDS, self.running).await.is_err() {
            tracing::warn!("stopped with webhooks still undelivered");
        }
    }
}

/// One URL.
struct Target {
    url: String,
    key: Arc<LiveKitKey>,
    client: reqwest::Client,
    waiting: AtomicUsize,
}

/// The events of one room for one target, in order.
type Lanes = HashMap<(usize, String), (mpsc::UnboundedSender<Hook>, JoinHandle<()>)>;

/// Hands every event to the lane of its room, for each target; ends when all are delivered and nobody can send more.
async fn distribute(mut events: mpsc::Receiver<Hook>, targets: Vec<Arc<Target>>) {
    let mut lanes = Lanes::new();
    let mut swept = 0;
    while let Some(event) = events.recv().await {
        for (at, target) in targets.iter().enumerate() {
            if target.waiting.load(Ordering::Relaxed) >= MOST_WAITING {
                tracing::warn!(url = %host(&target.url), event = event.event, "dropped a webhook: too many are waiting");
                continue;
            }
            target.waiting.fetch_add(1, Ordering::Relaxed);
            enqueue(&mut lanes, at, target, event.clone());
        }
        swept += 1;
        if swept % 1_024 == 0 || event.event == "room_finished" {
            lanes.retain(|_, (_, running)| !running.is_finished());
        }
    }
    for (_, (sender, running)) in lanes {
        drop(sender);
        let _ = running.await;
    }
}

fn enqueue(lanes: &mut Lanes, at: usize, target: &Arc<Target>, event: Hook) {
    let room = event.room.as_ref().map(|room| room.sid.clone()).unwrap_or_default();
    let last = event.event == "room_finished";
    let lane = lanes.entry((at, room));
    let (sender, _) = match lane {
        Entry::Occupied(lane) => lane.into_mut(),
        Entry::Vacant(lane) => {
            let (sender, waiting) = mpsc::unbounded_channel();
            lane.insert((sender, tokio::spawn(run_lane(waiting, Arc::clone(target)))))
        }
    };
    // Bounded by the target's count.
    let _ = sender.send(event);
    if last {
        // Nothing follows; the lane ends with this one.
        *sender = mpsc::unbounded_channel().0;
    }
}

async fn run_lane(mut events: mpsc::UnboundedReceiver<Hook>, target: Arc<Target>) {
    while let Some(event) = events.recv().await {
        target.deliver(&event).await;
        target.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Target {
    async fn deliver(&self, event: &WebhookEvent) {
        let body = json::write(event, json::Style::Compact);
        let mut pauses = PAUSES.iter();
        loop {
            let outcome = self.send(body.clone()).await;
            let again = match &outcome {
                Ok(status) if status.is_success() => return,
                // Anything else would be refused the same the next time.
                Ok(status) => status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429),
                Err(_) => true,
            };
            let why = match outcome {
                Ok(status) => status.to_string(),
                // Without the URL: it may hold a secret.
                Err(error) => error.without_url().to_string(),
            };
            match pauses.next().filter(|_| again) {
                Some(pause) => {
                    tracing::debug!(url = %host(&self.url), event = event.event, why, "trying a webhook again");
                    tokio::time::sleep(*pause).await;
                }
                None => {
                    tracing::warn!(url = %host(&self.url), event = event.event, why, "gave up delivering a webhook");
                    return;
                }
            }
        }
    }

    async fn send(&self, body: String) -> reqwest::Result<reqwest::StatusCode> {
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/webhook+json");
        // No Bearer: LiveKit's receivers take the bare token.
        let token = token(&self.key, &body, jiff::Timestamp::now().as_second().max(0).unsigned_abs());
        Ok(request.header(AUTHORIZATION, token).body(body).send().await?.status())
    }
}

fn token(key: &LiveKitKey, body: &str, now: u64) -> String {
    let sha256 = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(body));
    mint_livekit(key, &LiveKitClaims { nbf: now, exp: now + TOKEN_TTL, sha256, ..LiveKitClaims::default() })
}

/// The part of a URL that a log may contain.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    use axum::http::{HeaderMap, StatusCode};

    #[test]
    fn a_log_shows_the_host_alone() {
        for (url, shown) in [("https://u:p@a.org/x?k=1", "a.org"), ("http://b:80", "b:80"), ("nonsense", "nonsense")] {
            assert_eq!(host(url), shown);
        }
    }

    type Seen = Arc<Mutex<Vec<(String, String)>>>;

    /// A backend that refuses its first requests with this status.
    async fn backend(refusals: usize, with: StatusCode) -> (String, Seen) {
        let seen = Seen::default();
        let log = Arc::clone(&seen);
        let left = Arc::new(AtomicUsize::new(refusals));
        let app = axum::Router::new().route(
            "/hook",
            axum::routing::post(move |headers: HeaderMap, body: String| {
                let (log, left) = (Arc::clone(&log), Arc::clone(&left));
                async move {
                    if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                        return with;
                    }
                    let token = headers[AUTHORIZATION].to_str().unwrap().to_owned();
                    log.lock().unwrap().push((token, body));
                    StatusCode::OK
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (url, seen)
    }

    fn event(room: &str, name: &str) -> Hook {
        let room = livekit::proto::Room { sid: room.to_owned(), ..Default::default() };
        Box::new(WebhookEvent { event: name.to_owned(), room: Some(room), ..Default::default() })
    }

    fn target(url: String) -> Arc<Target> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = Arc::new(LiveKitKey { key: "key".to_owned(), secret: model::Secret::new("secret".to_owned()) });
        Arc::new(Target { url, key, client: reqwest::Client::new(), waiting: AtomicUsize::new(0) })
    }

    #[tokio::test]
    async fn events_of_a_room_come_in_order_though_the_first_is_refused_twice() {
        let (url, seen) = backend(2, StatusCode::SERVICE_UNAVAILABLE).await;
        let (sender, events) = mpsc::channel(16);
        let running = tokio::spawn(distribute(events, vec![target(url)]));
        for name in ["room_started", "participant_joined", "room_finished"] {
            sender.send(event("RM_1", name)).await.unwrap();
        }
        drop(sender);
        running.await.unwrap();
        let seen = seen.lock().unwrap();
        let names: Vec<String> =
            seen.iter().map(|(_, body)| json::read::<WebhookEvent>(body.as_bytes()).unwrap().event).collect();
        assert_eq!(names, ["room_started", "participant_joined", "room_finished"]);
        let keys =
            auth::LiveKitKeys::new(LiveKitKey { key: "key".into(), secret: model::Secret::new("secret".into()) });
        let now = model::Timestamp(jiff::Timestamp::now().as_millisecond());
        for (token, body) in seen.iter() {
            let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(body));
            assert_eq!(keys.verify(now, token).unwrap().sha256, hash);
        }
    }

    #[tokio::test]
    async fn what_is_refused_for_good_is_given_up_and_the_next_goes_out() {
        let (url, seen) = backend(1, StatusCode::BAD_REQUEST).await;
        let target = target(url);
        target.deliver(&event("RM_1", "room_started")).await;
        assert!(seen.lock().unwrap().is_empty());
        target.deliver(&event("RM_1", "room_finished")).await;
        assert_eq!(seen.lock().unwrap().len(), 1);
    }
}
