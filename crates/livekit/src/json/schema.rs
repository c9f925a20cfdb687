//! What protobuf's JSON mapping must know of a message and its binary form does not say. `messages` is generated in these words.

/// A message.
#[derive(Debug)]
pub struct Message {
    /// With its package.
    pub name: &'static str,
    /// In the order of their declaration, which is the order they are written in.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its tag in the binary form.
    pub number: u32,
    /// As it is declared: snake_case.
    pub name: &'static str,
    /// How often it may be there.
    pub shape: Shape,
    /// What it holds.
    pub kind: Kind,
}

/// How often a field may be there, and whether it can be told apart from its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Once; scalars are there even when they are not.
    Single,
    /// Once or not, and that matters (`optional`).
    Optional,
    /// One of several, counted in each message from 0, of which at most one is there.
    Oneof(u8),
    /// Any number.
    Repeated,
    /// Any number, by key: the kind is a message of a key (1) and a value (2).
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

/// An enumeration: its values by name, in the order of their declaration.
#[derive(Debug)]
pub struct Enum(pub &'static [(&'static str, i32)]);

impl Message {
    /// The field of this name, in either spelling.
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

/// A field's name in JSON: lowerCamelCase as protoc makes it.
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
