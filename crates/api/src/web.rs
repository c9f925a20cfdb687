//! The web app, embedded: its files, its page for each of its paths, and the answer for all other paths. Most files are embedded as
//! Brotli (RFC 7932) and go out unchanged to every browser that accepts it. For everyone else, each is unpacked once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};
use tower_http::compression::CompressionLayer;

use crate::http::cors;
use crate::http::error::ApiError;
use crate::state::AppState;

#[derive(RustEmbed)]
#[folder = "$STOA_WEB_DIR"]
struct Files;

/// Where the app has a screen of its own (`web/app/src/routes.ts`), and where it has one for each id.
const SCREENS: &[&str] = &["", "history", "recordings", "people", "channels", "admin", "doctor"];
const SCREENS_BY_ID: &[&str] = &["people", "channels", "recordings"];

const INDEX: &str = "index.html";

/// Names of protocols. Who asks for a path with one of them, at its beginning or behind a prefix that is not ours, is a program:
/// a page would pass for an answer.
const PROTOCOLS: &[&str] = &[
    "api",
    "calls",
    "webrtc",
    "rtc",
    "settings",
    "twirp",
    "whip",
    "whep",
    "agent",
    "ws",
    "socket.io",
    "assets",
    "metrics",
];

pub(crate) fn router(state: &AppState) -> Router {
    Router::new()
        .route("/api/docs", get(async |asked: HeaderMap| page("api-docs.html", &asked)))
        .route("/api/docs/", get(async || Redirect::permanent("/api/docs")))
        .fallback(serve)
        .layer(CompressionLayer::new())
        .layer(cors::for_origins(&state.config.cors_origins))
}

async fn serve(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::not_found().into_response();
    }
    match find(path) {
        Some(file) => file.response(path, request.headers()),
        None if is_screen(path) => page(INDEX, request.headers()),
        None => nothing(path, request.headers()),
    }
}

fn is_screen(path: &str) -> bool {
    match path.trim_end_matches('/').split_once('/') {
        None => SCREENS.contains(&path.trim_end_matches('/')),
        Some((screen, id)) => SCREENS_BY_ID.contains(&screen) && !id.contains('/'),
    }
}

/// Whether somebody who looks at a browser asks: for a page, and for no path that a program or a page's own parts ask for.
fn is_for_people(path: &str, asked: &HeaderMap) -> bool {
    let wants_page = asked
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/html")));
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    wants_page && !is_file && !path.split('/').any(|part| PROTOCOLS.contains(&part))
}

/// A page of the web app by its file.
pub(crate) fn page(file: &str, asked: &HeaderMap) -> Response {
    match find(file) {
        Some(found) => found.response(file, asked),
        None => ApiError::not_found().into_response(),
    }
}

/// Nothing is there: the app says so to people, and the stable code to programs.
fn nothing(path: &str, asked: &HeaderMap) -> Response {
    let mut answer = if is_for_people(path, asked) {
        // Asked for anew each time: 304 would say that something is there.
        (StatusCode::NOT_FOUND, page(INDEX, &HeaderMap::new())).into_response()
    } else {
        ApiError::not_found().into_response()
    };
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    answer
}

struct Found {
    file: EmbeddedFile,
    is_brotli: bool,
}

fn find(path: &str) -> Option<Found> {
    let compressed = Files::get(&format!("{path}.br")).map(|file| Found { file, is_brotli: true });
    let as_it_is = || Files::get(path).filter(|_| !path.ends_with(".br"));
    compressed.or_else(|| as_it_is().map(|file| Found { file, is_brotli: false }))
}

impl Found {
    fn response(self, path: &str, asked: &HeaderMap) -> Response {
        // Weak, since it stands for the text in each of its codings (RFC 9110 §8.8.3.3).
        let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&self.file.metadata.sha256_hash()[..18]));
        // Names under assets/ carry a hash of their content.
        let caching = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        let kind = mime_guess::from_path(path).first_or_octet_stream();
        let kind = match (kind.type_(), kind.subtype().as_str()) {
            (mime_guess::mime::TEXT, _) => format!("{kind}; charset=utf-8"),
            _ => kind.to_string(),
        };
        let headers =
            [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching.to_owned()), (header::ETAG, tag.clone())];
        let mut answer = if has(asked, &tag) {
            (StatusCode::NOT_MODIFIED, headers).into_response()
        } else if !self.is_brotli {
            (headers, shared(self.file.data)).into_response()
        } else if takes_brotli(asked) {
            (headers, [(header::CONTENT_ENCODING, "br")], shared(self.file.data)).into_response()
        } else {
            (headers, UNPACKED.get(path, self.file.metadata.sha256_hash(), &self.file.data)).into_response()
        };
        if self.is_brotli {
            answer.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        answer
    }
}

/// A file's bytes as they are embedded. Only a debug build, which reads them from the disk, has them on the heap.
fn shared(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(embedded) => Bytes::from_static(embedded),
        Cow::Owned(read) => Bytes::from(read),
    }
}

/// If-None-Match: whether the client has this already (RFC 9110 §13.1.2, by weak comparison). No tag of ours contains a comma.
fn has(asked: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

/// RFC 9110 §12.5.3, without the weights that nobody sends but `q=0`.
fn takes_brotli(asked: &HeaderMap) -> bool {
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
        name.trim().eq_ignore_ascii_case("br") && !refused
    })
}

static UNPACKED: LazyLock<Unpacked> = LazyLock::new(Unpacked::default);

/// The files for clients that take no Brotli: browsers over plain HTTP, and simple tools. There are as many as were embedded, and
/// each is unpacked when it is first asked for.
#[derive(Default)]
struct Unpacked(Mutex<HashMap<String, (Digest, Bytes)>>);

/// SHA-256 of the file as it is embedded. It changes only under a debug build, whose files can be built anew while it runs.
type Digest = [u8; 32];

impl Unpacked {
    /// The text of a file that exists. The lock is held while it is unpacked, so that nobody unpacks it twice.
    fn get(&self, path: &str, digest: Digest, compressed: &[u8]) -> Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(path) {
            Some((of, text)) if *of == digest => text.clone(),
            _ => {
                let text = Bytes::from(unpack(compressed));
                kept.insert(path.to_owned(), (digest, text.clone()));
                text
            }
        }
    }
}

fn unpack(mut compressed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // Reading memory that the build has written, into memory, has no way to fail.
    if let Err(error) = brotli_decompressor::BrotliDecompress(&mut compressed, &mut text) {
        tracing::error!(%error, "an embedded file cannot be read");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "hello", by Brotli's own tool.
    const HELLO: &[u8] = b"\x0b\x02\x80hello\x03";

    #[test]
    fn a_file_is_unpacked_once_and_then_shared() {
        let unpacked = Unpacked::default();
        let first = unpacked.get("hello.txt", [1; 32], HELLO);
        assert_eq!(first, "hello");
        // What comes the second time could not be unpacked.
        let second = unpacked.get("hello.txt", [1; 32], b"not Brotli");
        assert_eq!((second.as_ptr(), second.len()), (first.as_ptr(), first.len()));
        let other = unpacked.get("other.txt", [1; 32], HELLO);
        assert_ne!(other.as_ptr(), first.as_ptr(), "each path has its own");
    }

    #[test]
    fn a_file_that_was_built_anew_takes_the_place_of_the_old_one() {
        let unpacked = Unpacked::default();
        unpacked.get("index.html", [1; 32], b"\x0b\x02\x80jello\x03");
        assert_eq!(unpacked.get("index.html", [2; 32], HELLO), "hello");
        assert_eq!(unpacked.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_embedded_file_is_not_copied() {
        static EMBEDDED: &[u8] = b"as it is";
        assert_eq!(shared(Cow::Borrowed(EMBEDDED)).as_ptr(), EMBEDDED.as_ptr());
    }
}
