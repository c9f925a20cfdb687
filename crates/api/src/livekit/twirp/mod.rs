//! LiveKit's server API over Twirp: `POST /twirp/livekit.<Service>/<Method>`, protobuf or JSON, whichever the body is.
//!
//! Owns the wire format, who may ask and how much. What a method does is `room_service`'s, what a room does the room's.

mod error;
mod grants;
mod room_service;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use livekit::json::{self, Described};

use crate::access::identify::bearer;
use crate::http::body::is_late;
use crate::http::cors;
use crate::state::AppState;
use error::{Code, TwirpError};
use grants::Asker;

/// The longest body, in bytes: data and metadata of 64 KiB each, as base64 or escaped.
const LONGEST_BODY: usize = 512 * 1024;
const PROTOBUF: &str = "application/protobuf";
const JSON: &str = "application/json";

pub(crate) fn router(state: &AppState) -> Router {
    Router::new()
        .route("/twirp/livekit.RoomService/{method}", any(room_service))
        .route("/twirp/{*rest}", any(no_such_route))
        .layer(cors::for_anyone([Method::POST]))
        .with_state(state.clone())
}

async fn no_such_route(request: Request) -> TwirpError {
    no_handler(request.method().as_str(), request.uri().path())
}

fn no_handler(verb: &str, path: &str) -> TwirpError {
    TwirpError::bad_route(format!("no handler for path {path:?}"), verb, path)
}

async fn room_service(State(state): State<AppState>, Path(method): Path<String>, request: Request) -> Response {
    let answer = async {
        let (asker, call) = open(&state, request).await?;
        room_service::dispatch(&state, &asker, &method, &call).await
    };
    answer.await.unwrap_or_else(TwirpError::into_response)
}

/// Checks what is the same for every method: verb, token, pace, length.
async fn open(state: &AppState, request: Request) -> Result<(Asker, Call), TwirpError> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        let message = format!("unsupported method {:?} (only POST is allowed)", parts.method.as_str());
        return Err(TwirpError::bad_route(message, parts.method.as_str(), parts.uri.path()));
    }
    let form = Form::of(&parts)?;
    let token = bearer(&parts.headers).map_err(|_| unauthenticated())?.ok_or_else(grants::denied)?;
    let claims = state.config.livekit_keys.verify(state.handle().now(), token).map_err(|refusal| {
        state.refusals.note("livekit", &refusal);
        if refusal.is_for_holder() {
            TwirpError::new(Code::Unauthenticated, format!("invalid token: {refusal}"))
        } else {
            unauthenticated()
        }
    })?;
    state
        .limits
        .server_api
        .check(&claims.iss)
        .map_err(|_| TwirpError::new(Code::ResourceExhausted, "too many requests with this API key".to_owned()))?;
    let unread = |error: axum::Error| match is_late(&error) {
        true => TwirpError::new(Code::DeadlineExceeded, "the body did not come in time".to_owned()),
        false => TwirpError::new(Code::ResourceExhausted, format!("a body has at most {LONGEST_BODY} bytes")),
    };
    let body = axum::body::to_bytes(body, LONGEST_BODY).await.map_err(unread)?;
    Ok((Asker { claims }, Call { path: parts.uri.path().to_owned(), form, body }))
}

fn unauthenticated() -> TwirpError {
    TwirpError::new(Code::Unauthenticated, "invalid authorization token".to_owned())
}

/// A body and the form that the answer has, too.
struct Call {
    path: String,
    form: Form,
    body: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Protobuf,
    Json,
}

impl Form {
    fn of(head: &Parts) -> Result<Self, TwirpError> {
        let text = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            PROTOBUF => Ok(Form::Protobuf),
            JSON => Ok(Form::Json),
            _ => {
                let message = format!("unexpected Content-Type: {text:?}");
                Err(TwirpError::bad_route(message, head.method.as_str(), head.uri.path()))
            }
        }
    }
}

impl Call {
    /// No such method.
    fn no_handler(&self) -> TwirpError {
        no_handler("POST", &self.path)
    }

    fn read<T: Described>(&self) -> Result<T, TwirpError> {
        let (read, form) = match self.form {
            Form::Protobuf => (T::decode(self.body.clone()).ok(), "protobuf"),
            Form::Json => (json::read(&self.body).ok(), "json"),
        };
        read.ok_or_else(|| TwirpError::new(Code::Malformed, format!("the {form} request could not be decoded")))
    }

    fn write<T: Described>(&self, answer: &T) -> Response {
        let (body, form) = match self.form {
            Form::Protobuf => (answer.encode_to_vec(), PROTOBUF),
            Form::Json => (json::write(answer, json::Style::Full).into_bytes(), JSON),
        };
        ([(header::CONTENT_TYPE, HeaderValue::from_static(form))], body).into_response()
    }
}
