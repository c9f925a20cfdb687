//! The settings that are secrets, and what belongs to them: keys for tokens, webhooks and TURN.
//!
//! A command that needs one of them reads only that one, so mistakes in settings it does not use cannot stop it.

use std::path::PathBuf;

use auth::LiveKitKey;
use model::Secret;

use super::reader::Reader;
use super::sources::Layer;
use super::{Auth, ConfigError, Webhooks};

const SHORTEST_SECRET: usize = 16;
/// LiveKit's pair for development, which its tutorials have people set in their shells.
const DEV_PAIR: (&str, &str) = ("devkey", "secret");

/// LiveKit's key for development, which a server takes with `--dev` only.
pub fn dev_key() -> LiveKitKey {
    LiveKitKey { key: DEV_PAIR.0.to_owned(), secret: Secret::new(DEV_PAIR.1.to_owned()) }
}

/// The configured HS256 secret of user tokens; `None`: the generated one counts.
pub fn token_secret(layer: &Layer) -> Result<Option<Secret<String>>, ConfigError> {
    secret(&Reader::new(layer), "auth.token_secret")
}

/// The configured LiveKit key that mints; `None`: the generated one counts. The pair for development is taken: whether the
/// server runs with `--dev` is not known here.
pub fn minting_key(layer: &Layer) -> Result<Option<LiveKitKey>, ConfigError> {
    livekit_key(&Reader::new(layer), true)
}

/// Whether the settings name the secret of TURN credentials.
pub fn has_turn_secret(layer: &Layer) -> Result<bool, ConfigError> {
    turn_secret(&Reader::new(layer)).map(|secret| secret.is_some())
}

/// The configured secret of TURN credentials.
pub(super) fn turn_secret(read: &Reader<'_>) -> Result<Option<Secret<String>>, ConfigError> {
    secret(read, "turn.secret")
}

fn secret(read: &Reader<'_>, name: &str) -> Result<Option<Secret<String>>, ConfigError> {
    match read.text(name)? {
        Some(secret) if secret.len() < SHORTEST_SECRET => Err(read.refuse(name, &too_short())),
        secret => Ok(secret.map(Secret::new)),
    }
}

fn too_short() -> String {
    format!("must have at least {SHORTEST_SECRET} characters")
}

/// Who may come in.
pub(super) fn auth(read: &Reader<'_>, dev: bool) -> Result<Auth, ConfigError> {
    let auth = Auth {
        token_secret: secret(read, "auth.token_secret")?,
        jwks_url: read.url("auth.jwks_url")?,
        jwks_file: read.text("auth.jwks_file")?.map(PathBuf::from),
        issuer: read.text("auth.issuer")?,
        audience: read.text("auth.audience")?,
        livekit: livekit_key(read, dev)?,
        livekit_others: livekit_keys(read, dev)?,
    };
    if auth.jwks_url.is_some() && auth.jwks_file.is_some() {
        return Err(read.refuse("auth.jwks_file", "set either auth.jwks_url or auth.jwks_file, not both"));
    }
    Ok(auth)
}

fn livekit_key(read: &Reader<'_>, dev: bool) -> Result<Option<LiveKitKey>, ConfigError> {
    match (read.text("livekit.api_key")?, read.text("livekit.api_secret")?) {
        (Some(key), Some(secret)) => match long_enough(&key, &secret, dev) {
            Ok(()) => Ok(Some(LiveKitKey { key, secret: Secret::new(secret) })),
            Err(why) => Err(read.refuse("livekit.api_secret", &why)),
        },
        (None, None) => Ok(None),
        (Some(_), None) => Err(read.refuse("livekit.api_key", "needs livekit.api_secret as well")),
        (None, Some(_)) => Err(read.refuse("livekit.api_secret", "needs livekit.api_key as well")),
    }
}

/// Anyone knows the pair for development, so it is good for that alone.
fn long_enough(key: &str, secret: &str, dev: bool) -> Result<(), String> {
    match (key, secret) == DEV_PAIR {
        true if dev => Ok(()),
        true => Err(format!("{}/{} works with --dev only; set a secret of your own", DEV_PAIR.0, DEV_PAIR.1)),
        false if secret.len() < SHORTEST_SECRET => Err(too_short()),
        false => Ok(()),
    }
}

/// `KEY:SECRET`, with or without a space, as LiveKit writes them.
fn livekit_keys(read: &Reader<'_>, dev: bool) -> Result<Vec<LiveKitKey>, ConfigError> {
    let mut keys: Vec<LiveKitKey> = Vec::new();
    for text in read.list("livekit.keys")? {
        let pair = text.split_once(':').map(|(key, secret)| (key.trim().to_owned(), secret.trim().to_owned()));
        let (key, secret) = pair
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| read.refuse("livekit.keys", "write each one as \"KEY:SECRET\""))?;
        long_enough(&key, &secret, dev)
            .map_err(|why| read.refuse("livekit.keys", &format!("the secret of {key:?}: {why}")))?;
        if keys.iter().any(|known| known.key == key) {
            return Err(read.refuse("livekit.keys", &format!("{key:?} is listed twice")));
        }
        keys.push(LiveKitKey { key, secret: Secret::new(secret) });
    }
    Ok(keys)
}

/// Who is told what happens in rooms.
pub(super) fn webhooks(read: &Reader<'_>, dev: bool) -> Result<Webhooks, ConfigError> {
    let urls = read.list("webhooks.urls")?;
    for url in &urls {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            let what = format!("{url:?} is not a URL such as https://app.example.org/livekit");
            return Err(read.refuse("webhooks.urls", &what));
        }
    }
    let api_key = read.text("webhooks.api_key")?;
    if let Some(key) = &api_key {
        let others = livekit_keys(read, dev)?;
        let own = read.text("livekit.api_key")?;
        let own_or_other = own.as_ref() == Some(key) || others.iter().any(|other| other.key == *key);
        let known = own_or_other || (dev && key == DEV_PAIR.0);
        if !known {
            return Err(read.refuse("webhooks.api_key", "must be livekit.api_key or one of livekit.keys"));
        }
    }
    Ok(Webhooks { urls, api_key })
}
