//! The keys that verify user tokens: the HS256 secret, and a key set from a file or a URL that is fetched again
//! regularly.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::{KeySet, UserVerifier};
use model::Secret;

use crate::config::{Auth, Config, dev_key};
use crate::failure::Failure;
use crate::secrets::Secrets;

const FETCH_AGAIN: Duration = Duration::from_secs(600);
const FETCH_AFTER_FAILURE: Duration = Duration::from_secs(30);
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// A key set is a few kilobytes.
const LARGEST_KEY_SET: usize = 256 * 1024;

/// The HS256 secret of user tokens: the configured one, or the generated one.
pub fn token_secret<'a>(configured: Option<&'a Secret<String>>, secrets: &'a Secrets) -> &'a str {
    configured.unwrap_or(&secrets.token_secret).reveal()
}

/// LiveKit keys taken: the configured or the generated one, and `devkey` with `--dev`.
pub fn livekit_keys(config: &Config, secrets: &Secrets) -> auth::LiveKitKeys {
    let own = livekit_key(config.auth.livekit.as_ref(), secrets);
    let others = config.auth.livekit_others.iter().filter(|other| other.key != own.key).cloned();
    let keys = others.collect::<Vec<_>>().into_iter().fold(auth::LiveKitKeys::new(own), auth::LiveKitKeys::and);
    if config.dev { keys.and(dev_key()) } else { keys }
}

/// The LiveKit key that mints: the configured one, or the generated one.
pub fn livekit_key(configured: Option<&auth::LiveKitKey>, secrets: &Secrets) -> auth::LiveKitKey {
    match configured {
        Some(key) => key.clone(),
        None => auth::LiveKitKey { key: secrets.livekit_key.clone(), secret: secrets.livekit_secret.clone() },
    }
}

/// The key that signs webhooks.
pub fn webhook_key(config: &Config, secrets: &Secrets) -> auth::LiveKitKey {
    let keys = livekit_keys(config, secrets);
    let named = config.webhooks.api_key.as_ref().and_then(|name| keys.find(name));
    named.unwrap_or(keys.own()).clone()
}

/// The verifier of user tokens. With a URL it starts with the secret alone and takes the key set over once fetched.
pub fn user_verifier(config: &Config, secrets: &Secrets) -> Result<Arc<ArcSwap<UserVerifier>>, Failure> {
    let secret = token_secret(config.auth.token_secret.as_ref(), secrets).to_owned();
    let mut first = verifier(&config.auth, &secret);
    if let Some(path) = &config.auth.jwks_file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::Setup(format!("cannot read {}: {error}; check auth.jwks_file", path.display()))
        })?;
        let keys = KeySet::parse(&text)
            .map_err(|error| Failure::Setup(format!("{}: {error}; check auth.jwks_file", path.display())))?;
        first = first.with_keys(keys);
    }
    let current = Arc::new(ArcSwap::from_pointee(first));
    if let Some(url) = config.auth.jwks_url.clone() {
        tokio::spawn(fetch_again_and_again(url, config.auth.clone(), secret, Arc::clone(&current)));
    }
    Ok(current)
}

fn verifier(auth: &Auth, secret: &str) -> UserVerifier {
    let mut verifier = UserVerifier::new().with_secret(secret);
    if let Some(issuer) = &auth.issuer {
        verifier = verifier.with_issuer(issuer);
    }
    if let Some(audience) = &auth.audience {
        verifier = verifier.with_audience(audience);
    }
    verifier
}

async fn fetch_again_and_again(url: String, auth: Auth, secret: String, current: Arc<ArcSwap<UserVerifier>>) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "cannot fetch key sets");
            return;
        }
    };
    loop {
        let pause = match fetch(&client, &url).await {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "fetched the key set");
                current.store(Arc::new(verifier(&auth, &secret).with_keys(keys)));
                FETCH_AGAIN
            }
            Err(error) => {
                tracing::warn!(%error, "cannot fetch the key set from auth.jwks_url; the last known keys stay in use");
                FETCH_AFTER_FAILURE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Follows no redirect: keys come from where the operator says, and from nowhere that says so itself.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()
}

async fn fetch(client: &reqwest::Client, url: &str) -> anyhow::Result<KeySet> {
    let mut response = client.get(url).send().await?;
    anyhow::ensure!(response.status() == reqwest::StatusCode::OK, "answered {}", response.status());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        anyhow::ensure!(body.len() <= LARGEST_KEY_SET, "larger than {LARGEST_KEY_SET} bytes");
    }
    Ok(KeySet::parse(std::str::from_utf8(&body)?)?)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const SET: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    /// A server that answers the same to everyone; where it is.
    async fn answers(head: String, body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let length = body.len();
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        format!("http://{address}/keys")
    }

    #[tokio::test]
    async fn keys_are_fetched_from_where_they_are_said_to_be_and_from_nowhere_else() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = client().expect("a client");
        let keys = answers("200 OK".to_owned(), SET).await;
        assert_eq!(fetch(&client, &keys).await.expect("a key set").len(), 1);
        for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"] {
            // A body that would do, too.
            let elsewhere = answers(format!("{status}\r\nLocation: {keys}"), SET).await;
            let refused = fetch(&client, &elsewhere).await.expect_err("a redirect").to_string();
            assert!(refused.contains(&status[..3]), "{refused}");
        }
    }
}
