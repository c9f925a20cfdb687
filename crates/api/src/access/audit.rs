//! Writes the audit log: which administrator did what, from where.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use control::AuditRecord;
use model::Permission;
use serde_json::Value;

use crate::access::caller::Caller;
use crate::http::error::{ApiError, ApiResult};
use crate::http::origin::client_address;
use crate::state::AppState;

/// Where a request comes from, for the log; of an IPv6 address the network.
#[derive(Debug, Clone)]
pub(crate) struct Address(pub String);

impl FromRequestParts<AppState> for Address {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        Ok(Self(client_address(parts, &state.config).to_string()))
    }
}

/// An administrator, or a host app whose key covers what it asks for.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub caller: Caller,
    pub address: Address,
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require(Permission::Admin)?;
        let address = Address::from_request_parts(parts, state).await?;
        Ok(Self { caller, address })
    }
}

impl Admin {
    /// Writes down what was done.
    pub async fn note(&self, state: &AppState, action: &str, target: impl ToString, details: Value) {
        note(state, &self.caller, &self.address, action, target, details).await;
    }
}

/// Writes down what an administrator did to a call, as its host or not; others' own acts are no one's business.
pub(crate) async fn note_on_call(
    state: &AppState,
    caller: &Caller,
    address: &Address,
    action: &str,
    call: model::CallId,
    details: Value,
) {
    if caller.may(Permission::Admin) {
        note(state, caller, address, action, call, details).await;
    }
}

/// Writes down what was done. What cannot be written is in the server's log at least: the act is done.
pub(crate) async fn note(
    state: &AppState,
    caller: &Caller,
    address: &Address,
    action: &str,
    target: impl ToString,
    details: Value,
) {
    let at = state.handle().now();
    let record = AuditRecord {
        at,
        actor: caller.user.to_string(),
        address: Some(address.0.clone()),
        action: action.to_owned(),
        target: Some(target.to_string()),
        details,
    };
    if let Err(error) = state.handle().audit(&record).await {
        tracing::error!(%error, ?record, "cannot write an administrator's action to the audit log");
    }
}
