//! What the JSON mapping knows of the messages is what LiveKit's published .proto files say.

mod protos;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use prost_reflect::{Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

#[test]
fn the_messages_are_those_of_the_protocol() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/json/messages.rs");
    let source = generate(&protos::pool());
    if std::env::var_os("STOA_UPDATE_MESSAGES").is_some() {
        std::fs::write(&file, &source).expect("the file can be written");
    }
    let reviewed = std::fs::read_to_string(&file).expect("src/json/messages.rs exists");
    assert!(
        reviewed == source,
        "src/json/messages.rs is not what livekit-protocol's .proto files say: \
         run STOA_UPDATE_MESSAGES=1 cargo test --workspace --test json_messages"
    );
}

const HEAD: &str = "//! The messages that have JSON and what they are made of. Made by `tests/json_messages.rs` from livekit-protocol's
//! .proto files; not edited.

#![allow(missing_docs, reason = \"as in the .proto files\")]

use livekit_protocol as proto;

use super::Described;
use super::schema::Kind::*;
use super::schema::Shape::*;
use super::schema::{self, Field};

const fn field(number: u32, name: &'static str, shape: schema::Shape, kind: schema::Kind) -> Field {
    Field { number, name, shape, kind }
}
";

fn generate(pool: &DescriptorPool) -> String {
    let mut found = Found::default();
    let roots = protos::roots(pool);
    roots.iter().for_each(|root| found.add(root));
    let mut source = HEAD.to_owned();
    for root in &roots {
        let (name, constant) = (root.name(), constant(root.full_name()));
        let _ = write!(
            source,
            "\nimpl Described for proto::{name} {{\n    const MESSAGE: &'static schema::Message = &{constant};\n}}\n"
        );
    }
    for (name, message) in &found.messages {
        let constant = constant(name);
        let _ = write!(
            source,
            "\npub static {constant}: schema::Message = schema::Message {{ name: \"{name}\", fields: &[\n"
        );
        // As they are declared: the descriptor has them by number.
        for declared in &message.descriptor_proto().field {
            let field = message.get_field(declared.number().unsigned_abs()).expect("it has what it declares");
            assert_eq!(field.json_name(), camel_case(field.name()), "a name in JSON that is not the usual one");
            let (number, name, shape, kind) = (field.number(), field.name(), shape(&field), kind(&field.kind()));
            let _ = writeln!(source, "    field({number}, \"{name}\", {shape}, {kind}),");
        }
        source.push_str("] };\n");
    }
    for (name, values) in &found.enums {
        let _ = write!(source, "\npub static {}: schema::Enum = schema::Enum(&[\n", constant(name));
        for value in &values.enum_descriptor_proto().value {
            let _ = writeln!(source, "    (\"{}\", {}),", value.name(), value.number());
        }
        source.push_str("]);\n");
    }
    source
}

/// What the roots are made of, by name.
#[derive(Default)]
struct Found {
    messages: BTreeMap<String, MessageDescriptor>,
    enums: BTreeMap<String, EnumDescriptor>,
}

impl Found {
    fn add(&mut self, message: &MessageDescriptor) {
        let name = message.full_name().to_owned();
        assert!(!name.starts_with("google."), "{name} has a form of its own in JSON, which is not written yet");
        if self.messages.insert(name, message.clone()).is_some() {
            return;
        }
        for field in message.fields() {
            match field.kind() {
                Kind::Message(part) => self.add(&part),
                Kind::Enum(part) => drop(self.enums.insert(part.full_name().to_owned(), part)),
                _ => {}
            }
        }
    }
}

fn shape(field: &FieldDescriptor) -> String {
    if field.field_descriptor_proto().proto3_optional() {
        return "Optional".to_owned();
    }
    match field.containing_oneof() {
        Some(oneof) => {
            let at = field.parent_message().oneofs().position(|other| other == oneof);
            format!("Oneof({})", at.expect("its message has it"))
        }
        None if field.is_map() => "Map".to_owned(),
        None if field.cardinality() == Cardinality::Repeated => "Repeated".to_owned(),
        None => "Single".to_owned(),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => format!("Message(&{})", constant(message.full_name())),
        Kind::Enum(values) => format!("Enum(&{})", constant(values.full_name())),
        plain => {
            let name = format!("{plain:?}");
            name[..1].to_ascii_uppercase() + &name[1..]
        }
    }
}

/// `livekit.DataPacket.Kind` → `DATA_PACKET_KIND`.
fn constant(name: &str) -> String {
    let mut constant = String::new();
    let mut before = '.';
    for letter in name.trim_start_matches("livekit.").chars() {
        if letter.is_uppercase() && (before.is_lowercase() || before.is_numeric()) {
            constant.push('_');
        }
        constant.push(if letter == '.' { '_' } else { letter.to_ascii_uppercase() });
        before = letter;
    }
    constant
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |camel, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        camel + &initial.to_ascii_uppercase() + rest
    })
}
