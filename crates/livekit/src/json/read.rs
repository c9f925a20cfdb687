//! Converts JSON to the binary form.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::decode::{STANDARD, URL_SAFE};

use super::schema::{Enum, Field, Kind, Message, Shape};

/// The text is not JSON, or not the JSON of this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON of this message")]
pub struct Unreadable;

/// Converts a message to its binary form. `serde_json` limits how deeply it can be nested.
pub(super) fn to_binary(message: &'static Message, json: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut binary = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(json);
    MessageSeed { message, into: &mut binary }.deserialize(&mut json).map_err(|_| Unreadable)?;
    json.end().map_err(|_| Unreadable)?;
    Ok(binary)
}

struct MessageSeed<'a> {
    message: &'static Message,
    into: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for MessageSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MessageSeed<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut json: A) -> Result<(), A::Error> {
        let (mut seen, mut chosen) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = json.next_key::<Cow<str>>()? {
            let Some(field) = self.message.field(&name) else {
                json.next_value::<IgnoredAny>()?;
                continue;
            };
            if !seen.insert(field.number) {
                return Err(A::Error::custom("a field is there twice"));
            }
            let is_set = json.next_value_seed(FieldSeed { field, into: self.into })?;
            if let Shape::Oneof(group) = field.shape
                && is_set
                && !chosen.insert(group)
            {
                return Err(A::Error::custom("two of which one may be there"));
            }
        }
        Ok(())
    }
}

/// Reads a field's value, and returns whether there was one: any field may be `null`.
struct FieldSeed<'a> {
    field: &'static Field,
    into: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_> {
    type Value = bool;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str(self.field.name)
    }

    fn visit_none<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        let Self { field, into } = self;
        match (field.shape, field.kind) {
            (Shape::Map, Kind::Message(entry)) => json.deserialize_map(MapSeed { field, entry, into })?,
            (Shape::Repeated, _) => json.deserialize_seq(ListSeed { field, into })?,
            _ => ValueSeed { field, into }.deserialize(json)?,
        }
        Ok(true)
    }
}

/// Reads one value and writes it with its key in the binary form.
struct ValueSeed<'a> {
    field: &'static Field,
    into: &'a mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { field, into } = self;
        if let Kind::Message(message) = field.kind {
            let mut binary = Vec::new();
            MessageSeed { message, into: &mut binary }.deserialize(json)?;
            put_bytes(into, field.number, &binary);
            return Ok(());
        }
        let scalar = json.deserialize_any(ScalarVisitor)?;
        put_scalar(into, field, &scalar).ok_or_else(|| D::Error::custom("a value of another type"))
    }
}

struct ListSeed<'a> {
    field: &'static Field,
    into: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut json: A) -> Result<(), A::Error> {
        while json.next_element_seed(ValueSeed { field: self.field, into: self.into })?.is_some() {}
        Ok(())
    }
}

struct MapSeed<'a> {
    field: &'static Field,
    entry: &'static Message,
    into: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for MapSeed<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut json: A) -> Result<(), A::Error> {
        let [key, value] = self.entry.fields else { return Err(A::Error::custom("no entry of a map")) };
        let mut seen = BTreeSet::new();
        while let Some(name) = json.next_key::<Cow<str>>()? {
            let mut binary = Vec::new();
            put_key(&mut binary, key, &name).ok_or_else(|| A::Error::custom("no key of this map"))?;
            if !seen.insert(binary.clone()) {
                return Err(A::Error::custom("a key is there twice"));
            }
            let before = binary.len();
            json.next_value_seed(ValueSeed { field: value, into: &mut binary })?;
            // The name isn't in the enumeration.
            if binary.len() > before {
                put_bytes(self.into, self.field.number, &binary);
            }
        }
        Ok(())
    }
}

/// A value that is neither a list nor an object.
enum Scalar<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'de, str>),
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
        to.write_str("a scalar")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Signed(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(value)))
    }
}

/// `None` if the value is not of the field's kind. Writes nothing if the name isn't in the enumeration.
fn put_scalar(into: &mut Vec<u8>, field: &Field, scalar: &Scalar) -> Option<()> {
    let number = field.number;
    match (field.kind, scalar) {
        (Kind::Bool, Scalar::Bool(value)) => put_varint(into, number, (*value).into()),
        (Kind::String, Scalar::Text(text)) => put_bytes(into, number, text.as_bytes()),
        (Kind::Bytes, Scalar::Text(text)) => put_bytes(into, number, &base64(text)?),
        (Kind::Enum(values), scalar) => {
            if let Some(value) = enumerated(values, scalar)? {
                put_varint(into, number, extended(value.into()));
            }
        }
        (Kind::Float, scalar) => put_fixed32(into, number, float32(scalar)?.to_bits()),
        (Kind::Double, scalar) => put_fixed64(into, number, float(scalar)?.to_bits()),
        (Kind::Bool | Kind::String | Kind::Bytes | Kind::Message(_), _) => return None,
        (kind, scalar) => put_integer(into, number, kind, integer(scalar)?)?,
    }
    Some(())
}

/// Reads a map's key. In JSON, keys are always strings.
fn put_key(into: &mut Vec<u8>, key: &Field, name: &str) -> Option<()> {
    match key.kind {
        Kind::String => put_bytes(into, key.number, name.as_bytes()),
        Kind::Bool => put_varint(into, key.number, name.parse::<bool>().ok()?.into()),
        kind => put_integer(into, key.number, kind, name.parse().ok()?)?,
    }
    Some(())
}

fn put_integer(into: &mut Vec<u8>, number: u32, kind: Kind, value: i128) -> Option<()> {
    let zigzag = |value: i64| (value << 1 ^ value >> 63).cast_unsigned();
    match kind {
        Kind::Int32 => put_varint(into, number, extended(i32::try_from(value).ok()?.into())),
        Kind::Int64 => put_varint(into, number, extended(value.try_into().ok()?)),
        Kind::Uint32 => put_varint(into, number, u32::try_from(value).ok()?.into()),
        Kind::Uint64 => put_varint(into, number, value.try_into().ok()?),
        Kind::Sint32 => put_varint(into, number, zigzag(i32::try_from(value).ok()?.into())),
        Kind::Sint64 => put_varint(into, number, zigzag(value.try_into().ok()?)),
        Kind::Fixed32 => put_fixed32(into, number, value.try_into().ok()?),
        Kind::Sfixed32 => put_fixed32(into, number, i32::try_from(value).ok()?.cast_unsigned()),
        Kind::Fixed64 => put_fixed64(into, number, value.try_into().ok()?),
        Kind::Sfixed64 => put_fixed64(into, number, i64::try_from(value).ok()?.cast_unsigned()),
        Kind::Bool | Kind::Float | Kind::Double | Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) => {
            return None;
        }
    }
    Some(())
}

/// Negative numbers are extended to 64 bits, so they take ten bytes.
fn extended(value: i64) -> u64 {
    value.cast_unsigned()
}

/// An integer: `77`, `77.0`, `7.7e1`, or any of these as a string.
fn integer(scalar: &Scalar) -> Option<i128> {
    match scalar {
        Scalar::Unsigned(value) => Some((*value).into()),
        Scalar::Signed(value) => Some((*value).into()),
        // Every integer type fits into this range. Beyond it, the conversion could change the number.
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() <= u64::MAX as f64 => Some(*value as i128),
        Scalar::Text(text) => integer(&number(text)?),
        Scalar::Null | Scalar::Bool(_) | Scalar::Float(_) => None,
    }
}

fn float(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Unsigned(value) => Some(*value as f64),
        Scalar::Signed(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Text(text) => match &**text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => float(&number(text)?),
        },
        Scalar::Null | Scalar::Bool(_) => None,
    }
}

fn float32(scalar: &Scalar) -> Option<f32> {
    let wide = float(scalar)?;
    let narrow = wide as f32;
    (narrow.is_finite() || !wide.is_finite()).then_some(narrow)
}

/// A number in a string: as JSON writes numbers, with nothing around it.
fn number(text: &str) -> Option<Scalar<'static>> {
    // The JSON parser would accept spaces around it.
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        || !text.ends_with(|last: char| last.is_ascii_digit())
    {
        return None;
    }
    let number: serde_json::Number = serde_json::from_str(text).ok()?;
    let whole = number.as_u64().map(Scalar::Unsigned).or_else(|| number.as_i64().map(Scalar::Signed));
    whole.or_else(|| number.as_f64().map(Scalar::Float))
}

/// The outer `None`: the value can't be of this kind. The inner `None`: an unknown name, which is ignored like an unknown field.
fn enumerated(values: &Enum, scalar: &Scalar) -> Option<Option<i32>> {
    match scalar {
        Scalar::Text(name) => Some(values.number(name)),
        Scalar::Null | Scalar::Bool(_) | Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) => {
            integer(scalar)?.try_into().ok().map(Some)
        }
    }
}

/// Base64 in the standard or the URL-safe alphabet, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { URL_SAFE } else { STANDARD };
    engine.decode(text).ok()
}

fn put_varint(into: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::Varint, into);
    encode_varint(value, into);
}

fn put_fixed32(into: &mut Vec<u8>, number: u32, bits: u32) {
    encode_key(number, WireType::ThirtyTwoBit, into);
    into.extend_from_slice(&bits.to_le_bytes());
}

fn put_fixed64(into: &mut Vec<u8>, number: u32, bits: u64) {
    encode_key(number, WireType::SixtyFourBit, into);
    into.extend_from_slice(&bits.to_le_bytes());
}

fn put_bytes(into: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(bytes.len() as u64, into);
    into.extend_from_slice(bytes);
}
