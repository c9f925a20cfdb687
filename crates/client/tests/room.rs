//! Clients in a room: they hear and see each other.

mod house;

use client::{AudioConfig, ClientEvent, VideoConfig};
use house::{House, SECOND};

#[test]
fn three_clients_hear_and_see_each_other() {
    let mut house = House::new();
    for identity in ["anna", "bert", "cleo"] {
        house.join(identity, |client| {
            client.publish_camera("camera", VideoConfig { simulcast: true, ..VideoConfig::default() });
            client.publish_microphone("microphone", AudioConfig::default());
        });
        house.run(SECOND);
    }
    house.run(SECOND * 4);
    let before: Vec<_> = house.members.iter().map(|member| member.client.received()).collect();
    house.run(SECOND * 2);
    for (member, before) in house.members.iter().zip(before) {
        let after = member.client.received();
        let published = member.events.iter().filter(|event| matches!(event, ClientEvent::Published { .. })).count();
        assert_eq!(published, 2);
        let frames = after.frames - before.frames;
        let audio = after.audio_packets - before.audio_packets;
        assert!((110..=130).contains(&frames), "{frames} frames of two cameras in 2 s");
        assert!((190..=210).contains(&audio), "{audio} packets of two microphones in 2 s");
    }
}

#[test]
fn data_reaches_the_others() {
    let mut house = House::new();
    let anna = house.join("anna", |_| {});
    house.run(SECOND);
    let bert = house.join("bert", |_| {});
    house.run(SECOND * 2);
    assert!(house.members.iter().all(|member| member.client.is_connected()));
    let user = livekit::proto::UserPacket { payload: b"hello".to_vec(), ..Default::default() };
    let value = Some(livekit::proto::data_packet::Value::User(user));
    let packet = livekit::proto::DataPacket { value, ..Default::default() };
    assert!(house.members[anna].client.send_data("_reliable", &prost::Message::encode_to_vec(&packet)));
    house.run(SECOND);
    let heard = house.members[bert].events.iter().any(|event| {
        matches!(event, ClientEvent::Data(label, bytes) if label == "_reliable" && bytes.windows(5).any(|at| at == b"hello"))
    });
    assert!(heard);
    let echoed = house.members[anna].events.iter().any(|event| matches!(event, ClientEvent::Data(..)));
    assert!(!echoed, "the sender does not hear itself");
}
