//! Every way a token may be wrong, as tables: what the log says of it, and what its sender may hear.

use std::time::Duration;

use auth::{
    CallPass, DEFAULT_PERMISSIONS, KeySet, KeySetError, LiveKitClaims, LiveKitKey, LiveKitKeys, Refusal, SessionToken,
    UserClaims, UserVerifier, VideoGrant, hash_password, mint_call_pass, mint_livekit, mint_user, session_hash,
    shown_name, verify_absent, verify_password,
};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{CallId, ChannelId, DeviceId, Permission, Secret, Timestamp, UserId};
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a shared secret of the host app";
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const NOW_SECONDS: i64 = 1_800_000_000;

fn claims() -> UserClaims {
    UserClaims {
        user: UserId::new("alice").unwrap(),
        name: Some("Alice".into()),
        avatar_url: None,
        permissions: vec![Permission::CallsCreate],
        channels: vec![ChannelId::new("team").unwrap()],
        expires: NOW + Duration::from_secs(60),
    }
}

fn signed(algorithm: Algorithm, key: &EncodingKey, kid: Option<&str>, body: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, body, key).unwrap()
}

fn hs256(body: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(SECRET), None, body)
}

fn alice(more: Value) -> Value {
    let mut body = json!({"sub": "alice", "exp": NOW_SECONDS + 60});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_minted_token_reads_back() {
    let token = mint_user(SECRET, &claims(), NOW);
    assert_eq!(UserVerifier::new().with_secret(SECRET).verify(NOW, &token), Ok(claims()));
}

#[test]
fn time_has_a_minute_of_leeway() {
    let verifier = UserVerifier::new().with_secret(SECRET);
    for (body, taken) in [
        (json!({"sub": "a", "exp": NOW_SECONDS - 59}), true),
        (json!({"sub": "a", "exp": NOW_SECONDS - 60}), false),
        (json!({"sub": "a", "exp": NOW_SECONDS as f64 + 0.5}), true),
        (json!({"sub": "a", "exp": NOW_SECONDS + 9, "nbf": NOW_SECONDS + 60}), true),
        (json!({"sub": "a", "exp": NOW_SECONDS + 9, "nbf": NOW_SECONDS + 61}), false),
        (json!({"sub": "a"}), false),
        (json!({"sub": "a", "exp": "soon"}), false),
    ] {
        assert_eq!(verifier.verify(NOW, &hs256(&body)).is_ok(), taken, "{body}");
    }
}

/// One parser of claims reads both kinds of token.
#[test]
fn dates_may_have_fractions_and_claims_may_be_null() {
    let (users, keys) = (UserVerifier::new().with_secret(SECRET), dev_keys());
    for (more, taken) in [
        (json!({"exp": NOW_SECONDS as f64 + 0.25, "nbf": NOW_SECONDS as f64 - 0.75}), true),
        (json!({"exp": NOW_SECONDS as f64 - 59.5}), true),
        (json!({"exp": NOW_SECONDS as f64 - 60.5}), false),
        (json!({"nbf": NOW_SECONDS as f64 + 60.5}), false),
        (json!({"exp": 1e300}), true),
        (json!({"exp": -1e300}), false),
        (json!({"nbf": null, "iat": null, "name": null, "metadata": null, "attributes": null, "aud": null}), true),
        (json!({"kind": null, "sha256": null, "avatar_url": null, "permissions": null, "channels": null}), true),
        (json!({"attributes": {"a": null, "b": "c"}}), true),
        (json!({"exp": null}), false),
        (json!({"exp": "1800000060"}), false),
    ] {
        let body = alice(more.clone());
        assert_eq!(users.verify(NOW, &hs256(&body)).is_ok(), taken, "{more}");
        let mut body = alice(json!({"iss": "devkey", "video": {"roomJoin": true, "room": "r", "canPublish": null}}));
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let token = signed(Algorithm::HS256, &EncodingKey::from_secret(b"secret"), None, &body);
        let claims = keys.verify(NOW, &token);
        assert_eq!(claims.is_ok(), taken, "{more}");
        assert!(claims.is_err() || claims.unwrap().video.can_publish.is_none());
    }
    let body = json!({"sub": "bob", "iss": "devkey", "exp": NOW_SECONDS as f64 + 9.9, "video": null});
    let token = signed(Algorithm::HS256, &EncodingKey::from_secret(b"secret"), None, &body);
    let claims = keys.verify(NOW, &token).unwrap();
    assert_eq!((claims.exp, claims.nbf, claims.video), (NOW_SECONDS as u64 + 9, 0, VideoGrant::default()));
}

#[test]
fn minted_dates_are_whole_seconds() {
    let token = mint_user(SECRET, &claims(), NOW);
    let body: Value = jsonwebtoken::dangerous::insecure_decode_claims(&token).unwrap();
    assert_eq!((&body["iat"], &body["exp"]), (&json!(NOW_SECONDS), &json!(NOW_SECONDS + 60)));
}

/// Whoever has the key hears which claim is wrong and by how much; nobody else does.
#[test]
fn a_refusal_says_why() {
    let keys = dev_keys();
    let livekit = |secret: &[u8], more: Value| {
        let mut body = json!({"iss": "devkey", "sub": "bob", "exp": NOW_SECONDS + 60});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys.verify(NOW, &signed(Algorithm::HS256, &EncodingKey::from_secret(secret), None, &body)).unwrap_err()
    };
    for (refusal, claim, skew, text) in [
        (livekit(b"secret", json!({"exp": NOW_SECONDS - 75})), "exp", Some(-75), "token is expired (exp): 75 s ago"),
        (livekit(b"secret", json!({"nbf": NOW_SECONDS + 90})), "nbf", Some(90), "token not valid yet (nbf)"),
        (livekit(b"secret", json!({"exp": null})), "exp", None, "the claim exp is missing"),
        (livekit(b"secret", json!({"name": 7})), "name", None, "the claim name is not of the right type"),
        (
            livekit(b"secret", json!({"video": {"roomJoin": "yes"}})),
            "video",
            None,
            "the claim video is not of the right type",
        ),
        (livekit(b"secret", json!({"nbf": "now"})), "nbf", None, "the claim nbf is not a number of seconds"),
    ] {
        assert!(refusal.is_for_holder(), "{refusal}");
        assert_eq!((refusal.claim(), refusal.skew()), (Some(claim), skew));
        assert!(refusal.to_string().contains(text), "{refusal}");
    }
    for (refusal, kind) in [
        (livekit(b"guess", json!({"exp": NOW_SECONDS - 75})), Refusal::Signature),
        (livekit(b"secret", json!({"iss": "nobody"})), Refusal::UnknownKey("nobody".into())),
        (livekit(b"secret", json!({"iss": "x".repeat(999)})), Refusal::UnknownKey("x".repeat(64))),
        (livekit(b"secret", json!({"iss": null})), Refusal::UnknownKey(String::new())),
        (keys.verify(NOW, "a.b.c").unwrap_err(), Refusal::Malformed),
        (keys.verify(NOW, &"x".repeat(auth::LONGEST_TOKEN + 1)).unwrap_err(), Refusal::TooLong),
    ] {
        assert_eq!(refusal, kind);
        assert!(!refusal.is_for_holder());
    }
    let users = UserVerifier::new().with_secret(SECRET).with_issuer("host");
    let refusal = users.verify(NOW, &hs256(&alice(json!({"iss": "elsewhere"})))).unwrap_err();
    assert_eq!((refusal.is_for_holder(), refusal.claim()), (true, Some("iss")));
}

/// RFC 7515 §4.1.11: whoever does not understand what `crit` names must refuse the token.
#[test]
fn a_token_whose_header_demands_what_we_do_not_know_is_refused() {
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!("exp"), json!(7)] {
        let header = base64_url(json!({"alg": "HS256", "typ": "JWT", "crit": crit, "exp": 1}).to_string().as_bytes());
        for (secret, body) in [
            (SECRET, alice(json!({}))),
            (&b"secret"[..], alice(json!({"iss": "devkey", "video": {"roomJoin": true, "room": "r"}}))),
        ] {
            let message = format!("{header}.{}", base64_url(body.to_string().as_bytes()));
            let key = EncodingKey::from_secret(secret);
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
            let token = format!("{message}.{signature}");
            let users = UserVerifier::new().with_secret(SECRET).verify(NOW, &token);
            let refused = matches!(users, Err(Refusal::Critical | Refusal::Malformed));
            assert!(refused, "{crit}: {users:?}");
            assert!(dev_keys().verify(NOW, &token).is_err(), "{crit}");
        }
    }
}

#[test]
fn names_in_tokens_are_cleaned_and_bounded() {
    let users = UserVerifier::new().with_secret(SECRET);
    for (given, shown) in [
        ("exe\u{202e}gnp.nimda".to_owned(), Some("exegnp.nimda".to_owned())),
        ("A\0nn\nLee".to_owned(), Some("Ann Lee".to_owned())),
        ("\u{200b}".to_owned(), None),
        ("x".repeat(9_000), Some("x".repeat(256))),
    ] {
        let user = users.verify(NOW, &hs256(&alice(json!({"name": given})))).unwrap();
        assert_eq!(user.name, shown, "{given:.20?}");
        let body = alice(json!({"iss": "devkey", "name": given}));
        let token = signed(Algorithm::HS256, &EncodingKey::from_secret(b"secret"), None, &body);
        assert_eq!(dev_keys().verify(NOW, &token).unwrap().name, shown.unwrap_or_default(), "{given:.20?}");
    }
}

#[test]
fn claims_are_checked_and_bounded() {
    let verifier = UserVerifier::new().with_secret(SECRET);
    for body in [
        json!({"exp": NOW_SECONDS}),
        alice(json!({"sub": ""})),
        alice(json!({"sub": "x".repeat(129)})),
        alice(json!({"sub": 7})),
    ] {
        assert!(verifier.verify(NOW, &hs256(&body)).is_err(), "{body}");
    }
    let plain = verifier.verify(NOW, &hs256(&alice(json!({})))).unwrap();
    assert_eq!(plain.permissions, DEFAULT_PERMISSIONS);
    let narrowed = verifier.verify(NOW, &hs256(&alice(json!({"permissions": ["calls:join", "fly"]})))).unwrap();
    assert_eq!(narrowed.permissions, [Permission::CallsJoin]);
    let none = verifier.verify(NOW, &hs256(&alice(json!({"permissions": []})))).unwrap();
    assert!(none.permissions.is_empty());
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_wanted() {
    let verifier = UserVerifier::new().with_secret(SECRET).with_issuer("host").with_audience("stoa");
    for (more, taken) in [
        (json!({"iss": "host", "aud": "stoa"}), true),
        (json!({"iss": "host", "aud": ["other", "stoa"]}), true),
        (json!({"iss": "host"}), false),
        (json!({"aud": "stoa"}), false),
        (json!({"iss": "elsewhere", "aud": "stoa"}), false),
        (json!({"iss": "host", "aud": ["other"]}), false),
    ] {
        assert_eq!(verifier.verify(NOW, &hs256(&alice(more.clone()))).is_ok(), taken, "{more}");
    }
    let lax = UserVerifier::new().with_secret(SECRET);
    assert!(lax.verify(NOW, &hs256(&alice(json!({"iss": "any", "aud": "any"})))).is_ok());
}

#[test]
fn forged_tokens_are_refused() {
    let verifier = UserVerifier::new().with_secret(SECRET);
    let good = hs256(&alice(json!({})));
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let none = base64_url(br#"{"alg":"none","typ":"JWT"}"#);
    let other_body = base64_url(alice(json!({"sub": "mallory"})).to_string().as_bytes());
    let wrong_key = signed(Algorithm::HS256, &EncodingKey::from_secret(b"another"), None, &alice(json!({})));
    let hs512 = signed(Algorithm::HS512, &EncodingKey::from_secret(SECRET), None, &alice(json!({})));
    for token in [
        String::new(),
        "..".into(),
        "not a token".into(),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{header}.{body}."),
        format!("{header}.{other_body}.{signature}"),
        format!("{good}.x"),
        wrong_key,
        hs512,
        "x".repeat(auth::LONGEST_TOKEN + 1),
    ] {
        assert!(verifier.verify(NOW, &token).is_err(), "{token:.80}");
    }
    assert!(verifier.verify(NOW, &good).is_ok());
    assert!(UserVerifier::new().verify(NOW, &good).is_err(), "no secret, no HS256");
}

struct Host {
    rsa: EncodingKey,
    ec: EncodingKey,
    ed: EncodingKey,
    set: Value,
}

fn host() -> Host {
    let pem = |algorithm| rcgen::KeyPair::generate_for(algorithm).unwrap().serialize_pem();
    let rsa = EncodingKey::from_rsa_pem(pem(&rcgen::PKCS_RSA_SHA256).as_bytes()).unwrap();
    let ec = EncodingKey::from_ec_pem(pem(&rcgen::PKCS_ECDSA_P256_SHA256).as_bytes()).unwrap();
    let ed_pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let ed = EncodingKey::from_ed_der(&ed_pair.serialize_der());
    let jwk = |key: &EncodingKey, algorithm, id: &str| {
        let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        jwk
    };
    let keys = vec![jwk(&rsa, Algorithm::RS256, "r"), jwk(&ec, Algorithm::ES256, "e")];
    let mut set = serde_json::to_value(JwkSet { keys }).unwrap();
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "kid": "d", "x": base64_url(ed_pair.public_key_raw())});
    set["keys"].as_array_mut().unwrap().push(okp);
    Host { rsa, ec, ed, set }
}

#[test]
fn a_key_set_takes_rs256_es256_and_eddsa() {
    let host = host();
    let verifier = UserVerifier::new().with_keys(KeySet::parse(&host.set.to_string()).unwrap());
    let body = alice(json!({}));
    for (algorithm, key, kid) in
        [(Algorithm::RS256, &host.rsa, "r"), (Algorithm::ES256, &host.ec, "e"), (Algorithm::EdDSA, &host.ed, "d")]
    {
        assert!(verifier.verify(NOW, &signed(algorithm, key, Some(kid), &body)).is_ok(), "{algorithm:?}");
        assert!(verifier.verify(NOW, &signed(algorithm, key, None, &body)).is_ok(), "{algorithm:?} without kid");
        assert!(verifier.verify(NOW, &signed(algorithm, key, Some("x"), &body)).is_err(), "{algorithm:?}, unknown kid");
        let other = self::host();
        let stranger = match algorithm {
            Algorithm::RS256 => &other.rsa,
            Algorithm::ES256 => &other.ec,
            _ => &other.ed,
        };
        assert!(
            verifier.verify(NOW, &signed(algorithm, stranger, Some(kid), &body)).is_err(),
            "{algorithm:?}, wrong key"
        );
    }
    let rs384 = signed(Algorithm::RS384, &host.rsa, Some("r"), &body);
    assert!(verifier.verify(NOW, &rs384).is_err(), "an algorithm the key is not for");
}

/// The classic confusion: a token signed by HMAC with the public key as its secret.
#[test]
fn a_public_key_is_never_an_hmac_secret() {
    let host = host();
    let verifier = UserVerifier::new().with_keys(KeySet::parse(&host.set.to_string()).unwrap());
    for public in [host.set["keys"][0]["n"].as_str().unwrap(), host.set["keys"][2]["x"].as_str().unwrap()] {
        let forged = signed(Algorithm::HS256, &EncodingKey::from_secret(public.as_bytes()), None, &alice(json!({})));
        assert!(verifier.verify(NOW, &forged).is_err());
    }
}

#[test]
fn a_published_shared_secret_is_no_key() {
    let set = json!({"keys": [{"kty": "oct", "k": base64_url(SECRET)}]}).to_string();
    assert_eq!(KeySet::parse(&set).unwrap_err(), KeySetError::NothingUsable);
    assert!(matches!(KeySet::parse("{}"), Err(KeySetError::Malformed(_))));
}

fn dev_keys() -> LiveKitKeys {
    LiveKitKeys::new(LiveKitKey {
        key: "APIown".into(),
        secret: Secret::new("0123456789abcdef0123456789abcdef".into()),
    })
    .and(LiveKitKey { key: "devkey".into(), secret: Secret::new("secret".into()) })
}

fn grant() -> LiveKitClaims {
    LiveKitClaims {
        sub: "bob".into(),
        exp: NOW_SECONDS as u64 + 10,
        video: VideoGrant { room_join: true, room: "lobby".into(), ..VideoGrant::default() },
        ..LiveKitClaims::default()
    }
}

#[test]
fn livekit_tokens_of_every_key_are_taken() {
    let keys = dev_keys();
    let dev = LiveKitKey { key: "devkey".into(), secret: Secret::new("secret".into()) };
    for key in [keys.own(), &dev] {
        let claims = keys.verify(NOW, &mint_livekit(key, &grant())).unwrap();
        assert_eq!(
            (claims.iss.as_str(), claims.sub.as_str(), claims.video.room.as_str()),
            (key.key.as_str(), "bob", "lobby")
        );
    }
}

#[test]
fn livekit_tokens_that_do_not_hold_are_refused() {
    let keys = dev_keys();
    let token = |key: &str, secret: &str, claims: &LiveKitClaims| {
        mint_livekit(&LiveKitKey { key: key.into(), secret: Secret::new(secret.into()) }, claims)
    };
    let none = format!(
        "{}.{}.",
        base64_url(br#"{"alg":"none"}"#),
        base64_url(br#"{"iss":"devkey","sub":"bob","exp":9999999999}"#)
    );
    for refused in [
        token("unknown", "secret", &grant()),
        token("devkey", "secret2", &grant()),
        token("APIown", "secret", &grant()),
        token("devkey", "secret", &LiveKitClaims { exp: NOW_SECONDS as u64 - 60, ..grant() }),
        token("devkey", "secret", &LiveKitClaims { nbf: NOW_SECONDS as u64 + 61, ..grant() }),
        none,
        "x".into(),
    ] {
        assert!(keys.verify(NOW, &refused).is_err());
    }
}

#[test]
fn a_call_pass_names_room_user_and_device() {
    let keys = dev_keys();
    let call: CallId = "0192d3b4-0000-7000-8000-000000000001".parse().unwrap();
    let (user, device) = (UserId::new("bob").unwrap(), DeviceId::new("phone").unwrap());
    let pass = CallPass { call, user: &user, device: &device, name: "Bob", ttl: Duration::from_secs(600) };
    let (token, expires) = mint_call_pass(keys.own(), &pass, NOW);
    let claims = keys.verify(NOW, &token).unwrap();
    assert_eq!(expires, NOW + Duration::from_secs(600));
    assert_eq!((claims.sub.as_str(), claims.name.as_str(), claims.device()), ("bob", "Bob", Some("phone")));
    assert!(claims.video.room_join && !claims.video.room_create && claims.video.room == call.to_string());
    assert!(keys.verify(expires + Duration::from_secs(60), &token).is_err());
}

/// What LiveKit's own SDKs put into a token besides.
#[test]
fn claims_we_do_not_use_do_no_harm() {
    let body = json!({
        "iss": "devkey", "sub": "bob", "exp": NOW_SECONDS + 5, "jti": "bob", "kind": "standard", "sip": {"admin": true},
        "video": {"roomJoin": true, "room": "r", "canPublish": false, "canPublishSources": ["camera"], "kind": "x"},
    });
    let token = signed(Algorithm::HS256, &EncodingKey::from_secret(b"secret"), None, &body);
    let claims = dev_keys().verify(NOW, &token).unwrap();
    assert_eq!((claims.video.can_publish, claims.video.can_subscribe), (Some(false), None));
}

#[test]
fn what_a_token_says_of_its_room_is_read_and_written() {
    let token = |more: Value| {
        let mut body = json!({"iss": "devkey", "sub": "bob", "exp": NOW_SECONDS + 5});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        signed(Algorithm::HS256, &EncodingKey::from_secret(b"secret"), None, &body)
    };
    let config = json!({"maxParticipants": 1, "metadata": "mm", "agents": [{"agentName": "a"}]});
    let claims = dev_keys().verify(NOW, &token(json!({"roomConfig": config, "roomPreset": "p"}))).unwrap();
    assert_eq!((claims.room_config.as_ref(), claims.room_preset.as_str()), (config.as_object(), "p"));
    let dev = LiveKitKey { key: "devkey".into(), secret: Secret::new("secret".into()) };
    let again = dev_keys().verify(NOW, &mint_livekit(&dev, &claims)).unwrap();
    assert_eq!(again, claims);
    for nothing in [json!({}), json!({"roomConfig": null, "roomPreset": null})] {
        let claims = dev_keys().verify(NOW, &token(nothing)).unwrap();
        assert_eq!((claims.room_config, claims.room_preset.as_str()), (None, ""));
    }
    for (claim, wrong) in [("roomConfig", json!("big")), ("roomConfig", json!([])), ("roomPreset", json!({}))] {
        let refusal = dev_keys().verify(NOW, &token(json!({ claim: wrong }))).unwrap_err();
        assert_eq!((refusal.claim(), refusal.is_for_holder()), (Some(claim), true), "{wrong}");
    }
}

#[test]
fn passwords() {
    let hash = hash_password("correct horse", [7; 16]);
    assert!(hash.reveal().starts_with("$argon2id$v=19$"), "{}", hash.reveal());
    assert_ne!(hash.reveal(), hash_password("correct horse", [8; 16]).reveal());
    assert!(verify_password("correct horse", &hash));
    assert!(!verify_password("correct horsf", &hash));
    assert!(!verify_password("", &hash));
    assert!(!verify_password("correct horse", &Secret::new("not a hash".into())));
    assert!(!verify_absent("correct horse"));
}

#[test]
fn sessions_are_known_by_their_hash() {
    let session = SessionToken::from_random([9; 32]);
    assert_eq!(session.token.reveal().len(), 43);
    assert_eq!(session_hash(session.token.reveal()), session.hash);
    assert_eq!(format!("{:?}", session.token), "***");
}

proptest! {
    #[test]
    fn no_text_panics_or_verifies(text in ".{0,200}") {
        prop_assert!(UserVerifier::new().with_secret(SECRET).verify(NOW, &text).is_err());
        prop_assert!(dev_keys().verify(NOW, &text).is_err());
    }

    #[test]
    fn one_changed_character_breaks_a_token(at in 0usize..400, to in "[A-Za-z0-9_.-]") {
        let good = mint_user(SECRET, &claims(), NOW);
        let at = at % good.len();
        let mut changed = good.clone();
        changed.replace_range(at..=at, &to);
        // The last character of base64 may carry bits that no byte uses; the decoder refuses those, too.
        prop_assume!(changed != good);
        prop_assert!(UserVerifier::new().with_secret(SECRET).verify(NOW, &changed).is_err());
    }

    #[test]
    fn any_user_reads_back(id in "[^\\p{Cc}]{1,128}", name in "[^\\p{Cc}]{1,40}") {
        let Ok(user) = UserId::new(&id) else { return Ok(()) };
        let claims = UserClaims { user, name: shown_name(&name), ..claims() };
        let token = mint_user(SECRET, &claims, NOW);
        prop_assert_eq!(UserVerifier::new().with_secret(SECRET).verify(NOW, &token), Ok(claims));
    }
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
