//! The enums of `model` as schemas of the OpenAPI document, from the same lists that parse and print them.

use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{RefOr, schema::KnownFormat};

/// The words of a call's type as clients send it: `audio` is another word for `voice`.
pub(crate) const CALL_TYPES: &[&str] = &["voice", "audio", "video", "screen_share"];

fn one_of(words: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words));
    RefOr::T(Schema::Object(object.build()))
}

/// Names for `#[schema(value_type = …)]`.
pub(crate) mod schema {
    use super::*;
    use utoipa::{PartialSchema, ToSchema};

    macro_rules! schemas {
        ($($name:ident = $words:expr;)*) => {$(
            pub(crate) struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    one_of($words)
                }
            }

            impl ToSchema for $name {}
        )*};
    }

    schemas! {
        CallKind = model::CallKind::ALL.iter().map(|word| word.as_str());
        CallMedia = model::CallMedia::ALL.iter().map(|word| word.as_str());
        CallType = CALL_TYPES.iter().copied();
        CallStatus = model::CallStatus::ALL.iter().map(|word| word.as_str());
        EndReason = model::EndReason::ALL.iter().map(|word| word.as_str());
        ParticipantStatus = model::ParticipantStatus::ALL.iter().map(|word| word.as_str());
        Permission = model::Permission::ALL.iter().map(|word| word.as_str());
        RecordingFormat = model::RecordingFormat::ALL.iter().map(|word| word.as_str());
        RecordingLayout = model::RecordingLayout::ALL.iter().map(|word| word.as_str());
        RecordingPolicy = model::RecordingPolicy::ALL.iter().map(|word| word.as_str());
        RecordingStatus = model::RecordingStatus::ALL.iter().map(|word| word.as_str());
        Scope = model::Scope::ALL.iter().map(|word| word.as_str());
        Topology = model::Topology::ALL.iter().map(|word| word.as_str());
        TransferMode = model::TransferMode::ALL.iter().map(|word| word.as_str());
        QualityBand = model::QualityBand::ALL.iter().map(|word| word.as_str());
        VideoQuality = model::VideoQuality::ALL.iter().map(|word| word.as_str());
        RecordingDecline = model::RecordingDecline::ALL.iter().map(|word| word.as_str());
        Presence = ["offline", "online", "in_call"];
    }

    /// A time.
    pub(crate) struct Time;

    impl PartialSchema for Time {
        fn schema() -> RefOr<Schema> {
            use utoipa::openapi::schema::SchemaFormat;
            let object = ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::String))
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
            RefOr::T(Schema::Object(object.build()))
        }
    }

    impl ToSchema for Time {}
}
