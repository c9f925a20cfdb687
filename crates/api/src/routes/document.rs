//! What holds for every operation of the OpenAPI document, said once: how to sign in, and each status an operation may refuse with.

use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{OpenApi, PathItem, RefOr, Response};

/// Takes no credentials.
const OPEN: &[&str] =
    &["session", "signUp", "signIn", "guest", "adminSession", "signOut", "health", "ready", "iceServers"];

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
        .description(Some("A user's token, or a host app's API key: on calls it speaks for the user in `Stoa-User`."))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description("stoa_session", "The web app's session, from our own pages alone.");
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
        ("400", has_input, "What was sent is not what is taken here"),
        ("401", !is_health, "Not signed in, or no longer"),
        ("403", !is_health, "Not allowed, or switched off here"),
        ("404", names_something, "No such thing, or none of the asker's"),
        ("409", changes, "Does not fit how things stand"),
        ("413", has_body, "The body is too large"),
        ("415", has_body, "The body is no JSON"),
        ("429", !is_health, "Too many requests; Retry-After says when to come back"),
        ("500", !is_health, "A fault of the server's"),
        ("503", !is_health, "Not at present; try again"),
    ] {
        if may_be {
            let mut refusal: Response = usual.clone();
            refusal.description = description.to_owned();
            operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(refusal));
        }
    }
}
