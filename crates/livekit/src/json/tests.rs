//! Examples of what the mapping accepts and refuses and how it writes. `tests/json.rs` covers every message.

use livekit_protocol as proto;

use super::*;

fn made(json: &str) -> proto::CreateRoomRequest {
    read(json.as_bytes()).unwrap_or_else(|_| panic!("{json} is read"))
}

#[test]
fn any_field_may_be_null() {
    let nulls = r#"{"name":"r","metadata":null,"emptyTimeout":null,"agents":null,"egress":null,"tags":null,"syncStreams":null}"#;
    assert_eq!(made(nulls), proto::CreateRoomRequest { name: "r".to_owned(), ..Default::default() });
    let one = |json: &str| read::<proto::SignalRequest>(json.as_bytes()).unwrap().message;
    assert_eq!(one(r#"{"mute":null,"ping":"1"}"#), Some(proto::signal_request::Message::Ping(1)));
}

#[test]
fn a_number_is_read_however_it_is_written() {
    for number in ["77", "77.0", "7.7e1", "7700E-2", "\"77\"", "\"77.0\"", "\"7.7e1\""] {
        assert_eq!(made(&format!(r#"{{"emptyTimeout":{number}}}"#)).empty_timeout, 77, "{number}");
    }
    let since = |number: &str| {
        let json = format!(r#"{{"revoke_token_ts":{number}}}"#);
        read::<proto::RoomParticipantIdentity>(json.as_bytes()).map(|read| read.revoke_token_ts)
    };
    for (number, value) in [("-9223372036854775808", i64::MIN), ("\"9223372036854775807\"", i64::MAX), ("-0", 0)] {
        assert_eq!(since(number), Ok(value));
    }
    for number in [
        "9223372036854775808",
        "9.3e18",
        "0.5",
        "\"\"",
        "\" 1\"",
        "\"1 \"",
        "\"+1\"",
        "\"0x1\"",
        "true",
        "\"NaN\"",
        "[1]",
    ] {
        assert_eq!(since(number), Err(Unreadable), "{number}");
    }
    for number in ["-1", "4294967296", "77.5", "1e400"] {
        let json = format!(r#"{{"emptyTimeout":{number}}}"#);
        assert_eq!(read::<proto::CreateRoomRequest>(json.as_bytes()), Err(Unreadable), "{number}");
    }
}

#[test]
fn what_is_not_known_is_ignored_and_a_name_is_known_in_both_spellings() {
    let read = |json: &str| read::<proto::SendDataRequest>(json.as_bytes()).unwrap();
    for (kind, number) in [("\"LOSSY\"", 1), ("1", 1), ("1.0", 1), ("\"NEW_KIND\"", 0), ("9", 9), ("null", 0)] {
        assert_eq!(read(&format!(r#"{{"kind":{kind}}}"#)).kind, number, "{kind}");
    }
    let expected = vec!["a".to_owned()];
    for name in ["destinationIdentities", "destination_identities"] {
        assert_eq!(read(&format!(r#"{{"{name}":["a"],"other":[[{{}}]]}}"#)).destination_identities, expected);
    }
    let info: proto::ParticipantInfo = super::read(br#"{"kindDetails":["NEW","FORWARDED",7]}"#).unwrap();
    assert_eq!(info.kind_details, [proto::participant_info::KindDetail::Forwarded as i32, 7]);
}

#[test]
fn bytes_are_read_in_either_alphabet_padded_or_not() {
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        let read: proto::SendDataRequest = read(format!(r#"{{"data":"{text}"}}"#).as_bytes()).unwrap();
        assert_eq!(read.data, [0xfb, 0xff], "{text}");
    }
}

#[test]
fn floats_may_be_words() {
    let level = |text: &str| -> Result<f32, Unreadable> {
        let json = format!(r#"{{"speakersChanged":{{"speakers":[{{"level":{text}}}]}}}}"#);
        let read: proto::SignalResponse = read(json.as_bytes())?;
        let Some(proto::signal_response::Message::SpeakersChanged(changed)) = read.message else { panic!("{text}") };
        Ok(changed.speakers[0].level)
    };
    assert!(level("\"NaN\"").unwrap().is_nan());
    assert_eq!((level("\"-Infinity\""), level("\"0.5\""), level("5e-1")), (Ok(f32::NEG_INFINITY), Ok(0.5), Ok(0.5)));
    assert_eq!((level("1e39"), level("\"nan\"")), (Err(Unreadable), Err(Unreadable)));
}

#[test]
fn doubles_are_read_to_the_last_bit() {
    for value in ["1.1717844561437387e19", "2.2250738585072014e-308", "0.1", "1.7976931348623157e308"] {
        for written in [value.to_owned(), format!("\"{value}\"")] {
            let json = format!(r#"{{"egress":{{"room":{{"advanced":{{"keyFrameInterval":{written}}}}}}}}}"#);
            let options = made(&json).egress.unwrap().room.unwrap().options;
            let Some(proto::room_composite_egress_request::Options::Advanced(options)) = options else {
                panic!("{json}")
            };
            assert_eq!(options.key_frame_interval, value.parse::<f64>().unwrap(), "{written}");
        }
    }
}

#[test]
fn what_is_no_such_message_is_refused() {
    let deep = format!("{}{}", r#"{"agents":["#.repeat(100_000), "]}".repeat(100_000));
    assert_eq!(made(&deep).agents, [proto::RoomAgentDispatch::default()], "what is in there is no field of it");
    let ignored = format!(r#"{{"other":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(made(&ignored), proto::CreateRoomRequest::default(), "ignored, however deep");
    for json in [
        "",
        "null",
        "[]",
        "{",
        "{} {}",
        "{\"name\":\"\u{0}\"}",
        r#"{"name":"\ud800"}"#,
        r#"{"name":1}"#,
        r#"{"name":"a","name":"b"}"#,
        r#"{"emptyTimeout":1,"empty_timeout":2}"#,
        r#"{"syncStreams":"true"}"#,
        r#"{"agents":{}}"#,
        r#"{"agents":[null]}"#,
        r#"{"tags":{"a":null}}"#,
        r#"{"tags":{"a":"1","a":"2"}}"#,
        r#"{"tags":[]}"#,
    ] {
        assert_eq!(read::<proto::CreateRoomRequest>(json.as_bytes()), Err(Unreadable), "{json:.80}");
    }
    assert_eq!(read::<proto::SignalRequest>(br#"{"ping":"1","mute":{}}"#), Err(Unreadable), "two of a oneof");
    assert_eq!(read::<proto::SendDataRequest>(br#"{"destinationIdentities":[null]}"#), Err(Unreadable));
    assert_eq!(read::<proto::SendDataRequest>(br#"{"data":"?"}"#), Err(Unreadable));
    assert_eq!(read::<proto::CreateRoomRequest>(b"{\"name\":\"\xff\"}"), Err(Unreadable), "not UTF-8");
}

#[test]
fn the_two_styles_are_livekits() {
    let room =
        proto::Room { name: "r\"\u{7f}é".to_owned(), creation_time_ms: -5, num_participants: 2, ..Default::default() };
    let compact = "{\"name\":\"r\\\"\u{7f}é\",\"creationTimeMs\":\"-5\",\"numParticipants\":2}";
    assert_eq!(write(&room, Style::Compact), compact);
    let full = "{\"sid\":\"\",\"name\":\"r\\\"\u{7f}é\",\"empty_timeout\":0,\"departure_timeout\":0,\"max_participants\":0,\
        \"creation_time\":\"0\",\"creation_time_ms\":\"-5\",\"turn_password\":\"\",\"enabled_codecs\":[],\"metadata\":\"\",\
        \"num_participants\":2,\"num_publishers\":0,\"active_recording\":false,\"version\":null}";
    assert_eq!(write(&room, Style::Full), full);
    let info = proto::ParticipantInfo {
        kind_details: vec![0, 99],
        attributes: [("b".to_owned(), String::new()), ("a".to_owned(), "1".to_owned())].into(),
        ..Default::default()
    };
    let written = write(&info, Style::Compact);
    assert_eq!(written, r#"{"attributes":{"a":"1","b":""},"kindDetails":["CLOUD_AGENT",99]}"#);
}

#[test]
fn floats_are_written_as_in_ecmascript() {
    let speaker = |level: f32| {
        let speakers = vec![proto::SpeakerInfo { level, ..Default::default() }];
        let message = proto::signal_response::Message::SpeakersChanged(proto::SpeakersChanged { speakers });
        write(&proto::SignalResponse { message: Some(message) }, Style::Compact)
    };
    for (level, text) in [
        (0.1, "0.1"),
        (1.0, "1"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (f32::INFINITY, "\"Infinity\""),
        (f32::NEG_INFINITY, "\"-Infinity\""),
        (f32::NAN, "\"NaN\""),
    ] {
        assert_eq!(speaker(level), format!(r#"{{"speakersChanged":{{"speakers":[{{"level":{text}}}]}}}}"#));
    }
}
