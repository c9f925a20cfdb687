//! Group 2: who may ask.

#![allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]

mod desk;

use desk::{Client, Desk, PEER, REALM, SECRET, UNIX, config, secret, tuple, udp, user};
use turn::message::{Builder, Class, Key, Method, attr};
use turn::{ConfigError, Output, Server, Transport};

#[test]
fn a_stranger_is_challenged_with_realm_and_nonce() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    for method in [Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind] {
        let bytes = client.bare(method, udp);
        let reply = desk.ask(client.tuple, &bytes).expect("a challenge");
        assert_eq!(reply.code(), 401, "{method:?}");
        assert_eq!(reply.text(attr::REALM).as_deref(), Some(REALM));
        assert_eq!(reply.text(attr::NONCE).map(|nonce| nonce.len()), Some(24));
        assert_eq!(reply.message().attribute(attr::SOFTWARE), None);
    }
}

#[test]
fn missing_credentials_beside_an_integrity_are_400() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.challenge(&mut desk);
    let all = [
        (attr::USERNAME, client.username.clone()),
        (attr::REALM, REALM.to_owned()),
        (attr::NONCE, client.nonce.clone().expect("a nonce")),
    ];
    for missing in 0..3 {
        let mut builder = udp(Builder::new(Class::Request, Method::Allocate, client.transaction()));
        for (at, (kind, value)) in all.iter().enumerate() {
            if at != missing {
                builder = builder.attribute(*kind, value.as_bytes());
            }
        }
        let reply = desk.ask(client.tuple, &builder.integrity(&client.key).finish()).expect("an answer");
        assert_eq!(reply.code(), 400, "without attribute {missing}");
    }
}

#[test]
fn a_wrong_password_secret_realm_or_user_is_401() {
    let mut desk = Desk::new(config());
    let good = Client::new("198.51.100.20:5000", "alice");
    let mut foreign = Client::with(good.tuple, "another secret of another house", "alice", UNIX + 60);
    assert_eq!(foreign.ask(&mut desk, Method::Allocate, udp).code(), 401);
    let mut realm = good.clone();
    realm.realm = "other".to_owned();
    assert_eq!(realm.ask(&mut desk, Method::Allocate, udp).code(), 401);
    let mut other = good.clone();
    other.username = other.username.replace("alice", "mallory");
    assert_eq!(other.ask(&mut desk, Method::Allocate, udp).code(), 401);
    let mut longer = good.clone();
    longer.username = format!("{}:alice", UNIX + 7_200);
    assert_eq!(longer.ask(&mut desk, Method::Allocate, udp).code(), 401, "the expiry is signed too");
    assert_eq!(desk.server.metrics().allocations, 0);
}

#[test]
fn expired_empty_and_overflowing_timestamps_are_401() {
    let mut desk = Desk::new(config());
    let place = tuple("198.51.100.20:5000", Transport::Udp);
    for expires in [UNIX, UNIX - 1, 0] {
        let mut client = Client::with(place, SECRET, "alice", expires);
        assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 401, "{expires}");
    }
    for username in [
        "",
        ":",
        ":alice",
        "alice",
        "1900000000",
        "1900000000:",
        "18446744073709551616:alice",
        "-1:alice",
        "1e10:alice",
        "١٩٠٠٠٠٠٠٠٠:alice",
    ] {
        // The password is right for the name: only the name is bad.
        let mut mac = <hmac::Hmac<sha1::Sha1> as hmac::KeyInit>::new_from_slice(SECRET.as_bytes()).expect("any key");
        hmac::Mac::update(&mut mac, username.as_bytes());
        let sum = hmac::Mac::finalize(mac).into_bytes();
        let password = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum);
        let mut client = Client::named(tuple("198.51.100.21:5000", Transport::Udp), username, &password);
        assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 401, "{username:?}");
        desk.pass(1);
    }
}

#[test]
fn a_nonce_is_worth_nothing_from_another_source() {
    let mut desk = Desk::new(config());
    let mut alice = Client::new("198.51.100.20:5000", "alice");
    alice.allocate(&mut desk);
    for thief in [
        tuple("198.51.100.21:5000", Transport::Udp),
        tuple("198.51.100.20:5001", Transport::Udp),
        tuple("198.51.100.20:5000", Transport::Tcp),
    ] {
        let mut stolen = alice.clone();
        stolen.tuple = thief;
        let reply = stolen.ask(&mut desk, Method::Allocate, udp);
        assert_eq!(reply.code(), 438, "{thief:?}");
        assert_ne!(reply.text(attr::NONCE), alice.nonce, "and a fresh one is offered");
    }
}

#[test]
fn a_nonce_runs_out_and_is_not_guessed() {
    let mut desk = Desk::new(config());
    let mut client = Client::with(tuple("198.51.100.20:5000", Transport::Udp), SECRET, "alice", UNIX + 90_000);
    client.allocate(&mut desk);
    desk.pass(599);
    assert_eq!(client.refresh(&mut desk, 3_600).code(), 0);
    desk.pass(3_002);
    let stale = client.refresh(&mut desk, 3_600);
    assert_eq!(stale.code(), 438);
    client.nonce = stale.text(attr::NONCE);
    assert_eq!(client.refresh(&mut desk, 3_600).code(), 0, "the new one is good");
    let good = client.nonce.clone().expect("a nonce");
    for at in 0..good.len() {
        let mut forged = good.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        client.nonce = Some(String::from_utf8(forged).expect("ascii"));
        assert_eq!(client.refresh(&mut desk, 600).code(), 438, "character {at}");
        desk.pass(1);
    }
    for other in ["", "A", "AAAAAAAAAAAAAAAAAAAAAAAAA", "!!!!!!!!!!!!!!!!!!!!!!!!"] {
        client.nonce = Some(other.to_owned());
        assert_eq!(client.refresh(&mut desk, 600).code(), 438, "{other:?}");
    }
}

#[test]
fn what_follows_the_integrity_is_not_there() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    // LIFETIME 0 behind the signature would release the allocation.
    let mut bytes = client.signed(Method::Refresh, |b| b);
    bytes.extend_from_slice(&[0x00, 0x0D, 0, 4, 0, 0, 0, 0]);
    let length = u16::try_from(bytes.len() - 20).expect("short").to_be_bytes();
    bytes[2..4].copy_from_slice(&length);
    let reply = desk.ask(client.tuple, &bytes).expect("an answer");
    assert_eq!((reply.code(), reply.number(attr::LIFETIME)), (0, Some(600)));
    assert_eq!(desk.server.metrics().allocations, 1);
    // A peer behind it is no peer.
    let mut bytes = client.signed(Method::CreatePermission, |b| b);
    let tail = Builder::new(Class::Request, Method::Binding, turn::message::TransactionId([1; 12]));
    bytes.extend_from_slice(&tail.address(attr::XOR_PEER_ADDRESS, PEER).finish()[20..]);
    let length = u16::try_from(bytes.len() - 20).expect("short").to_be_bytes();
    bytes[2..4].copy_from_slice(&length);
    assert_eq!(desk.ask(client.tuple, &bytes).expect("an answer").code(), 400);
}

#[test]
fn another_user_does_not_touch_an_allocation() {
    let mut desk = Desk::new(config());
    let mut alice = Client::new("198.51.100.20:5000", "alice");
    alice.allocate(&mut desk);
    let mut mallory = Client::with(alice.tuple, SECRET, "mallory", UNIX + 3_600);
    mallory.transactions += 500;
    mallory.nonce = alice.nonce.clone();
    assert_eq!(mallory.refresh(&mut desk, 0).code(), 441);
    assert_eq!(mallory.permit(&mut desk, PEER), 441);
    assert_eq!(mallory.bind(&mut desk, 0x4000, PEER), 441);
    assert_eq!(mallory.ask(&mut desk, Method::Allocate, udp).code(), 441);
    assert_eq!(desk.server.metrics().allocations, 1);
}

#[test]
fn a_rotation_drops_no_call_and_old_credentials_last_one_rotation() {
    let mut desk = Desk::new(config());
    let mut running = Client::new("198.51.100.20:5000", "alice");
    running.allocate(&mut desk);
    desk.server.rotate_secret(secret("the next secret of the house"));
    let mut before = Client::new("198.51.100.21:5000", "bob");
    before.allocate(&mut desk);
    let mut after =
        Client::with(tuple("198.51.100.22:5000", Transport::Udp), "the next secret of the house", "carol", UNIX + 60);
    after.allocate(&mut desk);
    desk.server.rotate_secret(secret("and yet another secret"));
    assert_eq!(running.refresh(&mut desk, 600).code(), 0, "two rotations later");
    let mut late = Client::new("198.51.100.23:5000", "dave");
    assert_eq!(late.ask(&mut desk, Method::Allocate, udp).code(), 401);
}

#[test]
fn expiry_is_asked_for_at_allocate_only() {
    let mut desk = Desk::new(config());
    let mut client = Client::with(tuple("198.51.100.20:5000", Transport::Udp), SECRET, "alice", UNIX + 60);
    client.allocate(&mut desk);
    for _ in 0..6 {
        desk.pass(500);
        assert_eq!(client.refresh(&mut desk, 600).code(), 0, "a long call goes on");
        assert_eq!(client.permit(&mut desk, PEER), 0);
    }
    assert_eq!(client.refresh(&mut desk, 0).code(), 0);
    assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 401);
}

#[test]
fn the_wall_clock_may_be_set_right() {
    let mut desk = Desk::new(config());
    desk.server.handle_wall_clock(desk.now, UNIX + 10_000);
    let mut client = Client::new("198.51.100.20:5000", "alice");
    assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 401, "by now it has expired");
    desk.server.handle_wall_clock(desk.now, UNIX);
    assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 0);
}

#[test]
fn a_revoked_user_is_out_until_new_credentials() {
    let mut desk = Desk::new(config());
    let mut alice = Client::new("198.51.100.20:5000", "alice");
    let mut second = Client::new("198.51.100.20:5001", "alice");
    let mut bob = Client::new("198.51.100.21:5000", "bob");
    for client in [&mut alice, &mut second, &mut bob] {
        client.allocate(&mut desk);
    }
    desk.server.revoke(desk.now, &user("alice"), UNIX + 3_600);
    desk.pass(0);
    let revoked = |event: &&Output| matches!(event, Output::Ended { reason: turn::Ended::Revoked, .. });
    assert_eq!(desk.events.iter().filter(revoked).count(), 2);
    assert_eq!(alice.refresh(&mut desk, 600).code(), 437);
    assert_eq!(alice.ask(&mut desk, Method::Allocate, udp).code(), 401);
    assert_eq!(bob.refresh(&mut desk, 600).code(), 0, "nobody else is harmed");
    let mut again = Client::with(alice.tuple, SECRET, "alice", UNIX + 3_601);
    again.transactions += 900;
    again.allocate(&mut desk);
}

#[test]
fn an_answer_carries_a_fingerprint_where_the_request_did() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let plain = client.bare(Method::Binding, |b| b);
    assert!(!desk.ask(client.tuple, &plain).expect("an answer").message().has_fingerprint());
    let marked = client.bare(Method::Binding, Builder::fingerprint);
    assert!(desk.ask(client.tuple, &marked).expect("an answer").message().has_fingerprint());
}

#[test]
fn sha256_alone_proves_nothing_here_and_misleads_nobody() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.challenge(&mut desk);
    let nonce = client.nonce.clone().expect("a nonce");
    let bytes = udp(Builder::new(Class::Request, Method::Allocate, client.transaction()))
        .attribute(attr::USERNAME, client.username.as_bytes())
        .attribute(attr::REALM, REALM.as_bytes())
        .attribute(attr::NONCE, nonce.as_bytes())
        .attribute(attr::MESSAGE_INTEGRITY_SHA256, &[0; 32])
        .integrity(&client.key)
        .finish();
    assert_eq!(desk.ask(client.tuple, &bytes).expect("an answer").code(), 401);
}

#[test]
fn weak_secrets_and_long_realms_fail_the_start() {
    let now = std::time::Instant::now();
    let mut weak = config();
    weak.secrets.current = secret("short");
    assert_eq!(Server::new(weak, now, 0).err(), Some(ConfigError::Secret));
    for realm in ["", "much.too.long", "a b", "a:b"] {
        let mut config = config();
        config.realm = realm.to_owned();
        assert_eq!(Server::new(config, now, 0).err(), Some(ConfigError::Realm), "{realm:?}");
    }
}

#[test]
fn keys_and_secrets_do_not_print() {
    let key = format!("{:?}", Key::long_term("alice", REALM, "open sesame"));
    assert_eq!(key, "Key(***)");
    let printed = format!("{:?}", config());
    assert!(!printed.contains(SECRET));
}
