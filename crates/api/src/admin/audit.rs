//! The audit log.

use axum::Json;
use axum::extract::State;
use control::{AuditEntry, AuditQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::Admin;
use crate::http::body::Params;
use crate::http::body::page_size;
use crate::http::error::{ApiError, ApiResult, ErrorBody};
use crate::presentation::{schema, time};
use crate::state::AppState;

const LONGEST_PAGE: usize = 200;
const USUAL_PAGE: usize = 50;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(audit_log))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditParams {
    /// Only entries of this actor: a user's ID, or `api-key:` and a key's ID.
    #[param(nullable = false)]
    actor: Option<String>,
    /// Only this kind of action, such as `user.erased`.
    #[param(nullable = false)]
    action: Option<String>,
    /// The `next` of the previous page.
    #[param(nullable = false, pattern = "^[0-9]{1,18}$")]
    before: Option<String>,
    /// The most entries to return: 1 to 200, by default 50.
    #[param(nullable = false, minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// What an administrator or a backend did.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditView {
    /// Increases with each entry.
    id: String,
    #[schema(value_type = schema::Time)]
    at: String,
    /// A user's ID, or `api-key:` and a key's ID.
    actor: String,
    /// The IP address it came from.
    #[schema(required)]
    address: Option<String>,
    action: String,
    /// What it was done to.
    #[schema(required)]
    target: Option<String>,
    details: Value,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { id, record } = entry;
        Self {
            id: id.to_string(),
            at: time(record.at),
            actor: record.actor,
            address: record.address,
            action: record.action,
            target: record.target,
            details: record.details,
        }
    }
}

/// A page of the audit log, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    entries: Vec<AuditView>,
    /// Pass this as `before` to get the next page.
    #[schema(required)]
    next: Option<String>,
}

/// Lists what administrators and backends did, newest first.
#[utoipa::path(get, path = "/api/admin/audit", operation_id = "auditLog", tag = "admin", params(AuditParams),
    responses((status = 200, body = AuditPage), (status = "default", body = ErrorBody)))]
async fn audit_log(
    State(state): State<AppState>,
    _: Admin,
    Params(params): Params<AuditParams>,
) -> ApiResult<Json<AuditPage>> {
    let limit = page_size(params.limit, USUAL_PAGE, LONGEST_PAGE)?;
    let before = params.before.map(|text| text.parse::<i64>()).transpose();
    let before = before.map_err(|_| ApiError::invalid("before", "must be the `next` of a page"))?;
    let query = AuditQuery { actor: params.actor, action: params.action, before, limit: limit + 1 };
    let mut found = state.handle().audit_log(&query).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|entry| entry.id.to_string());
    Ok(Json(AuditPage { entries: found.into_iter().map(AuditView::from).collect(), next }))
}
