//! What protobuf's JSON mapping needs to know about a message beyond its binary form. `messages` is generated from these types.

/// A message.
#[derive(Debug)]
pub struct Message {
    /// Its full name, including the package.
    pub name: &'static str,
    /// Its fields in the order they are declared, which is also the order they are written in.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its tag in the binary form.
    pub number: u32,
    /// The name as declared, in snake_case.
    pub name: &'static str,
    /// How often it may appear.
    pub shape: Shape,
    /// What it holds.
    pub kind: Kind,
}

/// How often a field may appear, and whether its default value differs from its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Once. A scalar that is absent has its default value.
    Single,
    /// Once or not at all, and the difference matters (`optional`).
    Optional,
    /// Part of a `oneof`: at most one of its fields may appear. The number counts the `oneof`s of a message from 0.
    Oneof(u8),
    /// Any number of times.
    Repeated,
    /// A map: any number of entries, each a message with a key (1) and a value (2).
    Map,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "protobuf's own types")]
pub enum Kind {
    Bool,
    Int32,
    Sint32,
    Uint32,
    Fixed32,
    Sfixed32,
    Int64,
    Sint64,
    Uint64,
    Fixed64,
    Sfixed64,
    Float,
    Double,
    String,
    Bytes,
    Enum(&'static Enum),
    Message(&'static Message),
}

/// An enumeration: its names and their numbers, in the order they are declared.
#[derive(Debug)]
pub struct Enum(pub &'static [(&'static str, i32)]);

impl Message {
    /// The field with this name, in snake_case or lowerCamelCase.
    pub(super) fn field(&'static self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name || camel_case(field.name).eq(name.chars()))
    }
}

impl Enum {
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.0.iter().find(|value| value.0 == name).map(|value| value.1)
    }

    pub(super) fn name(&self, number: i32) -> Option<&'static str> {
        self.0.iter().find(|value| value.1 == number).map(|value| value.0)
    }
}

/// A field's name in JSON: lowerCamelCase, derived as protoc does.
pub(super) fn camel_case(name: &str) -> impl Iterator<Item = char> {
    let mut raised = false;
    name.chars().filter_map(move |letter| match letter {
        '_' => {
            raised = true;
            None
        }
        letter if std::mem::take(&mut raised) => Some(letter.to_ascii_uppercase()),
        letter => Some(letter),
    })
}
