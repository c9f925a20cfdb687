//! LiveKit's access token (JWT HS256).

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use model::{CallId, DeviceId, Secret, Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::Refusal;
use crate::jwt::{header, open, quoted, seconds, sign, unverified_issuer};
use crate::names::shown_name;

/// The claims of a LiveKit access token.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveKitClaims {
    /// ID of the API key that signed the token.
    pub iss: String,
    /// The participant's identity.
    pub sub: String,
    /// Expiry, seconds since the epoch; the fraction that a maker may have put there is cut off.
    #[serde(deserialize_with = "whole_seconds")]
    pub exp: u64,
    /// Not before, likewise.
    #[serde(deserialize_with = "whole_seconds")]
    pub nbf: u64,
    /// Display name, as others may see it ([`shown_name`]).
    pub name: String,
    /// Participant metadata.
    pub metadata: String,
    /// Participant attributes.
    pub attributes: HashMap<String, String>,
    /// standard, agent, egress, ingress, sip.
    pub kind: String,
    /// How the room is to be that the holder opens: LiveKit's RoomConfiguration in JSON, for its protocol to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_config: Option<Map<String, Value>>,
    /// The name of such a configuration that the server has.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room_preset: String,
    /// Base64 SHA-256 of a webhook's body.
    pub sha256: String,
    /// What the token lets its holder do.
    pub video: VideoGrant,
}

/// The `video` grant. Absent `canPublish`, `canSubscribe` and `canPublishData` mean yes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct VideoGrant {
    pub room_create: bool,
    pub room_list: bool,
    pub room_record: bool,
    pub room_admin: bool,
    pub room_join: bool,
    pub room: String,
    pub destination_room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe_metrics: Option<bool>,
    pub ingress_admin: bool,
    pub hidden: bool,
    pub recorder: bool,
    pub agent: bool,
}

/// The attribute of a call's token that names the device it was minted for.
const DEVICE_ATTRIBUTE: &str = "stoa.device";

/// An API key with its secret. LiveKit's development secret has six bytes, so any length is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveKitKey {
    /// ID of the key, which tokens name as `iss`.
    pub key: String,
    /// The secret that signs.
    pub secret: Secret<String>,
}

/// The API keys whose tokens are taken; calls' own tokens are minted with the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveKitKeys {
    own: LiveKitKey,
    others: Vec<LiveKitKey>,
}

impl LiveKitKeys {
    /// With the key that mints calls' tokens.
    pub fn new(own: LiveKitKey) -> Self {
        Self { own, others: Vec::new() }
    }

    /// Takes tokens of another key, too.
    pub fn and(mut self, other: LiveKitKey) -> Self {
        self.others.push(other);
        self
    }

    /// The key that mints.
    pub fn own(&self) -> &LiveKitKey {
        &self.own
    }

    /// The key of this name.
    pub fn find(&self, name: &str) -> Option<&LiveKitKey> {
        std::iter::once(&self.own).chain(&self.others).find(|key| key.key == name)
    }

    /// Checks signature and time of an access token. What it grants is for the caller to look at.
    pub fn verify(&self, now: Timestamp, token: &str) -> Result<LiveKitClaims, Refusal> {
        let header = header(token)?;
        let issuer = unverified_issuer(token)?;
        let key = self.find(&issuer).ok_or_else(|| Refusal::UnknownKey(quoted(&issuer)))?;
        if header.alg != Algorithm::HS256 {
            return Err(Refusal::Algorithm);
        }
        let claims = open(token, &DecodingKey::from_secret(key.secret.reveal().as_bytes()), Algorithm::HS256)?;
        claims.in_time(now)?;
        let mut claims: LiveKitClaims = claims.read()?;
        claims.name = shown_name(&claims.name).unwrap_or_default();
        Ok(claims)
    }
}

fn whole_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // A cast of a number out of range ends at the range's end.
    f64::deserialize(deserializer).map(|date| date as u64)
}

impl LiveKitClaims {
    /// The device a call's token was minted for.
    pub fn device(&self) -> Option<&str> {
        self.attributes.get(DEVICE_ATTRIBUTE).map(String::as_str)
    }
}

/// Mints an access token; the issuer is the key.
pub fn mint_livekit(key: &LiveKitKey, claims: &LiveKitClaims) -> String {
    let claims = LiveKitClaims { iss: key.key.clone(), ..claims.clone() };
    sign(key.secret.reveal().as_bytes(), &claims)
}

/// What lets one device of one user into a call's room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPass<'a> {
    /// The call; its room has its name.
    pub call: CallId,
    /// The user who is let in.
    pub user: &'a UserId,
    /// The device they use.
    pub device: &'a DeviceId,
    /// What the others see.
    pub name: &'a str,
    /// How long it is good for.
    pub ttl: Duration,
}

/// Mints the token of a call's room; also says when it expires.
pub fn mint_call_pass(key: &LiveKitKey, pass: &CallPass<'_>, now: Timestamp) -> (String, Timestamp) {
    let expires = now + pass.ttl;
    let claims = LiveKitClaims {
        sub: pass.user.to_string(),
        name: pass.name.to_owned(),
        exp: seconds(expires),
        nbf: seconds(now),
        attributes: HashMap::from([(DEVICE_ATTRIBUTE.to_owned(), pass.device.to_string())]),
        video: VideoGrant {
            room_join: true,
            room: pass.call.to_string(),
            can_publish: Some(true),
            can_subscribe: Some(true),
            can_publish_data: Some(true),
            can_update_own_metadata: Some(true),
            ..VideoGrant::default()
        },
        ..LiveKitClaims::default()
    };
    (mint_livekit(key, &claims), expires)
}
