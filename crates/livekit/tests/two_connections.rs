//! Clients with two connections: the server offers what it sends.

#![allow(clippy::disallowed_methods, reason = "maps of one entry have an order")]

mod support;

use livekit::ConnectionId;
use livekit::proto::{self, signal_request::Message as Said, signal_response::Message as Heard};
use str0m::change::SdpOffer;
use str0m::{Rtc, RtcConfig};
use support::*;

/// The subscribing side of a client.
struct Subscriber {
    connection: ConnectionId,
    rtc: Rtc,
}

impl Subscriber {
    fn join(world: &mut World, identity: &str) -> Self {
        let connection = world.connect(claims(identity), dual());
        Self { connection, rtc: RtcConfig::new().build(world.now) }
    }

    /// Answers the server's offers, and gives them back.
    fn answer_all(&mut self, world: &mut World) -> Vec<proto::SessionDescription> {
        let mut offers = Vec::new();
        loop {
            let heard = only!(world.heard(self.connection), Offer);
            if heard.is_empty() {
                return offers;
            }
            for offer in heard {
                let sdp = SdpOffer::from_sdp_string(&offer.sdp).expect("a description a client can read");
                let answer = self.rtc.sdp_api().accept_offer(sdp).expect("an offer a client can take");
                let answer = proto::SessionDescription {
                    r#type: "answer".into(),
                    sdp: answer.to_sdp_string(),
                    id: offer.id,
                    ..Default::default()
                };
                offers.push(offer);
                world.say(self.connection, Said::Answer(answer));
            }
        }
    }
}

#[test]
fn the_server_offers_at_once_with_data_channels() {
    let mut world = World::new();
    let bob = world.connect(claims("bob"), dual());
    let heard = world.heard(bob);
    let Heard::Join(join) = &heard[0] else { panic!("first a join response") };
    assert!(join.subscriber_primary && join.fast_publish);
    let offers = only!(heard, Offer);
    assert_eq!((offers.len(), offers[0].id, offers[0].r#type.as_str()), (1, 1, "offer"));
    assert!(offers[0].sdp.contains("m=application"));
    assert_eq!(world.opened.len(), 2);
}

#[test]
fn tracks_come_and_go_with_offers() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut bob = Subscriber::join(&mut world, "bob");
    bob.answer_all(&mut world);
    let mut ids = vec![1];
    let mut lines = Vec::new();
    for round in 0..3 {
        world.say(alice, camera("cam"));
        world.say(alice, Said::Offer(offer(2, &offer_with(&[("video", "7", "sendonly", "s cam")]))));
        let offers = bob.answer_all(&mut world);
        let last = offers.last().expect("an offer with the track");
        let (mid, track) = last.mid_to_track_id.iter().next().expect("the track is named");
        let named = section(&last.sdp, mid);
        assert!(named.contains("|TR_VC") && named.contains(track.as_str()), "round {round}: {named}");
        lines.push(mid.clone());
        ids.extend(offers.iter().map(|offer| offer.id));

        world.say(alice, Said::Offer(offer(3, &offer_with(&[("video", "7", "inactive", "")]))));
        let offers = bob.answer_all(&mut world);
        let last = offers.last().expect("an offer without the track");
        assert!(last.mid_to_track_id.is_empty() && !last.sdp.contains("PA_"));
        ids.extend(offers.iter().map(|offer| offer.id));
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert!(lines.iter().all(|mid| *mid == lines[0]), "the m-line is used again: {lines:?}");
}

#[test]
fn one_offer_is_out_at_a_time() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut bob = Subscriber::join(&mut world, "bob");
    world.say(alice, camera("cam"));
    world.say(alice, audio("mic"));
    let lines = [("video", "7", "sendonly", "s cam"), ("audio", "8", "sendonly", "s mic")];
    world.say(alice, Said::Offer(offer(2, &offer_with(&lines[..1]))));
    world.say(alice, Said::Offer(offer(3, &offer_with(&lines))));
    let offers = bob.answer_all(&mut world);
    assert_eq!(offers.iter().map(|offer| offer.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(offers[1].mid_to_track_id.len(), 2);
}

#[test]
fn an_answer_to_an_older_offer_is_ignored() {
    let mut world = World::new();
    let bob = world.connect(claims("bob"), dual());
    world.heard(bob);
    let answer = proto::SessionDescription { r#type: "answer".into(), sdp: "v=0".into(), id: 9, ..Default::default() };
    world.say(bob, Said::Answer(answer));
    assert_eq!(world.closed(bob), None);
}

#[test]
fn a_resume_restarts_ice() {
    let mut world = World::new();
    let mut bob = Subscriber::join(&mut world, "bob");
    let heard = world.heard(bob.connection);
    let Heard::Join(join) = heard[0].clone() else { panic!("first a join response") };
    let first = only!(heard, Offer).remove(0);
    let sdp = SdpOffer::from_sdp_string(&first.sdp).unwrap();
    let answer = bob.rtc.sdp_api().accept_offer(sdp).unwrap().to_sdp_string();
    world.say(bob.connection, Said::Answer(proto::SessionDescription { sdp: answer, id: 1, ..Default::default() }));
    world.disconnect(bob.connection);
    let sid = join.participant.unwrap().sid;
    let client = livekit::ClientParameters { reconnect: Some((sid, 1)), ..dual() };
    bob.connection = world.connect(claims("bob"), client);
    let heard = world.heard(bob.connection);
    assert!(matches!(heard[0], Heard::Reconnect(_)));
    let offer = only!(heard, Offer).remove(0);
    let ufrag = |sdp: &str| sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:").map(str::to_owned)).unwrap();
    assert_ne!(ufrag(&offer.sdp), ufrag(&first.sdp));
    assert!(world.opened.iter().any(|(_, open)| *open == ufrag(&offer.sdp)), "the new ufrag is announced");
}
