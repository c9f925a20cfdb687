//! LiveKit's published .proto files, as the crate of its Rust types has them.

use std::path::PathBuf;
use std::process::Command;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use protobuf::Message as _;

/// Everything they describe.
pub fn pool() -> DescriptorPool {
    let folder = folder();
    let files = ["livekit_room.proto", "livekit_webhook.proto", "livekit_rtc.proto"].map(|file| folder.join(file));
    let parsed = protobuf_parse::Parser::new().pure().include(&folder).inputs(files).parse_and_typecheck();
    let file = parsed.expect("the files are well-formed").file_descriptors;
    let described = protobuf::descriptor::FileDescriptorSet { file, ..Default::default() };
    let described = described.write_to_bytes().expect("they are small");
    DescriptorPool::decode(described.as_slice()).expect("they are complete")
}

/// The messages that have JSON: what RoomService takes and gives, webhooks, signalling in text.
pub fn roots(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let service = pool.get_service_by_name("livekit.RoomService").expect("the service is there");
    let others = ["RoomConfiguration", "WebhookEvent", "SignalRequest", "SignalResponse"];
    let others = others.iter().map(|name| pool.get_message_by_name(&format!("livekit.{name}")).expect("it is there"));
    let mut roots: Vec<_> =
        service.methods().flat_map(|method| [method.input(), method.output()]).chain(others).collect();
    roots.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    roots.dedup();
    roots
}

fn folder() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let protocol = packages.iter().find(|package| package["name"] == "livekit-protocol").expect("it is a dependency");
    let manifest = protocol["manifest_path"].as_str().expect("it has a manifest");
    PathBuf::from(manifest).with_file_name("protocol").join("protobufs")
}
