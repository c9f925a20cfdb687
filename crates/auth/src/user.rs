//! The bearer token of your app's users: HS256 with a shared secret, or RS256/ES256/EdDSA with a key of your app's set.

use jsonwebtoken::{Algorithm, DecodingKey};
use model::{ChannelId, Permission, Secret, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::jwks::KeySet;
use crate::jwt::{self, header, open, seconds, sign};
use crate::names::shown_name;

/// What a token without `permissions` may do.
pub const DEFAULT_PERMISSIONS: &[Permission] = &[Permission::CallsCreate, Permission::CallsJoin];

/// What a user's token says, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserClaims {
    /// The user, from `sub`.
    pub user: UserId,
    /// `name`, as others may see it ([`shown_name`]).
    pub name: Option<String>,
    /// Address of a picture, from `avatar_url`; `None` where the token has none.
    pub avatar_url: Option<String>,
    /// `permissions`, words we do not know left out; [`DEFAULT_PERMISSIONS`] where the claim is absent.
    pub permissions: Vec<Permission>,
    /// `channels`: channels the host app says the user is a member of.
    pub channels: Vec<ChannelId>,
    /// When the token expires, from `exp`.
    pub expires: Timestamp,
}

/// The keys user tokens are checked against.
#[derive(Debug, Clone, Default)]
pub struct UserVerifier {
    secret: Option<Secret<Vec<u8>>>,
    keys: Option<KeySet>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl UserVerifier {
    /// Takes no token yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes HS256 tokens signed with this secret.
    pub fn with_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(Secret::new(secret.into()));
        self
    }

    /// Takes tokens signed with one of these keys.
    pub fn with_keys(mut self, keys: KeySet) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Takes only tokens of this `iss`.
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Takes only tokens for this `aud`.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Checks signature, time, issuer and audience.
    pub fn verify(&self, now: Timestamp, token: &str) -> Result<UserClaims, Refusal> {
        let claims = self.signed_claims(token)?;
        let expires = claims.in_time(now)?;
        claims.names("iss", self.issuer.as_deref())?;
        claims.names("aud", self.audience.as_deref())?;
        let claims: Claims = claims.read()?;
        let user = UserId::new(claims.sub.ok_or(Refusal::Missing("sub"))?);
        Ok(UserClaims {
            user: user.map_err(|_| Refusal::Claim { claim: "sub".to_owned(), wanted: "a valid user ID" })?,
            name: claims.name.as_deref().and_then(shown_name),
            avatar_url: claims.avatar_url,
            permissions: match claims.permissions {
                Some(words) => words.iter().filter_map(|word| word.parse().ok()).collect(),
                None => DEFAULT_PERMISSIONS.to_vec(),
            },
            channels: claims.channels.iter().filter_map(|id| ChannelId::new(id).ok()).collect(),
            expires: Timestamp((expires * 1_000.0) as i64),
        })
    }

    /// The claims of a token whose signature holds under a key made for the algorithm the token names.
    fn signed_claims(&self, token: &str) -> Result<jwt::Claims, Refusal> {
        let header = header(token)?;
        match (header.alg, &self.secret) {
            (Algorithm::HS256, Some(secret)) => {
                open(token, &DecodingKey::from_secret(secret.reveal()), Algorithm::HS256)
            }
            (Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA, _) => {
                let candidates = self.keys.iter().flat_map(|keys| keys.candidates(header.alg, header.kid.as_deref()));
                let mut refused = Refusal::NoPublicKey;
                for key in candidates {
                    match open(token, key, header.alg) {
                        Ok(claims) => return Ok(claims),
                        Err(refusal) => refused = refusal,
                    }
                }
                Err(refused)
            }
            _ => Err(Refusal::Algorithm),
        }
    }
}

/// Mints a user's token with the shared secret.
pub fn mint_user(secret: &[u8], claims: &UserClaims, now: Timestamp) -> String {
    let claims = Claims {
        sub: Some(claims.user.to_string()),
        name: claims.name.clone(),
        avatar_url: claims.avatar_url.clone(),
        permissions: Some(claims.permissions.iter().map(|p| p.as_str().to_owned()).collect()),
        channels: claims.channels.iter().map(ChannelId::to_string).collect(),
        iat: Some(seconds(now)),
        exp: Some(seconds(claims.expires)),
    };
    sign(secret, &claims)
}

/// What a user's token says of its user; `iat` and `exp` are for minting alone, for [`jwt::Claims`] is what reads times.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Claims {
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_deserializing)]
    iat: Option<u64>,
    #[serde(skip_deserializing)]
    exp: Option<u64>,
}
