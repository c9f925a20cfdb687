//! Your app's public keys (JWKS): what they can verify. Fetching them is the server's job.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// Why a text is not a key set that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON of the form `{"keys": […]}`.
    #[error("not a JSON Web Key Set: {0}")]
    Malformed(String),
    /// No key in it is one for RS256, ES256 or EdDSA.
    #[error("the key set has no RS256, ES256 or EdDSA key")]
    NothingUsable,
}

/// Public keys, each good for exactly one algorithm. Shared secrets (`oct`) in a set are passed over: a key that is
/// published cannot be one.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|k| (&k.id, k.algorithm))).finish()
    }
}

impl KeySet {
    /// Reads a key set; keys for other uses or algorithms are passed over.
    pub fn parse(json: &str) -> Result<Self, KeySetError> {
        let set: JwkSet = serde_json::from_str(json).map_err(|e| KeySetError::Malformed(e.to_string()))?;
        let keys: Vec<Key> = set
            .keys
            .iter()
            .filter(|jwk| !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)))
            .filter_map(|jwk| {
                let algorithm = algorithm_of(&jwk.algorithm)?;
                let key = DecodingKey::from_jwk(jwk).ok()?;
                Some(Key { id: jwk.common.key_id.clone(), algorithm, key })
            })
            .collect();
        if keys.is_empty() { Err(KeySetError::NothingUsable) } else { Ok(Self { keys }) }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it holds none (never so for one that was parsed).
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys a token of this algorithm and key id may have been signed with.
    pub(crate) fn candidates<'a>(
        &'a self,
        algorithm: Algorithm,
        id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| {
                key.algorithm == algorithm && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
            })
            .map(|key| &key.key)
    }
}

fn algorithm_of(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        _ => None,
    }
}
