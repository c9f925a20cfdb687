//! Exporting and erasing a user's data: by the user, an administrator or the backend.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use control::{ControlError, UserRecords};
use model::{Permission, UserId};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Address, note};
use crate::access::caller::Caller;
use crate::http::body::UserPath;
use crate::http::error::{ApiResult, ErrorBody};
use crate::presentation::call_answers::call_view;
use crate::presentation::{Call, schema, time};
use crate::state::AppState;

/// Pieces of an export that wait for a slow reader.
const WAITING: usize = 4;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(export_user)).routes(routes!(erase_user))
}

/// Everything stored about a user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserExport {
    user: ExportedUser,
    /// The user name of their local account.
    #[schema(required)]
    username: Option<String>,
    /// Every call they took part in, oldest first.
    calls: Vec<Call>,
    /// Channels, devices, sessions, TURN credentials, quality reports, connections, call events and audit log entries. Times are in
    /// milliseconds since 1970.
    records: std::collections::BTreeMap<String, Vec<Value>>,
}

/// A user, as an export shows them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportedUser {
    id: String,
    name: String,
    #[schema(required)]
    avatar_url: Option<String>,
    is_guest: bool,
    #[schema(value_type = schema::Time)]
    created_at: String,
}

/// The result of an erasure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasedAnswer {
    success: bool,
    /// The alias that replaces them in other people's calls.
    alias: String,
    /// Calls kept because other people took part.
    kept_calls: u64,
    /// Calls deleted because nobody else is left in them.
    dropped_calls: u64,
}

/// Exports everything stored about a user. Users can export their own data. Anyone else needs `admin`, or a key with the scope `users`.
#[utoipa::path(get, path = "/api/users/{id}/export", operation_id = "exportUser", tag = "users",
    params(("id" = String, Path, description = "The user")),
    responses((status = 200, body = UserExport), (status = "default", body = ErrorBody)))]
async fn export_user(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    UserPath(id): UserPath,
) -> ApiResult<Response> {
    may(&caller, &id)?;
    let records = state.handle().user_records(&id).await?;
    note(&state, &caller, &address, "user.exported", &id, json!({})).await;
    let (pieces, reader) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Err(error) = write(&state, &id, records, &pieces).await {
            tracing::warn!(%error, "an export was interrupted");
            _ = pieces.send(Err(std::io::Error::other("interrupted"))).await;
        }
    });
    let body = Body::from_stream(futures_util::stream::unfold(reader, async |mut reader| {
        reader.recv().await.map(|piece| (piece, reader))
    }));
    let name = "attachment; filename=\"stoa-export.json\"";
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

/// Erases a user: removes them from running calls and channels, and deletes their account and sessions. An alias takes their place in
/// other people's calls.
#[utoipa::path(delete, path = "/api/users/{id}", operation_id = "eraseUser", tag = "users",
    params(("id" = String, Path, description = "The user")),
    responses((status = 200, body = ErasedAnswer), (status = "default", body = ErrorBody)))]
async fn erase_user(
    State(state): State<AppState>,
    caller: Caller,
    address: Address,
    UserPath(id): UserPath,
) -> ApiResult<Json<ErasedAnswer>> {
    may(&caller, &id)?;
    let erased = state.handle().erase_user(&id).await?;
    state.people.forget(&id);
    state.sessions.forget(&id);
    if let Err(error) = crate::ice::turn::revoke(&state, &id).await {
        tracing::error!(?error, "the TURN credentials of an erased user are refused only until the next restart");
    }
    state.standings.end_user(&id);
    // One who erased themselves is not named in the log either.
    let actor = if caller.user == id { Caller { user: erased.alias.clone(), ..caller } } else { caller };
    note(&state, &actor, &address, "user.erased", &erased.alias, json!({"keptCalls": erased.kept_calls})).await;
    Ok(Json(ErasedAnswer {
        success: true,
        alias: erased.alias.to_string(),
        kept_calls: erased.kept_calls,
        dropped_calls: erased.dropped_calls,
    }))
}

fn may(caller: &Caller, user: &UserId) -> ApiResult<()> {
    if caller.user == *user { Ok(()) } else { caller.require(Permission::Admin) }
}

type Piece = Result<Bytes, std::io::Error>;

/// Writes an export piece by piece, so that one with a hundred thousand calls takes no more memory than a page of them.
async fn write(
    state: &AppState,
    id: &UserId,
    records: UserRecords,
    pieces: &mpsc::Sender<Piece>,
) -> Result<(), ControlError> {
    let UserRecords { user, username, tables } = records;
    let shown = ExportedUser {
        id: user.id.to_string(),
        name: user.name,
        avatar_url: user.avatar_url,
        is_guest: user.is_guest,
        created_at: time(user.created_at),
    };
    let tables: serde_json::Map<String, Value> =
        tables.into_iter().map(|(table, rows)| (table.to_owned(), Value::Array(rows))).collect();
    let head = json!({"user": shown, "username": username, "records": tables}).to_string();
    let mut text = head.strip_suffix('}').unwrap_or_default().to_owned();
    text.push_str(",\"calls\":[");
    let mut after = None;
    let mut separator = "";
    loop {
        let page = state.handle().calls_of(id, after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for call in &page {
            let view = serde_json::to_string(&call_view(state, call).await).unwrap_or_else(|_| "null".to_owned());
            text.push_str(separator);
            text.push_str(&view);
            separator = ",";
        }
        if pieces.send(Ok(Bytes::from(std::mem::take(&mut text)))).await.is_err() {
            return Ok(());
        }
    }
    text.push_str("]}\n");
    _ = pieces.send(Ok(Bytes::from(text))).await;
    Ok(())
}
