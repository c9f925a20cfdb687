//! Tracks in more than one codec, as publisher and subscribers hear of them.

#![allow(clippy::disallowed_methods, reason = "maps of one entry have an order")]

mod support;

use std::time::Duration;

use livekit::ConnectionId;
use livekit::proto::{self, BackupCodecPolicy, VideoQuality, signal_request::Message as Said};
use support::*;

/// A camera in VP8 that can be sent in H.264, too.
fn camera_with_backup(policy: BackupCodecPolicy) -> proto::AddTrackRequest {
    let Said::AddTrack(request) = camera("cam") else { unreachable!("a request to publish") };
    let codec =
        |codec: &str, cid: &str| proto::SimulcastCodec { codec: codec.into(), cid: cid.into(), ..Default::default() };
    let simulcast_codecs = vec![codec("vp8", "cam"), codec("h264", "")];
    proto::AddTrackRequest { simulcast_codecs, backup_codec_policy: policy.into(), ..request }
}

/// The client is about to send the backup as `cam2`.
fn backup_of(sid: &str) -> Said {
    let codec = proto::SimulcastCodec { codec: "h264".into(), cid: "cam2".into(), ..Default::default() };
    let simulcast_codecs = vec![codec];
    Said::AddTrack(proto::AddTrackRequest {
        cid: "cam2".into(),
        sid: sid.into(),
        simulcast_codecs,
        ..Default::default()
    })
}

/// Chrome's offer, with one codec of video.
fn only(codec: &str) -> String {
    let (head, sections) = split(CHROME_OFFER);
    let sections = sections
        .into_iter()
        .map(|section| if section.starts_with("m=video") { one_codec(&section, codec) } else { section });
    sections.fold(head, |text, section| text + &section)
}

fn one_codec(section: &str, codec: &str) -> String {
    let of = |line: &str| {
        line.split_once(':').and_then(|(_, rest)| rest.split([' ', '\r']).next()).unwrap_or_default().to_owned()
    };
    let named = format!(" {codec}/");
    let mut kept: Vec<String> =
        section.lines().filter(|line| line.starts_with("a=rtpmap:") && line.contains(&named)).map(of).collect();
    let repairs = section.lines().filter(|line| kept.iter().any(|pt| line.ends_with(&format!(" apt={pt}")))).map(of);
    kept.extend(repairs.collect::<Vec<_>>());
    let keep = |line: &&str| {
        let of_format = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().any(|head| line.starts_with(head));
        !of_format || kept.contains(&of(line))
    };
    let line = |line: &str| match line.strip_prefix("m=video ") {
        Some(rest) => {
            let words: Vec<&str> = rest.split(' ').take(2).collect();
            format!("m=video {} {}\r\n", words.join(" "), kept.join(" "))
        }
        None => format!("{line}\r\n"),
    };
    section.lines().filter(keep).map(line).collect()
}

fn join_with(world: &mut World, identity: &str, sdp: &str) -> ConnectionId {
    let client = livekit::ClientParameters { publisher_offer: Some(offer(1, sdp)), ..single() };
    world.connect(claims(identity), client)
}

fn publish(world: &mut World, publisher: ConnectionId, policy: BackupCodecPolicy) -> proto::TrackInfo {
    world.say(publisher, Said::AddTrack(camera_with_backup(policy)));
    world.say(publisher, Said::Offer(offer(2, &offer_with(&[("video", "7", "sendonly", "s cam")]))));
    only!(world.heard(publisher), TrackPublished)[0].track.clone().unwrap()
}

/// The codecs the publisher was last told to send in some quality.
fn wanted(world: &mut World, publisher: ConnectionId) -> Option<Vec<String>> {
    let update = only!(world.heard(publisher), SubscribedQualityUpdate).pop()?;
    let sent = |codec: &&proto::SubscribedCodec| codec.qualities.iter().any(|quality| quality.enabled);
    Some(update.subscribed_codecs.iter().filter(sent).map(|codec| codec.codec.clone()).collect())
}

#[test]
fn the_backup_is_asked_for_when_somebody_cannot_do_without_and_no_longer() {
    let mut world = World::new();
    let alice = world.join("alice");
    let track = publish(&mut world, alice, BackupCodecPolicy::Simulcast);
    let named: Vec<_> = track.codecs.iter().map(|codec| (codec.mime_type.as_str(), codec.cid.as_str())).collect();
    assert_eq!(named, [("video/VP8", "cam"), ("video/H264", "")]);
    world.join("bob");
    world.advance(Duration::from_secs(4));
    assert_eq!(wanted(&mut world, alice), None, "everybody takes what is sent");

    let cleo = join_with(&mut world, "cleo", &only("H264"));
    let update = only!(world.heard(alice), SubscribedQualityUpdate).pop().expect("at once");
    assert_eq!(update.track_sid, track.sid);
    let codecs: Vec<_> = update.subscribed_codecs.iter().map(|codec| codec.codec.as_str()).collect();
    assert_eq!(codecs, ["vp8", "h264"]);
    for codec in &update.subscribed_codecs {
        let enabled = codec.qualities.iter().map(|quality| (quality.quality(), quality.enabled));
        let all = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High].map(|quality| (quality, true));
        assert_eq!(enabled.collect::<Vec<_>>(), all, "{}", codec.codec);
    }
    // To Cleo it is the same track.
    let answer = only!(world.heard(cleo), Answer).pop().expect("an answer");
    assert_eq!(answer.mid_to_track_id.values().collect::<Vec<_>>(), [&track.sid]);

    world.say(cleo, Said::Leave(proto::LeaveRequest::default()));
    world.advance(Duration::from_secs(4));
    assert_eq!(wanted(&mut world, alice), Some(vec!["vp8".into()]));
}

#[test]
fn a_backup_comes_over_a_line_of_its_own() {
    let mut world = World::new();
    let alice = world.join("alice");
    let track = publish(&mut world, alice, BackupCodecPolicy::Simulcast);
    let bob = world.join("bob");
    world.heard(bob);
    join_with(&mut world, "cleo", &only("H264"));
    world.heard(alice);
    world.say(alice, backup_of(&track.sid));
    let published = only!(world.heard(alice), TrackPublished).pop().expect("an answer");
    assert_eq!((published.cid.as_str(), &published.track.unwrap().sid), ("cam2", &track.sid));
    let lines = [("video", "7", "sendonly", "s cam"), ("video", "8", "sendonly", "s cam2")];
    world.say(alice, Said::Offer(offer(3, &offer_with(&lines))));
    let answer = only!(world.heard(alice), Answer).pop().expect("an answer");
    let first = |mid| {
        let section = section(&answer.sdp, mid);
        let pt = section.split(' ').nth(3).expect("a format").to_owned();
        let name = section.lines().find_map(|line| line.strip_prefix(&format!("a=rtpmap:{pt} ")));
        name.expect("a name").to_owned()
    };
    assert_eq!((first("7").as_str(), first("8").as_str()), ("VP8/90000", "H264/90000"), "each is sent in its codec");
    let seen = only!(world.heard(bob), Update).pop().expect("news of the codec");
    let tracks = &seen.participants[0].tracks;
    assert_eq!(tracks.len(), 1, "one track to the others: {tracks:?}");
    let mids: Vec<_> = tracks[0].codecs.iter().map(|codec| codec.mid.as_str()).collect();
    assert_eq!((tracks[0].mid.as_str(), mids), ("7", vec!["7", "8"]));

    let gone = [("video", "7", "sendonly", "s cam"), ("video", "8", "inactive", "")];
    world.say(alice, Said::Offer(offer(4, &offer_with(&gone))));
    assert_eq!(only!(world.heard(alice), TrackUnpublished), [], "the track stays");
    world.say(
        alice,
        Said::Offer(offer(5, &offer_with(&[("video", "7", "inactive", ""), ("video", "8", "inactive", "")]))),
    );
    let seen = only!(world.heard(bob), Update).pop().expect("news of the end");
    assert!(seen.participants[0].tracks.is_empty());
}

#[test]
fn a_backup_whose_name_came_first_needs_no_second_request() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut request = camera_with_backup(BackupCodecPolicy::Simulcast);
    request.simulcast_codecs[1].cid = "cam2".into();
    world.say(alice, Said::AddTrack(request));
    let lines = [("video", "7", "sendonly", "s cam2"), ("video", "8", "sendonly", "s cam")];
    world.say(alice, Said::Offer(offer(2, &offer_with(&lines))));
    let bob = world.join("bob");
    let livekit::proto::signal_response::Message::Join(join) = world.heard(bob).remove(0) else {
        panic!("first a join")
    };
    let track = &join.other_participants[0].tracks[0];
    let mids: Vec<_> = track.codecs.iter().map(|codec| codec.mid.as_str()).collect();
    assert_eq!((track.mid.as_str(), mids), ("8", vec!["8", "7"]));
}

#[test]
fn all_change_with_one_where_the_publisher_wants_it_so() {
    for (policy, expected) in [
        (BackupCodecPolicy::Regression, vec!["h264".to_owned()]),
        (BackupCodecPolicy::Simulcast, vec!["vp8".into(), "h264".into()]),
    ] {
        let mut world = World::new();
        let alice = world.join("alice");
        let track = publish(&mut world, alice, policy);
        world.join("bob");
        join_with(&mut world, "cleo", &only("H264"));
        assert_eq!(
            wanted(&mut world, alice),
            Some(vec!["vp8".into(), "h264".into()]),
            "Bob keeps what he has until then"
        );
        world.say(alice, backup_of(&track.sid));
        let lines = [("video", "7", "sendonly", "s cam"), ("video", "8", "sendonly", "s cam2")];
        world.say(alice, Said::Offer(offer(3, &offer_with(&lines))));
        world.advance(Duration::from_secs(4));
        let told = wanted(&mut world, alice).unwrap_or_else(|| vec!["vp8".into(), "h264".into()]);
        assert_eq!(told, expected, "{policy:?}");
    }
}

#[test]
fn what_is_said_of_a_track_reaches_the_codec_that_is_sent() {
    let mut world = World::new();
    let alice = world.join("alice");
    let track = publish(&mut world, alice, BackupCodecPolicy::Simulcast);
    let bob = join_with(&mut world, "bob", &only("H264"));
    world.advance(Duration::from_secs(4));
    assert_eq!(wanted(&mut world, alice), Some(vec!["h264".into()]), "nobody takes VP8");
    let settings = |disabled| proto::UpdateTrackSettings {
        track_sids: vec![track.sid.clone()],
        disabled,
        quality: VideoQuality::High.into(),
        ..Default::default()
    };
    world.say(bob, Said::TrackSetting(settings(true)));
    world.advance(Duration::from_secs(4));
    assert_eq!(wanted(&mut world, alice), Some(vec![]));
    world.say(bob, Said::TrackSetting(settings(false)));
    assert_eq!(wanted(&mut world, alice), Some(vec!["h264".into()]));
    let subscription = |subscribe| {
        let track_sids = vec![track.sid.clone()];
        Said::Subscription(proto::UpdateSubscription { track_sids, subscribe, ..Default::default() })
    };
    world.say(bob, subscription(false));
    world.advance(Duration::from_secs(4));
    assert_eq!(wanted(&mut world, alice), Some(vec![]));
    world.say(bob, subscription(true));
    world.say(bob, Said::Offer(offer(3, &only("H264"))));
    world.advance(Duration::from_secs(4));
    assert_eq!(wanted(&mut world, alice), Some(vec!["h264".into()]));
}

#[test]
fn audio_has_backups_too() {
    let mut world = World::new();
    let alice = world.join("alice");
    let Said::AddTrack(request) = audio("mic") else { unreachable!("a request to publish") };
    let codec =
        |codec: &str, cid: &str| proto::SimulcastCodec { codec: codec.into(), cid: cid.into(), ..Default::default() };
    let simulcast_codecs = vec![codec("audio/opus", "mic"), codec("audio/PCMU", "mic2")];
    world.say(alice, Said::AddTrack(proto::AddTrackRequest { simulcast_codecs, ..request }));
    world.say(alice, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "s mic")]))));
    world.heard(alice);
    let (head, sections) = split(CHROME_OFFER);
    let pcmu = sections.iter().map(|section| match section.starts_with("m=audio") {
        true => one_audio(section),
        false => section.clone(),
    });
    let sdp = pcmu.fold(head, |text, section| text + &section);
    join_with(&mut world, "bob", &sdp);
    let update = only!(world.heard(alice), SubscribedAudioCodecUpdate).pop().expect("the backup is wanted");
    let codecs: Vec<_> =
        update.subscribed_audio_codecs.iter().map(|codec| (codec.codec.as_str(), codec.enabled)).collect();
    assert_eq!(codecs, [("opus", true), ("pcmu", true)]);
}

/// The m-line with PCMU alone.
fn one_audio(section: &str) -> String {
    let keep = |line: &&str| {
        let format = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|head| line.strip_prefix(head));
        format.is_none_or(|rest| rest.starts_with("0 "))
    };
    let line = |line: &str| match line.starts_with("m=audio") {
        true => "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".to_owned(),
        false => format!("{line}\r\n"),
    };
    section.lines().filter(keep).map(line).collect()
}
