//! What every operation of the OpenAPI document has in common: how to sign in, and which errors it can return.

use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi, PathItem, RefOr, Response};

/// Takes no credentials.
const OPEN: &[&str] = &[
    "session",
    "signUp",
    "signIn",
    "guest",
    "adminSession",
    "signOut",
    "health",
    "ready",
    "iceServers",
    "recordingFile",
    "recordingTrack",
];

/// Completes the document.
pub(super) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            refusals(path, &method, operation);
            if operation.operation_id.as_deref().is_some_and(|id| OPEN.contains(&id)) {
                operation.security =
                    Some(vec![SecurityRequirement::default(), required("bearer"), required("session")]);
            }
        }
    }
    document.security = Some(vec![required("bearer"), required("session")]);
    let components = document.components.get_or_insert_default();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A user's token, or your backend's API key. On calls, a key acts for the user named in `Stoa-User`.",
        ))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        "stoa_session",
        "The web app's session cookie. It works only from this server's own pages.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

fn required(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

fn operations(item: &mut PathItem) -> Vec<(HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
    .collect()
}

/// Names each status that the operation may refuse with; the body is that of `default`.
fn refusals(path: &str, method: &HttpMethod, operation: &mut Operation) {
    let Some(RefOr::T(usual)) = operation.responses.responses.get("default").cloned() else { return };
    let has_body = operation.request_body.is_some();
    let names_something = path.contains('{') || has_body;
    let has_input = names_something || operation.parameters.as_ref().is_some_and(|given| !given.is_empty());
    let changes = !matches!(method, HttpMethod::Get);
    let is_health = operation.operation_id.as_deref() == Some("health");
    for (status, may_be, description) in [
        ("400", has_input, "The request does not match what this endpoint expects"),
        ("401", !is_health, "Not signed in, or the token or session has ended"),
        ("403", !is_health, "Not allowed, or turned off on this server"),
        ("404", names_something, "Not found, or not visible to the caller"),
        ("409", changes, "Conflicts with the current state"),
        ("413", has_body, "The body is too large"),
        ("415", has_body, "The body is not JSON"),
        ("429", !is_health, "Too many requests; Retry-After says when to try again"),
        ("500", !is_health, "Something went wrong on the server"),
        ("503", !is_health, "Unavailable right now; try again"),
    ] {
        if may_be {
            let mut refusal: Response = usual.clone();
            refusal.description = description.to_owned();
            operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(refusal));
        }
    }
}
