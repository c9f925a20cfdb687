//! The store by itself, on a real file.

mod support;

use call::{
    CallSnapshot, Consent, ParticipantSnapshot, QualitySummary, Record, RecordingOptions, RecordingSnapshot, Transfer,
};
use control::{Account, AdminStore, Channel, HistoryQuery, Store, StoreError, UserPatch};
use model::{
    CallId, CallKind, CallMedia, CallStatus, DeviceId, EndReason, NodeId, ParticipantId, ParticipantStatus, Permission,
    QualityBand, RecordingDecline, RecordingId, RecordingPolicy, RecordingStatus, Secret, Timestamp, Topology,
    TransferMode, VideoQuality,
};
use sqlx::{ConnectOptions, Connection, Executor};
use store::{OpenError, SqliteStore};
use support::{NODE, channel, user};
use uuid::Uuid;

struct Place {
    _directory: tempfile::TempDir,
    store: SqliteStore,
}

async fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let store = store::open(directory.path().join("stoa.db")).await.unwrap();
    Place { _directory: directory, store }
}

fn part(n: u128, who: &str) -> ParticipantSnapshot {
    ParticipantSnapshot {
        id: ParticipantId(Uuid::from_u128(n)),
        user: user(who),
        status: ParticipantStatus::Left,
        device: Some(DeviceId::new("phone").unwrap()),
        invited_at: Timestamp(1),
        joined_at: Some(Timestamp(2)),
        left_at: Some(Timestamp(3)),
        left_reason: Some(EndReason::ConnectionLost),
        seconds: 77,
        is_muted: true,
        is_video_enabled: false,
        is_screen_sharing: true,
        video_quality: VideoQuality::P1080,
        is_on_hold: true,
        is_hard_muted: true,
        recording_consent: Some(Consent { given: true, at: Timestamp(2) }),
        quality: Some(QualitySummary {
            reports: 3,
            band: QualityBand::Fair,
            packet_loss: Some(1.5),
            jitter_ms: None,
            round_trip_ms: Some(80.0),
        }),
    }
}

/// A call with every column filled.
fn ended_call(n: u128, at: i64, users: &[&str]) -> CallSnapshot {
    CallSnapshot {
        id: CallId(Uuid::from_u128(n)),
        kind: CallKind::Group,
        media: CallMedia::ScreenShare,
        topology: Topology::Sfu,
        status: CallStatus::Ended,
        initiator: user(users[0]),
        channel: Some(channel("somewhere")),
        in_channel: false,
        created_at: Timestamp(at),
        started_at: Some(Timestamp(at + 1)),
        connected_at: Some(Timestamp(at + 2)),
        ended_at: Some(Timestamp(at + 60_002)),
        end_reason: Some(EndReason::Completed),
        ended_by: Some(user(users[0])),
        ring_until: Timestamp(at + 30_000),
        max_participants: 100,
        metadata: serde_json::json!({ "topic": "ü", "n": [1, 2.5, null] }),
        merged_into: None,
        transfer: Some(Transfer {
            by: user("alice"),
            target: user("bob"),
            mode: TransferMode::Attended,
            held: Vec::new(),
        }),
        recording: Some(RecordingSnapshot {
            id: RecordingId(Uuid::from_u128(n + 1)),
            status: RecordingStatus::Processing,
            policy: RecordingPolicy::Ask,
            decline: RecordingDecline::Leave,
            started_by: Some(user(users[0])),
            started_at: Timestamp(at + 3),
            began_at: Some(Timestamp(at + 4)),
            ended_at: Some(Timestamp(at + 60_002)),
            ended_by: Some(user(users[0])),
            error: Some("disk_full".to_owned()),
            options: RecordingOptions { retention_days: Some(30), ..RecordingOptions::default() },
        }),
        is_recorded: true,
        participants: users.iter().enumerate().map(|(place, who)| part(n * 1_000 + place as u128, who)).collect(),
    }
}

fn record(call: &CallSnapshot, event: &str) -> Record {
    let payload = serde_json::json!({ "a": 1 });
    Record { at: Timestamp(5), event: event.to_owned(), user: Some(user("a")), payload, call: call.clone() }
}

fn query(who: &str) -> HistoryQuery {
    HistoryQuery { user: user(who), statuses: Vec::new(), channel: None, with: None, before: None, limit: 100 }
}

#[tokio::test]
async fn a_call_reads_back_as_it_was_written() {
    let Place { store, _directory } = place().await;
    let call = ended_call(1, 1_000, &["a", "b", "c"]);
    store.apply(NODE, &[(1, record(&call, "ended"))]).await.unwrap();
    assert_eq!(store.call(call.id).await.unwrap(), Some(call.clone()));
    assert_eq!(store.call(CallId(Uuid::nil())).await.unwrap(), None);
    assert!(store.running_calls().await.unwrap().is_empty());
    let events = store.events(call.id).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].id, events[0].event.as_str(), &events[0].user), (1, "ended", &Some(user("a"))));
    let bare = CallSnapshot {
        status: CallStatus::Ringing,
        channel: None,
        started_at: None,
        connected_at: None,
        ended_at: None,
        end_reason: None,
        ended_by: None,
        metadata: serde_json::Value::Null,
        ..ended_call(2, 2_000, &["a"])
    };
    store.apply(NODE, &[(2, record(&bare, "ringing"))]).await.unwrap();
    assert_eq!(store.running_calls().await.unwrap(), [bare]);
}

#[tokio::test]
async fn records_that_are_there_already_are_passed_over() {
    let Place { store, _directory } = place().await;
    let before = ended_call(1, 1_000, &["a", "b"]);
    let after = CallSnapshot { end_reason: Some(EndReason::Empty), ..ended_call(1, 1_000, &["a", "b", "c"]) };
    let all = [(1, record(&before, "x")), (2, record(&before, "y")), (3, record(&after, "z"))];
    store.apply(NODE, &all[..2]).await.unwrap();
    store.apply(NODE, &all).await.unwrap();
    store.apply(NODE, &all[..1]).await.unwrap();
    assert_eq!(store.applied(NODE).await.unwrap(), 3);
    assert_eq!(store.call(after.id).await.unwrap(), Some(after.clone()));
    let names: Vec<String> = store.events(after.id).await.unwrap().into_iter().map(|event| event.event).collect();
    assert_eq!(names, ["x", "y", "z"]);
}

#[tokio::test]
async fn each_node_has_sequences_of_its_own() {
    let Place { store, _directory } = place().await;
    let other = NodeId(Uuid::from_u128(8));
    let (one, two) = (ended_call(1, 1_000, &["a", "b"]), ended_call(2, 1_000, &["a", "b"]));
    store.apply(NODE, &[(1, record(&one, "x")), (2, record(&one, "y"))]).await.unwrap();
    store.apply(other, &[(1, record(&two, "z"))]).await.unwrap();
    assert_eq!((store.applied(NODE).await, store.applied(other).await), (Ok(2), Ok(1)));
    store.pass_over(other, 5).await.unwrap();
    assert_eq!((store.applied(NODE).await, store.applied(other).await), (Ok(2), Ok(5)));
    assert_eq!(store.replay(NODE, 1, &record(&one, "x")).await, Ok(false), "it is there");
    assert_eq!(store.replay(other, 2, &record(&two, "w")).await, Ok(true), "that one is another's");
    let names = async |call: &CallSnapshot| {
        let events = store.events(call.id).await.unwrap();
        events.into_iter().map(|event| (event.id, event.event)).collect::<Vec<_>>()
    };
    assert_eq!(names(&one).await, [(1, "x".to_owned()), (2, "y".to_owned())]);
    assert_eq!(names(&two).await, [(1, "z".to_owned()), (2, "w".to_owned())]);
    let third = NodeId(Uuid::from_u128(9));
    assert_eq!(store.applied(third).await, Ok(0), "it gets nothing of the others'");
}

#[tokio::test]
async fn a_batch_with_a_fault_leaves_nothing() {
    let Place { store, _directory } = place().await;
    let good = ended_call(1, 1_000, &["a", "b"]);
    // Over, but without an end: the schema does not take it.
    let bad = CallSnapshot { ended_at: None, ..ended_call(2, 1_000, &["a", "b"]) };
    let refused = store.apply(NODE, &[(1, record(&good, "x")), (2, record(&bad, "x"))]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
    assert_eq!(store.applied(NODE).await.unwrap(), 0);
    assert_eq!(store.call(good.id).await.unwrap(), None);
}

#[tokio::test]
async fn history_page_by_page_meets_every_call_once() {
    let Place { store, _directory } = place().await;
    let team = Channel {
        id: channel("team"),
        name: "Team".to_owned(),
        members: vec![user("a"), user("late")],
        active_call: None,
        created_at: Timestamp(0),
    };
    store.upsert_channel(&team).await.unwrap();
    let mut records = Vec::new();
    for n in 0..500_u128 {
        // Many at the same moment: the id decides.
        let at = 1_000 + (n / 7) as i64;
        let users: &[&str] = if n % 5 == 0 { &["b", "c"] } else { &["a", "b"] };
        let mut call = ended_call(n + 1, at, users);
        call.in_channel = n % 3 == 0;
        call.channel = call.in_channel.then(|| channel("team"));
        call.status = if n % 2 == 0 { CallStatus::Ended } else { CallStatus::Declined };
        records.push((n as u64 + 1, record(&call, "ended")));
    }
    store.apply(NODE, &records).await.unwrap();
    let calls: Vec<&CallSnapshot> = records.iter().map(|(_, record)| &record.call).collect();
    let a = user("a");
    type Belongs<'a> = Box<dyn Fn(&CallSnapshot) -> bool + 'a>;
    let cases: Vec<(HistoryQuery, Belongs<'_>)> = vec![
        (query("a"), Box::new(|call| call.participant(&a).is_some() || call.in_channel)),
        (query("late"), Box::new(|call| call.in_channel)),
        (query("stranger"), Box::new(|_| false)),
        (HistoryQuery { channel: Some(channel("team")), ..query("a") }, Box::new(|call| call.in_channel)),
        (
            HistoryQuery { channel: Some(channel("team")), ..query("c") },
            Box::new(|call| call.in_channel && call.participant(&user("c")).is_some()),
        ),
        (
            HistoryQuery { statuses: vec![CallStatus::Declined], with: Some(user("c")), ..query("a") },
            Box::new(|call| {
                call.status == CallStatus::Declined
                    && call.participant(&user("c")).is_some()
                    && (call.in_channel || call.participant(&a).is_some())
            }),
        ),
    ];
    for (query, belongs) in cases {
        let mut expected: Vec<&CallSnapshot> = calls.iter().copied().filter(|call| belongs(call)).collect();
        expected.sort_by_key(|call| std::cmp::Reverse((call.created_at, call.id)));
        let mut found = Vec::new();
        let mut page_query = HistoryQuery { limit: 17, ..query.clone() };
        loop {
            let page = store.history(&page_query).await.unwrap();
            assert!(page.calls.len() <= 17);
            found.extend(page.calls);
            match page.next {
                Some(next) => page_query.before = Some(next),
                None => break,
            }
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query:?}");
    }
    let nowhere = HistoryQuery { before: Some(CallId(Uuid::from_u128(99_999))), ..query("a") };
    assert!(store.history(&nowhere).await.unwrap().calls.is_empty());
}

#[tokio::test]
async fn users_keep_what_is_known_and_take_what_is_new() {
    let Place { store, _directory } = place().await;
    let id = user("ann");
    let bare = store.upsert_user(&id, &UserPatch::default(), Timestamp(10)).await.unwrap();
    assert_eq!((bare.name.as_str(), bare.created_at), ("ann", Timestamp(10)));
    let patch = UserPatch { name: Some("Ännchen".to_owned()), avatar_url: Some("u".to_owned()), is_guest: true };
    store.upsert_user(&id, &patch, Timestamp(20)).await.unwrap();
    let kept = store.upsert_user(&id, &UserPatch::default(), Timestamp(30)).await.unwrap();
    assert_eq!((kept.name.as_str(), kept.avatar_url.as_deref(), kept.is_guest), ("Ännchen", Some("u"), true));
    assert_eq!(kept.created_at, Timestamp(10));
    for (id, name) in [("1", "Bob Smith"), ("2", "bob"), ("3", "Carol"), ("4", "Bob Smith")] {
        let patch = UserPatch { name: Some(name.to_owned()), ..UserPatch::default() };
        store.upsert_user(&user(id), &patch, Timestamp(1)).await.unwrap();
    }
    let names = async |query: &str, after: Option<&str>, limit: usize| -> Vec<String> {
        let after = after.map(user);
        let users = store.search_users(query, after.as_ref(), limit).await.unwrap();
        users.into_iter().map(|user| user.id.to_string()).collect()
    };
    assert_eq!(names("BOB", None, 10).await, ["2", "1", "4"]);
    assert_eq!(names("smith", None, 1).await, ["1"]);
    assert_eq!(names("smith", Some("1"), 10).await, ["4"]);
    assert_eq!(names("änn", None, 10).await, ["ann"], "folded in every script");
    assert_eq!(names("%", None, 10).await, Vec::<String>::new(), "no wildcards");
    assert_eq!(names("", None, 10).await, ["2", "1", "4", "3", "ann"]);
    let some = store.users(&[user("3"), user("nobody"), user("1")]).await.unwrap();
    assert_eq!(some.len(), 2);
}

#[tokio::test]
async fn an_account_name_is_taken_once() {
    let Place { store, _directory } = place().await;
    let account = Account {
        username: "ann".to_owned(),
        user: user("u-1"),
        password_hash: Secret::new("$argon2id$…".to_owned()),
        permissions: vec![Permission::CallsCreate, Permission::Admin],
    };
    store.create_account(&account, "Ann", Timestamp(1)).await.unwrap();
    assert_eq!(store.account("ann").await.unwrap(), Some(account.clone()));
    assert_eq!(store.account("bob").await.unwrap(), None);
    let same_name = Account { user: user("u-2"), ..account.clone() };
    assert_eq!(store.create_account(&same_name, "Other", Timestamp(2)).await, Err(StoreError::Conflict));
    assert!(store.users(&[user("u-2")]).await.unwrap().is_empty(), "the user of a refused account is not made");
    let alike = Account { username: "аnn".to_owned(), user: user("u-3"), ..account.clone() };
    assert_eq!(store.create_account(&alike, "Other", Timestamp(2)).await, Err(StoreError::Conflict), "a Cyrillic а");
    let same_user = Account { username: "ann2".to_owned(), ..account };
    assert_eq!(store.create_account(&same_user, "Other", Timestamp(2)).await, Err(StoreError::Conflict));
    assert_eq!(store.users(&[user("u-1")]).await.unwrap()[0].name, "Ann", "nor is an existing one renamed");
}

#[tokio::test]
async fn sessions_end_by_time_and_by_wish() {
    let Place { store, _directory } = place().await;
    let far = Timestamp(4_000_000_000_000);
    store.put_session(&[1; 32], &user("ann"), &[Permission::Admin], far).await.unwrap();
    store.put_session(&[2; 32], &user("ann"), &[], far).await.unwrap();
    let found = store.session(&[1; 32], Timestamp(0)).await.unwrap();
    assert_eq!(found, Some((user("ann"), vec![Permission::Admin], far)));
    assert_eq!(store.session(&[1; 32], far).await.unwrap(), None);
    assert_eq!(store.session(&[3; 32], Timestamp(0)).await.unwrap(), None);
    store.delete_session(&[1; 32]).await.unwrap();
    assert_eq!(store.session(&[1; 32], Timestamp(0)).await.unwrap(), None);
    assert!(store.session(&[2; 32], Timestamp(0)).await.unwrap().is_some());
}

#[tokio::test]
async fn channels_are_replaced_whole() {
    let Place { store, _directory } = place().await;
    let mut team = Channel {
        id: channel("team"),
        name: "Team".to_owned(),
        members: ["c", "a", "b"].map(user).to_vec(),
        active_call: None,
        created_at: Timestamp(7),
    };
    store.upsert_channel(&team).await.unwrap();
    assert_eq!(store.channel(&team.id).await.unwrap(), Some(team.clone()), "in the order they were named");
    team.members = ["b", "d", "c"].map(user).to_vec();
    team.name = "Crew".to_owned();
    store.upsert_channel(&team).await.unwrap();
    assert_eq!(store.channels(Some(&user("d"))).await.unwrap(), [team.clone()]);
    assert_eq!(store.channels(None).await.unwrap(), [team.clone()]);
    assert!(store.channels(Some(&user("a"))).await.unwrap().is_empty());
    store.delete_channel(&team.id).await.unwrap();
    assert_eq!(store.channel(&team.id).await.unwrap(), None);
    assert!(store.channels(Some(&user("b"))).await.unwrap().is_empty());
}

#[tokio::test]
async fn accounts_of_earlier_versions_keep_their_names_to_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stoa.db");
    let store = store::open(&path).await.unwrap();
    let account = |username: &str, id: &str| Account {
        username: username.to_owned(),
        user: user(id),
        password_hash: Secret::new("$argon2id$…".to_owned()),
        permissions: Vec::new(),
    };
    store.create_account(&account("paypal", "u-1"), "Pay", Timestamp(1)).await.unwrap();
    store.close().await;
    let mut before = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    before.execute("UPDATE accounts SET skeleton = NULL").await.unwrap();
    before.close().await.unwrap();
    let store = store::open(&path).await.unwrap();
    let alike = store.create_account(&account("paypa1", "u-2"), "Pay", Timestamp(2)).await;
    assert_eq!(alike, Err(StoreError::Conflict));
    store.create_account(&account("payback", "u-2"), "Pay", Timestamp(2)).await.unwrap();
}

#[tokio::test]
async fn migrations_say_what_they_did() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deeper/stoa.db");
    let first = store::migrate(&path).await.unwrap();
    assert_eq!((first.from, first.to), (0, first.applied.last().unwrap().0));
    let second = store::migrate(&path).await.unwrap();
    assert_eq!((second.from, second.applied.len()), (first.to, 0));
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let said = |error: OpenError| {
        let line = error.to_string();
        assert!(!line.contains('\n'), "{line}");
        line
    };
    let file = directory.path().join("a file");
    std::fs::write(&file, "not a database, and long enough to have a header: ".repeat(100)).unwrap();
    let error = store::open(&file).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{}", said(error));
    let error = store::open(file.join("stoa.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{}", said(error));
    let error = store::open("/proc/stoa.db").await.unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{}", said(error));

    let newer = directory.path().join("newer.db");
    store::migrate(&newer).await.unwrap();
    let mut raw = sqlx::sqlite::SqliteConnectOptions::new().filename(&newer).connect().await.unwrap();
    raw.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)",
    )
    .await
    .unwrap();
    raw.close().await.unwrap();
    let error = store::open(&newer).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{}", said(error));

    let locked = directory.path().join("locked.db");
    let mut raw =
        sqlx::sqlite::SqliteConnectOptions::new().filename(&locked).create_if_missing(true).connect().await.unwrap();
    raw.execute("BEGIN EXCLUSIVE; CREATE TABLE mine (a)").await.unwrap();
    let error = store::open(&locked).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{}", said(error));
}

#[tokio::test]
async fn who_is_erased_is_gone_from_recordings_too() {
    let Place { store, _directory } = place().await;
    let call = ended_call(1, 1_000, &["a", "b"]);
    store.apply(NODE, &[(1, record(&call, "ended"))]).await.unwrap();
    let gone = Some(user("gone"));
    store.erase_user(&user("a"), &user("gone"), Timestamp(9)).await.unwrap().expect("there was one");
    let kept = store.call(call.id).await.unwrap().expect("it is b's, too");
    let recording = kept.recording.expect("it was recorded");
    assert_eq!((recording.started_by, recording.ended_by), (gone.clone(), gone));
}
