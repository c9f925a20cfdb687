//! The database answers nothing for a while, not even with an error: what rings, rings.

use std::sync::Arc;
use std::time::Duration;

use auth::UserClaims;
use call::{CallSnapshot, Record};
use control::{
    Account, AdminStore, ApiKey, AuditEntry, AuditQuery, AuditRecord, CallPage, Channel, ChannelRecordingRules, Doomed,
    Erased, HistoryQuery, IceServerEntry, IssuedTurn, QualitySample, Recording, RecordingChange, RecordingFile,
    RecordingPage, RecordingQuery, RecordingStore, Store, StoreError, StoredEvent, UsageOf, User, UserPatch,
    UserRecords, Viewer,
};
use futures_util::future::join_all;
use model::{CallId, ChannelId, NodeId, Permission, RecordingId, Timestamp, UserId};
use serde_json::{Value, json};
use storage::FileId;
use store::SqliteStore;
use tokio::sync::watch;
use uuid::Uuid;

use crate::server::{SECRET, Server, claims, now};
use crate::socket::Socket;

/// Pairs of people who call each other. So many that an edge which waits half a second for each ring's names is not done in time.
const PAIRS: usize = 12;
const HANGS_FOR: Duration = Duration::from_secs(10);

/// A store that can be made to answer nothing.
struct Hanging {
    store: SqliteStore,
    hangs: watch::Receiver<bool>,
}

impl Hanging {
    async fn answers(&self) {
        let mut hangs = self.hangs.clone();
        _ = hangs.wait_for(|hangs| !hangs).await;
    }
}

macro_rules! hanging {
    ($trait:ident: $($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        #[async_trait::async_trait]
        impl $trait for Hanging {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$out, StoreError> {
                self.answers().await;
                self.store.$name($($arg),*).await
            })*
        }
    };
}

hanging! { AdminStore:
    ice_servers() -> Vec<IceServerEntry>;
    put_ice_server(server: &IceServerEntry) -> ();
    delete_ice_server(id: Uuid) -> bool;
    note_turn_credentials(issued: &[IssuedTurn]) -> ();
    turn_credentials(user: &UserId, now: Timestamp) -> Vec<IssuedTurn>;
    put_api_key(key: &ApiKey, secret_hash: &[u8; 32]) -> ();
    api_keys() -> Vec<ApiKey>;
    api_key(secret_hash: &[u8; 32]) -> Option<ApiKey>;
    revoke_api_key(id: Uuid, now: Timestamp) -> bool;
    touch_api_key(id: Uuid, now: Timestamp) -> ();
    audit(record: &AuditRecord, keep_from: Timestamp) -> ();
    audit_log(query: &AuditQuery) -> Vec<AuditEntry>;
    user_records(user: &UserId) -> Option<UserRecords>;
    calls_of(user: &UserId, after: Option<CallId>, limit: usize) -> Vec<CallSnapshot>;
    erase_user(user: &UserId, alias: &UserId, now: Timestamp) -> Option<Erased>;
}

hanging! { RecordingStore:
    put_recording(recording: &Recording) -> bool;
    recording(id: RecordingId) -> Option<Recording>;
    find_recordings(query: &RecordingQuery) -> RecordingPage;
    unfinished_recordings() -> Vec<Recording>;
    may_see_recording(id: RecordingId, viewer: &Viewer) -> bool;
    change_recording(id: RecordingId, change: &RecordingChange, now: Timestamp) -> Option<Recording>;
    put_recording_file(file: &RecordingFile) -> ();
    recording_files(id: RecordingId) -> Vec<RecordingFile>;
    doom_recording(id: RecordingId, now: Timestamp) -> Doomed;
    doomed_files(limit: usize) -> Vec<RecordingFile>;
    forget_recording_file(id: FileId) -> ();
    expired_recordings(now: Timestamp, limit: usize) -> Vec<RecordingId>;
    recording_usage(of: &UsageOf) -> u64;
    channel_recording_rules(channel: &ChannelId) -> ChannelRecordingRules;
    put_channel_recording_rules(channel: &ChannelId, rules: &ChannelRecordingRules) -> bool;
}

hanging! { Store:
    applied(node: NodeId) -> u64;
    apply(node: NodeId, records: &[(u64, Record)]) -> ();
    pass_over(node: NodeId, sequence: u64) -> ();
    replay(node: NodeId, sequence: u64, record: &Record) -> bool;
    check() -> ();
    running_calls() -> Vec<CallSnapshot>;
    call(id: CallId) -> Option<CallSnapshot>;
    history(query: &HistoryQuery) -> CallPage;
    events(call: CallId) -> Vec<StoredEvent>;
    put_quality(call: CallId, samples: &[QualitySample]) -> ();
    quality(call: CallId, limit: usize) -> Vec<QualitySample>;
    sweep_quality(before: Timestamp) -> u64;
    upsert_user(id: &UserId, patch: &UserPatch, now: Timestamp) -> User;
    users(ids: &[UserId]) -> Vec<User>;
    search_users(query: &str, after: Option<&UserId>, limit: usize) -> Vec<User>;
    create_account(account: &Account, name: &str, now: Timestamp) -> ();
    account(username: &str) -> Option<Account>;
    upsert_channel(channel: &Channel) -> ();
    channel(id: &ChannelId) -> Option<Channel>;
    channels(of: Option<&UserId>) -> Vec<Channel>;
    delete_channel(id: &ChannelId) -> ();
    put_session(token_hash: &[u8; 32], user: &UserId, permissions: &[Permission], expires: Timestamp) -> ();
    session(token_hash: &[u8; 32], now: Timestamp) -> Option<(UserId, Vec<Permission>, Timestamp)>;
    delete_session(token_hash: &[u8; 32]) -> ();
}

/// Names are in the database alone.
fn nameless_token(user: &str) -> String {
    auth::mint_user(SECRET, &UserClaims { name: None, ..claims(user) }, now())
}

async fn named(socket: &mut Socket, wanted: &str) -> Value {
    loop {
        let news = socket.expect("call:names").await;
        let users = news["users"].as_array().unwrap();
        if let Some(user) = users.iter().find(|user| user["userId"] == wanted) {
            return user.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_go_out_before_the_database_is_back_and_names_follow() {
    let (hang, hangs) = watch::channel(false);
    let server = Server::on(|store| Arc::new(Hanging { store, hangs: hangs.clone() })).await;
    for pair in 0..PAIRS {
        for (id, name) in [(format!("caller{pair}"), "Alice"), (format!("callee{pair}"), "Bob")] {
            let patch = UserPatch { name: Some(format!("{name} {pair}")), ..UserPatch::default() };
            server.handle.upsert_user(&UserId::new(id).unwrap(), patch).await.unwrap();
        }
    }

    hang.send_replace(true);
    let until = hang.clone();
    let back = tokio::spawn(async move {
        tokio::time::sleep(HANGS_FOR).await;
        until.send_replace(false);
    });
    let dial = async |user: String| {
        let auth = json!({"token": nameless_token(&user), "deviceId": "phone"});
        let mut socket = Socket::dial(&server, auth, &[]).await.unwrap();
        assert_eq!(socket.event().await.0, "presence:state");
        socket
    };
    let mut caller = dial("caller0".to_owned()).await;
    let mut callees = join_all((0..PAIRS).map(|pair| dial(format!("callee{pair}")))).await;
    let initiate = async |pair: usize| {
        let body = json!({"targetUserId": format!("callee{pair}")});
        let answer = server.post("/api/calls/initiate", &nameless_token(&format!("caller{pair}")), body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    };
    let rings = join_all(callees.iter_mut().map(|socket| socket.expect("call:incoming")));
    let (rings, _) = tokio::join!(rings, join_all((0..PAIRS).map(initiate)));
    for (pair, ring) in rings.iter().enumerate() {
        let caller = format!("caller{pair}");
        assert_eq!((&ring["caller"]["id"], &ring["caller"]["name"]), (&json!(caller), &json!(caller)));
        assert_eq!(ring["caller"]["presence"], "in_call");
    }
    let ack = callees[0].ask("call:accept", json!({"callId": rings[0]["callId"]})).await;
    assert_eq!(ack["ok"], true, "{ack}");
    caller.expect("call:accepted").await;
    let joined = caller.expect("call:participant-joined").await;
    assert_eq!(joined["participant"]["userId"], "callee0");
    assert_eq!(joined["participant"]["deviceId"], "phone");
    assert!(*hang.borrow(), "somebody waited until the database was back");

    back.abort();
    hang.send_replace(false);
    assert_eq!(named(&mut caller, "callee0").await["name"], "Bob 0");
    for (pair, socket) in callees.iter_mut().enumerate() {
        let user = named(socket, &format!("caller{pair}")).await;
        let expected = json!({"userId": format!("caller{pair}"), "name": format!("Alice {pair}"), "avatarUrl": null, "isGuest": false});
        assert_eq!(user, expected);
    }
}
