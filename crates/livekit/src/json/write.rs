//! Converts the binary form to JSON.

use std::cmp::Ordering;
use std::fmt::{Display, LowerExp, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::schema::{Field, Kind, Message, Shape, camel_case};

/// The two styles in which LiveKit writes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For webhooks and signalling: names in lowerCamelCase, without fields that have their default value.
    Compact,
    /// For responses of the server API: names as declared, with every field, and `null` for an absent message.
    Full,
}

/// Converts a message to JSON. The bytes come from prost; if they are malformed, the rest is left out.
pub(super) fn from_binary(message: &'static Message, binary: &[u8], style: Style) -> String {
    let mut json = String::with_capacity(2 * binary.len() + 2);
    write_message(&mut json, message, binary, style);
    json
}

/// A value in the binary form.
#[derive(Debug, Clone, Copy)]
enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn write_message(json: &mut String, message: &'static Message, binary: &[u8], style: Style) {
    let values = split(binary);
    json.push('{');
    let mut comma = Comma::default();
    for field in message.fields {
        let first = values.partition_point(|value| value.0 < field.number);
        let last = values.partition_point(|value| value.0 <= field.number);
        let values = &values[first..last];
        if values.is_empty() && !is_written_unset(field, style) {
            continue;
        }
        comma.put(json);
        match style {
            Style::Compact => write_text(json, &camel_case(field.name).collect::<String>()),
            Style::Full => write_text(json, field.name),
        }
        json.push(':');
        write_field(json, field, values, style);
    }
    json.push('}');
}

fn is_written_unset(field: &Field, style: Style) -> bool {
    style == Style::Full && !matches!(field.shape, Shape::Optional | Shape::Oneof(_))
}

fn write_field(json: &mut String, field: &'static Field, values: &[(u32, Raw)], style: Style) {
    match (field.shape, field.kind, values.last()) {
        (Shape::Map, Kind::Message(entry), _) => write_map(json, entry, values, style),
        (Shape::Repeated, ..) => write_list(json, field.kind, values, style),
        (_, Kind::Message(_), None) => json.push_str("null"),
        (_, Kind::String | Kind::Bytes, None) => json.push_str("\"\""),
        (_, kind, None) => write_value(json, kind, Raw::Number(0), style),
        (_, kind, Some((_, value))) => write_value(json, kind, *value, style),
    }
}

fn write_list(json: &mut String, kind: Kind, values: &[(u32, Raw)], style: Style) {
    json.push('[');
    let mut comma = Comma::default();
    for (_, value) in values {
        match (kind, *value) {
            (Kind::String | Kind::Bytes | Kind::Message(_), _) | (_, Raw::Number(_)) => {
                comma.put(json);
                write_value(json, kind, *value, style);
            }
            (_, Raw::Bytes(packed)) => {
                for value in unpack(kind, packed) {
                    comma.put(json);
                    write_value(json, kind, Raw::Number(value), style);
                }
            }
        }
    }
    json.push(']');
}

/// Writes a map's entries, sorted by key.
fn write_map(json: &mut String, entry: &'static Message, values: &[(u32, Raw)], style: Style) {
    let [key, value] = entry.fields else { return };
    let entries = values.iter().filter_map(|(_, entry)| match entry {
        Raw::Bytes(binary) => Some(split(binary)),
        Raw::Number(_) => None,
    });
    let mut entries: Vec<_> = entries.collect();
    let of = |entry: &[(u32, Raw<'_>)], number| entry.iter().position(|(n, _)| *n == number);
    entries.sort_by(|a, b| {
        let key_of = |entry: &[_]| of(entry, key.number).map(|at| -> Raw { entry[at].1 });
        compare_keys(key.kind, key_of(a), key_of(b))
    });
    json.push('{');
    let mut comma = Comma::default();
    for entry in entries {
        comma.put(json);
        let key_at = of(&entry, key.number).map_or(&[][..], |at| &entry[at..=at]);
        let mut name = String::new();
        write_field(&mut name, key, key_at, style);
        if name.starts_with('"') {
            json.push_str(&name);
        } else {
            write_text(json, &name);
        }
        json.push(':');
        match (value.kind, of(&entry, value.number)) {
            // Unlike a field, a map entry always has a value.
            (Kind::Message(message), None) => write_message(json, message, &[], style),
            (_, at) => write_field(json, value, at.map_or(&[][..], |at| &entry[at..=at]), style),
        }
    }
    json.push('}');
}

fn compare_keys(kind: Kind, a: Option<Raw>, b: Option<Raw>) -> Ordering {
    let bytes = |raw| match raw {
        Some(Raw::Bytes(bytes)) => bytes,
        Some(Raw::Number(_)) | None => &[],
    };
    let number = |raw| match raw {
        Some(Raw::Number(number)) => signed(kind, number),
        Some(Raw::Bytes(_)) | None => 0,
    };
    bytes(a).cmp(bytes(b)).then(number(a).cmp(&number(b)))
}

fn write_value(json: &mut String, kind: Kind, value: Raw, style: Style) {
    match (kind, value) {
        (Kind::Message(message), Raw::Bytes(binary)) => write_message(json, message, binary, style),
        (Kind::String, Raw::Bytes(text)) => write_text(json, &String::from_utf8_lossy(text)),
        (Kind::Bytes, Raw::Bytes(bytes)) => write_text(json, &STANDARD.encode(bytes)),
        (Kind::Message(_) | Kind::String | Kind::Bytes, Raw::Number(_)) | (_, Raw::Bytes(_)) => json.push_str("null"),
        (Kind::Bool, Raw::Number(value)) => json.push_str(if value == 0 { "false" } else { "true" }),
        (Kind::Float, Raw::Number(bits)) => write_float32(json, bits),
        (Kind::Double, Raw::Number(bits)) => write_float64(json, bits),
        (Kind::Enum(values), Raw::Number(number)) => {
            let number = signed(Kind::Int32, number);
            match i32::try_from(number).ok().and_then(|number| values.name(number)) {
                Some(name) => write_text(json, name),
                None => write_plain(json, number),
            }
        }
        (Kind::Int64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64, Raw::Number(number)) => {
            json.push('"');
            write_plain(json, signed(kind, number));
            json.push('"');
        }
        (Kind::Int32 | Kind::Sint32 | Kind::Uint32 | Kind::Fixed32 | Kind::Sfixed32, Raw::Number(number)) => {
            write_plain(json, signed(kind, number))
        }
    }
}

/// The number that these bits stand for in this kind.
fn signed(kind: Kind, bits: u64) -> i128 {
    let zigzag = |bits: u64| (bits >> 1).cast_signed() ^ -((bits & 1).cast_signed());
    match kind {
        Kind::Int32 | Kind::Sfixed32 => (bits as u32).cast_signed().into(),
        Kind::Int64 | Kind::Sfixed64 => bits.cast_signed().into(),
        Kind::Sint32 | Kind::Sint64 => zigzag(bits).into(),
        Kind::Bool
        | Kind::Uint32
        | Kind::Fixed32
        | Kind::Uint64
        | Kind::Fixed64
        | Kind::Float
        | Kind::Double
        | Kind::String
        | Kind::Bytes
        | Kind::Enum(_)
        | Kind::Message(_) => bits.into(),
    }
}

fn write_plain(json: &mut String, value: impl Display) {
    let _ = write!(json, "{value}");
}

fn write_float32(json: &mut String, bits: u64) {
    let value = f32::from_bits(bits as u32);
    write_float(json, value, value.into(), (1e-6..1e21).contains(&value.abs()));
}

fn write_float64(json: &mut String, bits: u64) {
    let value = f64::from_bits(bits);
    write_float(json, value, value, (1e-6..1e21).contains(&value.abs()));
}

/// Writes a number as ECMAScript does: the shortest form that reads back as the same number, with an exponent if it is very small
/// or very large.
fn write_float<F: Display + LowerExp>(json: &mut String, value: F, wide: f64, is_plain: bool) {
    if wide.is_nan() {
        json.push_str("\"NaN\"");
    } else if wide.is_infinite() {
        json.push_str(if wide < 0.0 { "\"-Infinity\"" } else { "\"Infinity\"" });
    } else if is_plain || wide == 0.0 {
        write_plain(json, value);
    } else {
        let text = format!("{value:e}");
        json.push_str(&if text.contains("e-") { text } else { text.replace('e', "e+") });
    }
}

fn write_text(json: &mut String, text: &str) {
    // Escapes the same characters as LiveKit, in the same way.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Puts the commas between the entries of a list or an object.
#[derive(Default)]
struct Comma(bool);

impl Comma {
    fn put(&mut self, json: &mut String) {
        if std::mem::replace(&mut self.0, true) {
            json.push(',');
        }
    }
}

/// The values, sorted by field; those of one field keep their order.
fn split(mut binary: &[u8]) -> Vec<(u32, Raw<'_>)> {
    let mut values = Vec::new();
    while let Some(value) = next(&mut binary) {
        values.push(value);
    }
    values.sort_by_key(|value| value.0);
    values
}

fn next<'a>(binary: &mut &'a [u8]) -> Option<(u32, Raw<'a>)> {
    if binary.is_empty() {
        return None;
    }
    let (number, form) = decode_key(binary).ok()?;
    let value = match form {
        WireType::Varint => Raw::Number(decode_varint(binary).ok()?),
        WireType::ThirtyTwoBit => Raw::Number(fixed32(binary)?),
        WireType::SixtyFourBit => Raw::Number(fixed64(binary)?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(binary).ok()?).ok()?;
            let (bytes, rest) = binary.split_at_checked(length)?;
            *binary = rest;
            Raw::Bytes(bytes)
        }
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    Some((number, value))
}

fn unpack(kind: Kind, mut packed: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        if packed.is_empty() {
            return None;
        }
        match kind {
            Kind::Fixed32 | Kind::Sfixed32 | Kind::Float => fixed32(&mut packed),
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => fixed64(&mut packed),
            _ => decode_varint(&mut packed).ok(),
        }
    })
}

fn fixed32(binary: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = binary.split_first_chunk()?;
    *binary = rest;
    Some(u32::from_le_bytes(*bytes).into())
}

fn fixed64(binary: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = binary.split_first_chunk()?;
    *binary = rest;
    Some(u64::from_le_bytes(*bytes))
}
