//! Clients that learn of a track by its first packet, and clients that know one codec only.

mod house;

use client::{AudioConfig, ClientConfig, ClientEvent, Stream, VideoCodec, VideoConfig};
use house::{House, SECOND};

/// What a client was sent, by codec.
fn streams(house: &House, member: usize) -> Vec<(String, Stream)> {
    let mut streams: Vec<_> =
        house.members[member].client.streams().iter().map(|stream| (stream.codec.clone(), stream.clone())).collect();
    streams.sort_by(|a, b| a.0.cmp(&b.0));
    streams
}

fn codecs(house: &House, member: usize) -> Vec<String> {
    streams(house, member).into_iter().map(|(codec, _)| codec).collect()
}

fn sids(house: &House, member: usize) -> Vec<String> {
    let published = house.members[member].events.iter().filter_map(|event| match event {
        ClientEvent::Published { sid, .. } => Some(sid.clone()),
        _ => None,
    });
    published.collect()
}

#[test]
fn a_muted_camera_and_microphone_are_there_and_go_on_when_they_are_unmuted() {
    for codec in [VideoCodec::Vp8, VideoCodec::H264, VideoCodec::H265] {
        let mut house = House::new();
        let knows = |addr| ClientConfig { video_codecs: vec![codec], ..ClientConfig::new(addr) };
        let anna = house.join_with("anna", knows, |client| {
            client.publish_camera("camera", VideoConfig { codec, ..VideoConfig::default() });
            client.publish_microphone("microphone", AudioConfig::default());
        });
        house.run(SECOND * 2);
        let own = sids(&house, anna);
        assert_eq!(own.len(), 2);
        own.iter().for_each(|sid| house.members[anna].client.mute(sid, true));
        house.run(SECOND);

        let bert = house.join_with("bert", knows, |_| {});
        house.run(SECOND * 2);
        let opened = streams(&house, bert);
        let [(video, camera), (audio, microphone)] = opened.as_slice() else { panic!("two tracks, not {opened:?}") };
        assert_eq!(
            (video.to_ascii_lowercase(), audio.to_ascii_lowercase()),
            (format!("{codec:?}").to_lowercase(), "opus".into())
        );
        assert_eq!(camera.bytes, 0, "nothing that could be taken for a picture");
        assert_eq!(microphone.bytes, 3 * microphone.packets, "silence");
        assert!((2..=6).contains(&camera.packets) && (2..=6).contains(&microphone.packets), "{opened:?}");
        let answer = house.members[bert].answers.last().expect("an answer");
        for (_, stream) in &opened {
            assert!(answer.contains(&format!("a=ssrc:{} ", stream.ssrc)), "an SSRC of the answer: {answer}");
        }

        own.iter().for_each(|sid| house.members[anna].client.mute(sid, false));
        house.run(SECOND * 2);
        let flowing = streams(&house, bert);
        assert_eq!(flowing.len(), 2, "the streams that were opened: {flowing:?}");
        for ((_, before), (_, after)) in opened.iter().zip(&flowing) {
            assert_eq!((after.ssrc, after.jumps), (before.ssrc, 0), "numbers run on");
            assert!(after.packets > before.packets + 50, "{after:?}");
        }
    }
}

#[test]
fn a_publisher_that_never_sends_is_there_as_well() {
    let mut house = House::new();
    let anna = house.join("anna", |client| client.publish_microphone("microphone", AudioConfig::default()));
    house.run(SECOND * 2);
    let sid = sids(&house, anna).remove(0);
    house.members[anna].client.silence(&sid);
    let bert = house.join("bert", |_| {});
    house.run(SECOND * 2);
    assert_eq!(codecs(&house, bert), ["opus"]);
}

#[test]
fn each_gets_a_codec_that_it_takes() {
    let mut house = House::new();
    let knows = |codecs: &[VideoCodec]| {
        let video_codecs = codecs.to_vec();
        move |addr| ClientConfig { video_codecs, ..ClientConfig::new(addr) }
    };
    let both = [VideoCodec::Vp8, VideoCodec::H264];
    let camera = VideoConfig { backup: Some(VideoCodec::H264), ..VideoConfig::default() };
    let anna = house.join_with("anna", knows(&both), |client| client.publish_camera("camera", camera));
    let bert = house.join_with("bert", knows(&both), |_| {});
    let dora = house.join_with("dora", knows(&both[..1]), |_| {});
    house.run(SECOND * 3);
    let sent = house.members[anna].client.received().sent_packets;
    house.run(SECOND);
    let alone = house.members[anna].client.received().sent_packets - sent;
    let cleo = house.join_with("cleo", knows(&both[1..]), |_| {});
    house.run(SECOND * 4);
    for (who, codec) in [(bert, "VP8"), (cleo, "H264"), (dora, "VP8")] {
        let got = streams(&house, who);
        assert_eq!(got.len(), 1, "{got:?}");
        assert_eq!((got[0].0.to_ascii_uppercase().as_str(), got[0].1.jumps), (codec, 0));
        assert!(got[0].1.bytes > 100_000, "{got:?}");
    }
    let sent = house.members[anna].client.received().sent_packets;
    house.run(SECOND);
    let together = house.members[anna].client.received().sent_packets - sent;
    assert!(
        alone * 3 / 2 < together,
        "the backup is sent only once it is wanted: {alone}, then {together} packets a second"
    );
}

#[test]
fn h265_is_forwarded_in_one_encoding_and_in_three_and_replaced_where_it_is_not_taken() {
    for simulcast in [false, true] {
        let mut house = House::new();
        let knows = |codecs: &'static [VideoCodec]| {
            move |addr| ClientConfig { video_codecs: codecs.to_vec(), ..ClientConfig::new(addr) }
        };
        let camera =
            VideoConfig { codec: VideoCodec::H265, backup: Some(VideoCodec::Vp8), simulcast, ..VideoConfig::default() };
        let both = &[VideoCodec::H265, VideoCodec::Vp8];
        house.join_with("anna", knows(both), |client| client.publish_camera("camera", camera));
        let bert = house.join_with("bert", knows(both), |_| {});
        let cleo = house.join_with("cleo", knows(&[VideoCodec::Vp8]), |_| {});
        house.run(SECOND * 4);
        for (who, codec) in [(bert, "H265"), (cleo, "VP8")] {
            let got = streams(&house, who);
            assert_eq!(got.len(), 1, "{got:?}");
            assert_eq!((got[0].0.to_ascii_uppercase().as_str(), got[0].1.jumps), (codec, 0), "simulcast: {simulcast}");
            assert!(got[0].1.bytes > 100_000, "simulcast: {simulcast}, {got:?}");
        }
    }
}
