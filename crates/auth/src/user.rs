//! The bearer token of a host app's user: HS256 with a shared secret, or RS256/ES256/EdDSA with a key of the host's set.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{ChannelId, Permission, Secret, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::jwks::KeySet;
use crate::{LONGEST_TOKEN, Unauthorized, in_time};

/// What a token without `permissions` may do.
pub const DEFAULT_PERMISSIONS: &[Permission] = &[Permission::CallsCreate, Permission::CallsJoin];

/// What a user's token says, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserClaims {
    /// `sub`.
    pub user: UserId,
    /// `name`.
    pub name: Option<String>,
    /// `avatar_url`.
    pub avatar_url: Option<String>,
    /// `permissions`, words we do not know left out; [`DEFAULT_PERMISSIONS`] where the claim is absent.
    pub permissions: Vec<Permission>,
    /// `channels`: channels the host app says the user is a member of.
    pub channels: Vec<ChannelId>,
    /// `exp`.
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
    pub fn verify(&self, now: Timestamp, token: &str) -> Result<UserClaims, Unauthorized> {
        let claims = self.signed_claims(token)?;
        let expires = claims.exp.ok_or(Unauthorized)?;
        if !in_time(now, claims.nbf, expires) {
            return Err(Unauthorized);
        }
        if !named(self.issuer.as_deref(), claims.iss.as_ref()) || !named(self.audience.as_deref(), claims.aud.as_ref())
        {
            return Err(Unauthorized);
        }
        Ok(UserClaims {
            user: UserId::new(claims.sub.ok_or(Unauthorized)?).map_err(|_| Unauthorized)?,
            name: claims.name.filter(|name| !name.trim().is_empty()),
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
    fn signed_claims(&self, token: &str) -> Result<Claims, Unauthorized> {
        if token.len() > LONGEST_TOKEN {
            return Err(Unauthorized);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Unauthorized)?;
        match header.alg {
            Algorithm::HS256 => {
                let secret = self.secret.as_ref().ok_or(Unauthorized)?;
                open(token, &DecodingKey::from_secret(secret.reveal()), Algorithm::HS256)
            }
            Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => self
                .keys
                .iter()
                .flat_map(|keys| keys.candidates(header.alg, header.kid.as_deref()))
                .find_map(|key| open(token, key, header.alg).ok())
                .ok_or(Unauthorized),
            _ => Err(Unauthorized),
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
        ..Claims::default()
    };
    sign(secret, &claims)
}

/// Signs claims with HS256.
pub(crate) fn sign<T: Serialize>(secret: &[u8], claims: &T) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .expect("an HMAC takes any key, and our claims are plain JSON")
}

/// Checks a signature with one key and one algorithm; time and names are the caller's to check.
pub(crate) fn open<T: serde::de::DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<T, Unauthorized> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode(token, key, &validation).map(|data| data.claims).map_err(|_| Unauthorized)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_millis().div_euclid(1_000) as f64
}

/// Whether a claim holds the wanted name; true where none is wanted.
fn named(wanted: Option<&str>, claim: Option<&OneOrMany>) -> bool {
    match (wanted, claim) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wanted), Some(OneOrMany::One(name))) => name == wanted,
        (Some(wanted), Some(OneOrMany::Many(names))) => names.iter().any(|name| name == wanted),
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<OneOrMany>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<OneOrMany>,
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    exp: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}
