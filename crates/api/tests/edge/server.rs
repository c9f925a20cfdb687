//! A whole edge in one process, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::{Api, ApiConfig};
use auth::{LiveKitKey, LiveKitKeys, UserClaims, UserVerifier};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use control::{Control, MediaNotices, RecordingSettings, Recordings, Settings, Store};
use model::{Permission, Secret, Timestamp, UserId};
use serde_json::{Value, json};
use store::SqliteStore;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use crate::media::{Plane, Shared};

pub const SECRET: &[u8] = b"what the host app signs with";

pub struct Server {
    pub router: Router,
    pub address: SocketAddr,
    pub plane: Arc<Plane>,
    pub handle: control::Handle,
    pub recordings: Recordings,
    pub data: tempfile::TempDir,
    _notices: mpsc::Sender<control::MediaNotice>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no refusal: {}", self.text)).to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub fn dev_key() -> LiveKitKey {
    LiveKitKey { key: "devkey".into(), secret: Secret::new("secret".into()) }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::with_settings(|_| {}, change).await
    }

    /// One whose calls go by other settings.
    pub async fn with_call(change: impl FnOnce(&mut call::Config)) -> Self {
        Self::with_settings(|settings| change(&mut settings.call), |_| {}).await
    }

    /// One whose store is this one, made of the usual.
    pub async fn on(wrap: impl FnOnce(SqliteStore) -> Arc<dyn Store>) -> Self {
        Self::assemble(wrap, |_| {}, |_| {}, |_| {}).await
    }

    /// One that keeps recordings by other settings, and lets them be uploaded.
    pub async fn with_recordings(
        change_recording: impl FnOnce(&mut RecordingSettings),
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let on = |config: &mut ApiConfig| {
            config.features.call_recording = true;
            change(config);
        };
        Self::assemble(|store| Arc::new(store), |_| {}, change_recording, on).await
    }

    /// The control plane's settings, then the edge's.
    pub async fn with_settings(
        change_settings: impl FnOnce(&mut Settings),
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        Self::assemble(|store| Arc::new(store), change_settings, |_| {}, change).await
    }

    async fn assemble(
        wrap: impl FnOnce(SqliteStore) -> Arc<dyn Store>,
        change_settings: impl FnOnce(&mut Settings),
        change_recording: impl FnOnce(&mut RecordingSettings),
        change: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = store::open(data.path().join("stoa.db")).await.unwrap();
        let plane = Arc::new(Plane::default());
        let (notices, from_media) = mpsc::channel(16);
        let (recorded, from_recordings) = mpsc::channel(16);
        let mut settings = Settings {
            journal_dir: data.path().join("journal"),
            call: call::Config::default(),
            strict_users: false,
            keep_quality: std::time::Duration::from_secs(2_592_000),
            linger: control::LINGER,
            seed: 7,
        };
        change_settings(&mut settings);
        let media = Arc::new(Shared(plane.clone()));
        _ = plane.recordings.set(recorded);
        let from_media = MediaNotices { rooms: from_media, recordings: from_recordings };
        let handle = Control::start(settings, wrap(store), media, from_media).await.unwrap();
        let keys = LiveKitKeys::new(LiveKitKey { key: "own".into(), secret: Secret::new("own secret".into()) });
        let users = UserVerifier::new().with_secret(SECRET);
        let mut config = ApiConfig::new(handle.clone(), users, keys.and(dev_key()));
        config.dev = true;
        config.auto_create_rooms = true;
        config.limits.sign_in_burst = 100;
        let recordings = recordings(data.path(), &handle, change_recording).await;
        config.recordings = Some(recordings.clone());
        change(&mut config);
        let router = Api::start(config).router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { router, address, plane, handle, recordings, data, _notices: notices }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Where everything is kept.
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// One request with a bearer token.
    pub async fn ask(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        let mut request = request(method, path).header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token, None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask("POST", path, token, Some(body)).await
    }

    /// A call from one user to another, ringing; its id.
    pub async fn ring(&self, from: &str, to: &str) -> String {
        let answer = self.post("/api/calls/initiate", &token(from), json!({"targetUserId": to})).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["callId"].as_str().unwrap().to_owned()
    }
}

async fn recordings(
    data: &std::path::Path,
    handle: &control::Handle,
    change: impl FnOnce(&mut RecordingSettings),
) -> Recordings {
    let folder = storage::Folder::open(data.join("storage")).unwrap();
    let keys = storage::Identity::make().unwrap().1;
    let storage = storage::Storage::new(Arc::new(folder), storage::Keys::parse(keys.reveal()).unwrap());
    let mut settings = RecordingSettings { disk_reserve: 0, ..RecordingSettings::new(data.join("recordings")) };
    settings.sweep_every = Duration::from_millis(50);
    change(&mut settings);
    Recordings::start(settings, handle.clone(), Arc::new(storage), None, None).await.unwrap()
}

pub fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path).header("host", "stoa.test")
}

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(since.as_millis() as i64)
}

pub fn claims(user: &str) -> UserClaims {
    UserClaims {
        user: UserId::new(user).unwrap(),
        name: Some(format!("{} of the tests", user)),
        avatar_url: None,
        permissions: auth::DEFAULT_PERMISSIONS.to_vec(),
        channels: Vec::new(),
        expires: now() + Duration::from_secs(600),
    }
}

pub fn token(user: &str) -> String {
    auth::mint_user(SECRET, &claims(user), now())
}

/// Of someone who may record.
pub fn recorder(user: &str) -> String {
    let permissions = vec![Permission::CallsCreate, Permission::CallsJoin, Permission::CallsRecord];
    auth::mint_user(SECRET, &UserClaims { permissions, ..claims(user) }, now())
}

pub fn admin(user: &str) -> String {
    auth::mint_user(SECRET, &UserClaims { permissions: vec![Permission::Admin], ..claims(user) }, now())
}

/// Puts stable words in the place of ids, times and tokens.
pub fn scrub(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter_mut() {
                let is_time =
                    value.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z') && text.contains('T'));
                if is_time {
                    *value = json!("[time]");
                } else if key == "token" {
                    *value = json!("[token]");
                } else {
                    scrub(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(scrub),
        Value::String(text) if text.parse::<model::CallId>().is_ok() => *text = "[uuid]".to_owned(),
        _ => {}
    }
}

pub fn scrubbed(mut value: Value) -> Value {
    scrub(&mut value);
    value
}
