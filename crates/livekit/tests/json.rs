//! Protobuf's JSON mapping over every message that has JSON: made-up values in every way the mapping lets them be written are
//! read as the values they are, and what is written is read alike, by this crate and by `prost-reflect`, which knows nothing of it.

mod protos;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use livekit::json::{self, Described, Style};
use livekit::proto;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, TestRunner};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};

type Check = fn(&DynamicMessage, &str);

fn checks() -> BTreeMap<&'static str, Check> {
    fn of<M: Described>() -> (&'static str, Check) {
        (M::MESSAGE.name, check::<M>)
    }
    BTreeMap::from([
        of::<proto::CreateRoomRequest>(),
        of::<proto::DeleteRoomRequest>(),
        of::<proto::DeleteRoomResponse>(),
        of::<proto::ForwardParticipantRequest>(),
        of::<proto::ForwardParticipantResponse>(),
        of::<proto::ListParticipantsRequest>(),
        of::<proto::ListParticipantsResponse>(),
        of::<proto::ListRoomsRequest>(),
        of::<proto::ListRoomsResponse>(),
        of::<proto::MoveParticipantRequest>(),
        of::<proto::MoveParticipantResponse>(),
        of::<proto::MuteRoomTrackRequest>(),
        of::<proto::MuteRoomTrackResponse>(),
        of::<proto::ParticipantInfo>(),
        of::<proto::PerformRpcRequest>(),
        of::<proto::PerformRpcResponse>(),
        of::<proto::RemoveParticipantResponse>(),
        of::<proto::Room>(),
        of::<proto::RoomConfiguration>(),
        of::<proto::RoomParticipantIdentity>(),
        of::<proto::SendDataRequest>(),
        of::<proto::SendDataResponse>(),
        of::<proto::SignalRequest>(),
        of::<proto::SignalResponse>(),
        of::<proto::UpdateParticipantRequest>(),
        of::<proto::UpdateRoomMetadataRequest>(),
        of::<proto::UpdateSubscriptionsRequest>(),
        of::<proto::UpdateSubscriptionsResponse>(),
        of::<proto::WebhookEvent>(),
    ])
}

fn check<M: Described>(value: &DynamicMessage, written: &str) {
    let kind = value.descriptor();
    let read = |text: &str| -> M { json::read(text.as_bytes()).unwrap_or_else(|_| panic!("not read: {text}")) };
    let is_value =
        |binary: Vec<u8>| DynamicMessage::decode(kind.clone(), binary.as_slice()).is_ok_and(|read| read == *value);
    let message = read(written);
    assert!(is_value(message.encode_to_vec()), "read as something else: {written}");
    for style in [Style::Compact, Style::Full] {
        let text = json::write(&message, style);
        assert!(is_value(read(&text).encode_to_vec()), "written as something else: {text}");
        let others = DynamicMessage::deserialize(kind.clone(), &mut serde_json::Deserializer::from_str(&text));
        let others = others.unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(is_value(others.encode_to_vec()), "read by others as something else: {text}");
    }
}

#[test]
fn every_message_is_read_and_written_whatever_is_in_it() {
    let (pool, checks) = (protos::pool(), checks());
    let roots = protos::roots(&pool);
    let names: Vec<&str> = roots.iter().map(MessageDescriptor::full_name).collect();
    assert_eq!(names, checks.keys().copied().collect::<Vec<_>>(), "every message that has JSON is here");
    for root in &roots {
        let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
        let examined = runner.run(&(vec(any::<u8>(), 0..2_000), vec(any::<u8>(), 0..500)), |(value, spelling)| {
            let value = make_message(root, &mut Choices(&value));
            let mut written = String::new();
            spell_message(&mut written, &value, &mut Choices(&spelling));
            checks[root.full_name()](&value, &written);
            Ok(())
        });
        examined.unwrap_or_else(|failure| panic!("{}: {failure:.2000}", root.full_name()));
    }
}

/// Decisions, by made-up bytes; the first of the possible ones where none are left.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn of(&mut self, possible: u8) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first % possible
    }

    fn bits(&mut self) -> u64 {
        let bytes: [u8; 8] = std::array::from_fn(|_| self.of(255));
        // Small ones and those at the bounds are what goes wrong.
        match self.of(4) {
            0 => u64::from_le_bytes(bytes) % 100,
            1 => u64::MAX - u64::from_le_bytes(bytes) % 3,
            2 => (i64::MAX as u64) - u64::from_le_bytes(bytes) % 3,
            _ => u64::from_le_bytes(bytes),
        }
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 12] = ['a', 'Z', '0', '"', '\\', '/', '\n', '\u{1}', '\u{7f}', 'é', '\u{2028}', '🦀'];
        (0..self.of(6)).map(|_| LETTERS[usize::from(self.of(12))]).collect()
    }
}

/// A message with some of its fields, without those that are as if they were not there.
fn make_message(kind: &MessageDescriptor, choices: &mut Choices) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    for field in kind.fields() {
        let is_taken =
            field.containing_oneof().is_some_and(|oneof| oneof.fields().any(|other| message.has_field(&other)));
        if is_taken || choices.of(3) != 1 {
            continue;
        }
        let value = if field.is_map() {
            let entry = field.kind();
            let entry = entry.as_message().expect("entries are messages");
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let entries = (0..choices.of(4)).map(|_| (make_key(&key, choices), make_value(&value.kind(), choices)));
            Value::Map(entries.collect())
        } else if field.is_list() {
            Value::List((0..choices.of(4)).map(|_| make_value(&field.kind(), choices)).collect())
        } else {
            make_value(&field.kind(), choices)
        };
        if field.supports_presence() || !value.is_default_for_field(&field) {
            message.set_field(&field, value);
        }
    }
    message
}

fn make_key(field: &FieldDescriptor, choices: &mut Choices) -> MapKey {
    match make_value(&field.kind(), choices) {
        Value::Bool(key) => MapKey::Bool(key),
        Value::I32(key) => MapKey::I32(key),
        Value::I64(key) => MapKey::I64(key),
        Value::U32(key) => MapKey::U32(key),
        Value::U64(key) => MapKey::U64(key),
        Value::String(key) => MapKey::String(key),
        other => panic!("{other:?} is no key"),
    }
}

fn make_value(kind: &Kind, choices: &mut Choices) -> Value {
    match kind {
        Kind::Bool => Value::Bool(choices.of(2) == 1),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(choices.bits() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(choices.bits() as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(choices.bits() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(choices.bits()),
        Kind::Float => Value::F32(match choices.of(6) {
            0 => f32::INFINITY,
            1 => f32::NEG_INFINITY,
            2 => 0.1,
            3 => 1e-7,
            // Not the largest: the shortest text for it, as Go writes it, is out of range for the others.
            4 => 3.4e38,
            _ => choices.bits() as f32,
        }),
        Kind::Double => Value::F64(match choices.of(6) {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2 => 0.1,
            3 => 1e-7,
            4 => f64::MAX,
            _ => choices.bits() as f64,
        }),
        Kind::String => Value::String(choices.text()),
        Kind::Bytes => Value::Bytes((0..choices.of(8)).map(|_| choices.of(255)).collect::<Vec<u8>>().into()),
        Kind::Enum(values) => match choices.of(8) {
            0 => Value::EnumNumber(4_711),
            at => {
                let known: Vec<i32> = values.values().map(|value| value.number()).collect();
                Value::EnumNumber(known[usize::from(at) % known.len()])
            }
        },
        Kind::Message(message) => Value::Message(make_message(message, choices)),
    }
}

fn spell_message(json: &mut String, message: &DynamicMessage, choices: &mut Choices) {
    const STRANGE: [&str; 2] = [r#""noSuchField":{"a":[1,{"b":null}]}"#, r#""no_such_field":"x""#];
    let mut parts = Vec::new();
    for field in message.descriptor().fields() {
        let name = if choices.of(2) == 0 { field.json_name() } else { field.name() };
        let mut part = format!("{}:{}", quoted(name), [" ", ""][usize::from(choices.of(2))]);
        if message.has_field(&field) {
            spell_field(&mut part, &field, &message.get_field(&field), choices);
        } else {
            match (choices.of(8), field.kind()) {
                (1, _) => part.push_str("null"),
                (2, Kind::Enum(_)) if field.is_list() => part.push_str(r#"["NO_SUCH_NAME"]"#),
                (2, Kind::Enum(_)) if field.containing_oneof().is_none() => part.push_str(r#""NO_SUCH_NAME""#),
                _ => continue,
            }
        }
        let at = usize::from(choices.of(255)) % (parts.len() + 1);
        parts.insert(at, part);
    }
    if let strange @ 1..=2 = choices.of(4) {
        parts.push(STRANGE[usize::from(strange) - 1].to_owned());
    }
    let _ = write!(json, "{{{}}}", parts.join(","));
}

fn spell_field(json: &mut String, field: &FieldDescriptor, value: &Value, choices: &mut Choices) {
    match value {
        Value::List(items) => {
            let spelled: Vec<String> = items.iter().map(|item| spelled(&field.kind(), item, choices)).collect();
            let _ = write!(json, "[{}]", spelled.join(" , "));
        }
        Value::Map(entries) => {
            let entry = field.kind();
            let kind = entry.as_message().expect("entries are messages").map_entry_value_field().kind();
            #[expect(clippy::disallowed_methods, reason = "a map's entries may come in any order")]
            let spelled = entries.iter().map(|(key, value)| {
                let key = match key {
                    MapKey::Bool(key) => key.to_string(),
                    MapKey::I32(key) => key.to_string(),
                    MapKey::I64(key) => key.to_string(),
                    MapKey::U32(key) => key.to_string(),
                    MapKey::U64(key) => key.to_string(),
                    MapKey::String(key) => key.clone(),
                };
                format!("{}:{}", quoted(&key), spelled(&kind, value, choices))
            });
            let spelled: Vec<String> = spelled.collect();
            let _ = write!(json, "{{{}}}", spelled.join(","));
        }
        single => json.push_str(&spelled(&field.kind(), single, choices)),
    }
}

fn spelled(kind: &Kind, value: &Value, choices: &mut Choices) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => spell_integer((*value).into(), choices),
        Value::I64(value) => spell_integer((*value).into(), choices),
        Value::U32(value) => spell_integer((*value).into(), choices),
        Value::U64(value) => spell_integer((*value).into(), choices),
        Value::F32(value) => spell_float(f64::from(*value), &format!("{value:?}"), choices),
        Value::F64(value) => spell_float(*value, &format!("{value:?}"), choices),
        Value::String(text) if choices.of(3) == 1 => {
            text.encode_utf16().fold("\"".to_owned(), |all, unit| format!("{all}\\u{unit:04X}")) + "\""
        }
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => {
            let engine = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
            quoted(&engine[usize::from(choices.of(4))].encode(bytes))
        }
        Value::EnumNumber(number) => {
            let name = kind.as_enum().and_then(|values| values.get_value(*number)).map(|value| quoted(value.name()));
            name.filter(|_| choices.of(3) != 1)
                .unwrap_or_else(|| spell_integer((*number).into(), choices).replace('"', ""))
        }
        Value::Message(message) => {
            let mut json = String::new();
            spell_message(&mut json, message, choices);
            json
        }
        Value::List(_) | Value::Map(_) => panic!("no lists of lists"),
    }
}

fn spell_integer(value: i128, choices: &mut Choices) -> String {
    // What JSON writes with a point or an exponent is a double, and exact as far as those are.
    let is_exact = value.abs() < 1 << 53;
    match choices.of(6) {
        1 => format!("\"{value}\""),
        2 if is_exact => format!("{value}.0"),
        3 if is_exact => format!("{value}e0"),
        4 if is_exact && value != 0 => format!("\"{value}0E-1\""),
        5 if is_exact && value % 10 == 0 => format!("{}e1", value / 10),
        _ => value.to_string(),
    }
}

fn spell_float(value: f64, shortest: &str, choices: &mut Choices) -> String {
    if value.is_infinite() {
        return quoted(if value < 0.0 { "-Infinity" } else { "Infinity" });
    }
    if choices.of(2) == 0 { shortest.to_owned() } else { quoted(shortest) }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}
