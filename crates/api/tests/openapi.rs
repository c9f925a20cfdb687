//! The OpenAPI document is reviewed as a file, from which the web client's types are made.

use std::path::Path;

#[test]
fn the_document_is_the_one_in_the_repository() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/openapi.json");
    let document = api::openapi_json();
    if std::env::var_os("STOA_UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, &document).expect("the file can be written");
    }
    let reviewed = std::fs::read_to_string(&file).expect("web/openapi.json exists");
    assert!(
        reviewed == document,
        "web/openapi.json is not what the code says: run STOA_UPDATE_OPENAPI=1 cargo test --release -p api --test openapi, \
         then npm run generate in web"
    );
}

/// What a generator of clients relies on.
#[test]
fn every_operation_has_a_name_a_tag_and_a_refusal() {
    let document: serde_json::Value = serde_json::from_str(&api::openapi_json()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
    let mut names = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no name"));
            assert!(names.insert(name.to_owned()), "{name} twice");
            assert!(operation["tags"].is_array(), "{name} has no tag");
            let refusal = &operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(refusal, "#/components/schemas/ErrorBody", "{name}");
            let explicit = operation["responses"].as_object().unwrap().len();
            assert!(explicit > 5 || name == "health", "{name} does not say what it refuses with");
        }
    }
    assert!(names.len() >= 31, "{names:?}");
}
