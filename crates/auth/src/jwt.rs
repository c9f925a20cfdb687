//! What both kinds of token have in common: the header, the signature, and one reading of the registered claims (RFC 7519 §4.1).

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{LEEWAY_SECONDS, LONGEST_TOKEN, Refusal};

/// The longest name of an unknown claim, key and so on that a refusal repeats, in characters.
const LONGEST_QUOTE: usize = 64;

/// Signs claims with HS256.
pub(crate) fn sign<T: Serialize>(secret: &[u8], claims: &T) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .expect("an HMAC takes any key, and our claims are plain JSON")
}

/// A moment in a token that we make: whole seconds, which every reader takes.
pub(crate) fn seconds(at: Timestamp) -> u64 {
    at.as_millis().div_euclid(1_000).max(0).unsigned_abs()
}

/// The header of a token that may be looked at further.
pub(crate) fn header(token: &str) -> Result<Header, Refusal> {
    if token.len() > LONGEST_TOKEN {
        return Err(Refusal::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
    // Whoever does not understand all of them must refuse, and we know none.
    if header.crit.is_some() { Err(Refusal::Critical) } else { Ok(header) }
}

/// Who a token says has made it, before any signature was checked: good for choosing the key that must have, and for nothing else.
pub(crate) fn unverified_issuer(token: &str) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: Option<String>,
    }
    let claims: Issuer = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Refusal::Malformed)?;
    Ok(claims.iss.unwrap_or_default())
}

/// As much of a text as a refusal may repeat.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(LONGEST_QUOTE).collect()
}

/// The claims of a token whose signature holds under a key made for one algorithm.
pub(crate) fn open(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, Refusal> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let opened = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation);
    let mut claims = opened.map_err(|_| Refusal::Signature)?.claims;
    without_nulls(&mut claims);
    Ok(Claims(claims))
}

/// A claim that is `null` is one that is not there.
fn without_nulls(object: &mut Map<String, Value>) {
    object.retain(|_, value| !value.is_null());
    for value in object.values_mut() {
        if let Value::Object(inner) = value {
            without_nulls(inner);
        }
    }
}

/// The claims of a token whose signature holds.
pub(crate) struct Claims(Map<String, Value>);

impl Claims {
    /// Refuses a token that is not good now, give or take the leeway. `exp` must be there. Gives it, in seconds since the epoch.
    pub fn in_time(&self, now: Timestamp) -> Result<f64, Refusal> {
        let now = now.as_millis() as f64 / 1_000.0;
        let leeway = LEEWAY_SECONDS as f64;
        let expires = self.date("exp")?.ok_or(Refusal::Missing("exp"))?;
        if now >= expires + leeway {
            return Err(Refusal::Expired { seconds: (now - expires) as u64 });
        }
        match self.date("nbf")? {
            Some(from) if now < from - leeway => Err(Refusal::NotYetValid { seconds: (from - now).ceil() as u64 }),
            Some(_) | None => Ok(expires),
        }
    }

    /// A NumericDate: seconds since the epoch, whole or not.
    fn date(&self, claim: &'static str) -> Result<Option<f64>, Refusal> {
        let Some(value) = self.0.get(claim) else { return Ok(None) };
        let date = value.as_f64().filter(|date| date.is_finite());
        let wrong = || Refusal::Claim { claim: claim.to_owned(), wanted: "a number of seconds" };
        date.map(Some).ok_or_else(wrong)
    }

    /// Refuses a token whose claim, a text or a list of them, does not hold a name; any where none is wanted.
    pub fn names(&self, claim: &'static str, wanted: Option<&str>) -> Result<(), Refusal> {
        let Some(wanted) = wanted else { return Ok(()) };
        let is_named = match self.0.get(claim).ok_or(Refusal::Missing(claim))? {
            Value::String(name) => name == wanted,
            Value::Array(names) => names.iter().any(|name| name == wanted),
            _ => false,
        };
        let wrong = || Refusal::Claim { claim: claim.to_owned(), wanted: "the value this server is set to accept" };
        if is_named { Ok(()) } else { Err(wrong()) }
    }

    /// All of them, in a form of which every part may be left out; what the form does not have is passed over.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        let claims = self.0;
        serde_json::from_value(Value::Object(claims.clone())).map_err(|_| {
            // Which one it was, the parser does not say: it is the one that cannot be read alone either.
            let is_wrong = |(name, value): &(&String, &Value)| {
                let alone = Map::from_iter([((*name).clone(), (*value).clone())]);
                serde_json::from_value::<T>(Value::Object(alone)).is_err()
            };
            let wrong = claims.iter().find(is_wrong).map(|(name, _)| quoted(name));
            Refusal::Claim { claim: wrong.unwrap_or_default(), wanted: "of the right type" }
        })
    }
}
