//! Recordings made by the media workers, of clients that send real media over the loopback; ffmpeg judges what was written.

mod clips;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{AudioConfig, Client, ClientConfig, Output, VideoCodec, VideoConfig};
use control::{MediaPlane, RecordingNotice, RecordingNoticeKind, SignalFrame, SignalLink, SignalRequestFrame};
use model::{Bitrate, Recorded, RecordingId, RecordingSpec, RoomName, UserId};
use record::folder::{Event, What};
use server::admission::{Admission, Most, Patience};
use server::media::{Addresses, MediaSettings, Plane, Recordings, RoomDefaults};
use tokio::sync::mpsc;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server's media side with a folder for recordings.
struct House {
    plane: Arc<Plane>,
    recordings: Recordings,
    told: mpsc::Receiver<RecordingNotice>,
    folder: tempfile::TempDir,
    people: Vec<Person>,
    _notices: mpsc::Receiver<control::MediaNotice>,
}

/// A client with its socket and its way to the room.
struct Person {
    identity: &'static str,
    client: Client,
    socket: UdpSocket,
    link: SignalLink,
}

fn room() -> RoomName {
    RoomName::new("room").expect("a name")
}

fn id() -> RecordingId {
    "0192d3b4-0000-7000-8000-000000000001".parse().expect("a UUID")
}

fn everyone() -> RecordingSpec {
    RecordingSpec { id: id(), audio_only: false, who: Recorded::Everyone }
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (tell, told) = mpsc::channel(64);
        let recordings = Recordings::start(folder.path().to_owned(), tell).expect("a thread");
        let defaults = RoomDefaults {
            max_participants: 0,
            empty_timeout: Duration::from_secs(60),
            departure_timeout: Duration::from_secs(5),
            initial_bitrate: Bitrate::kbps(5_000),
            spread_from: None,
            candidates: Vec::new(),
            ufrag_prefix: String::new(),
            token_key: None,
            hooks: None,
            local: [LOOPBACK].into(),
        };
        let settings = MediaSettings {
            udp_ports: vec![0],
            tcp_port: None,
            addresses: Addresses::new(&[LOOPBACK], &[LOOPBACK]),
            defaults,
            recordings: Some(recordings.clone()),
            admission: Admission::new("media", Most { connections: 100, of_address: None }, Patience::default()),
            rethrow_panics: true,
        };
        let sockets = settings.bind().expect("free ports");
        let (notices, _notices) = mpsc::channel(1_024);
        let plane = settings.start(sockets, notices, &server::bridge::Relays::default()).expect("threads");
        Self { plane, recordings, told, folder, people: Vec::new(), _notices }
    }

    async fn join(&mut self, identity: &'static str, codec: VideoCodec, prepare: impl FnOnce(&mut Client)) {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        let config = ClientConfig::new(socket.local_addr().expect("bound"));
        let mut client = Client::new(Instant::now(), ClientConfig { video_codecs: vec![codec], ..config });
        prepare(&mut client);
        let path = client.join_path();
        let request = path.split_once("join_request=").expect("the path of v1").1.replace("%3D", "=");
        let video = auth::VideoGrant { room_join: true, room: "room".to_owned(), ..auth::VideoGrant::default() };
        let join = livekit::Join {
            claims: auth::LiveKitClaims { sub: identity.to_owned(), video, ..auth::LiveKitClaims::default() },
            client: livekit::decode_join_request(&request).expect("a join request"),
            ice_servers: Vec::new(),
        };
        let create = Some(livekit::RoomOptions::default());
        let link = self.plane.connect(room(), join, create).await.expect("let in");
        self.people.push(Person { identity, client, socket, link });
    }

    async fn run(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.people.iter_mut().for_each(Person::turn);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn until_connected(&mut self) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !self.people.iter().all(|person| person.client.is_connected()) {
            assert!(Instant::now() < limit, "a client does not connect");
            self.run(Duration::from_millis(10)).await;
        }
    }

    async fn told(&mut self) -> RecordingNoticeKind {
        let notice = tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await;
        notice.expect("in time").expect("the thread runs").kind
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(id().to_string())
    }

    fn events(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(self.path().join("events.jsonl")).expect("events");
        text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
    }

    /// The files of someone's tracks, in order.
    fn files(&self, identity: &str) -> Vec<PathBuf> {
        let events = self.events();
        let is_theirs = |event: &Event| match &event.what {
            What::Joined { participant, identity: theirs, .. } if theirs == identity => Some(participant.clone()),
            _ => None,
        };
        let sids: Vec<String> = events.iter().filter_map(is_theirs).collect();
        let tracks: Vec<&String> = events
            .iter()
            .filter_map(|event| match &event.what {
                What::Track { track, participant, .. } if sids.contains(participant) => Some(track),
                _ => None,
            })
            .collect();
        let parts = events.iter().filter_map(|event| match &event.what {
            What::Part { track, file, .. } if tracks.contains(&track) => Some(self.path().join(file)),
            _ => None,
        });
        parts.collect()
    }
}

impl Person {
    fn turn(&mut self) {
        let mut buffer = [0; 2_048];
        while let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
            self.client.handle_datagram(Instant::now(), source, &buffer[..length]).expect("the connection lives");
        }
        while let Ok(frame) = self.link.responses.try_recv() {
            if let SignalFrame::Message(message) = frame {
                let bytes = livekit::encode_signal(&message);
                self.client.handle_signal(&bytes).expect("a message");
            }
        }
        self.client.handle_timeout(Instant::now()).expect("the connection lives");
        loop {
            match self.client.poll_output() {
                Output::Signal(bytes) => {
                    let message = livekit::decode_signal(&bytes).expect("the client speaks the protocol");
                    let _ = self.link.requests.try_send(SignalRequestFrame::Message(Box::new(message)));
                }
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }
}

/// What ffprobe says of a file that ffmpeg decodes without a word.
#[derive(Debug)]
struct Judged {
    codec: String,
    size: (u64, u64),
    start: f64,
    frames: u64,
}

fn judge(file: &Path) -> Judged {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        .args(["-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"])
        .output();
    let decoded = decoded.expect("ffmpeg runs");
    let said = String::from_utf8_lossy(&decoded.stderr);
    assert!(decoded.status.success() && said.is_empty(), "{}: {said}", file.display());
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_streams", "-of", "json"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let json: serde_json::Value = serde_json::from_slice(&probed.stdout).expect("JSON");
    let stream = &json["streams"][0];
    let number = |key: &str| stream[key].as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(-1.0);
    Judged {
        codec: stream["codec_name"].as_str().unwrap_or_default().to_owned(),
        size: (stream["width"].as_u64().unwrap_or(0), stream["height"].as_u64().unwrap_or(0)),
        start: number("start_time"),
        frames: number("nb_read_frames") as u64,
    }
}

fn camera(codec: VideoCodec, clips: [Option<client::Clip>; 3]) -> VideoConfig {
    VideoConfig { codec, fps: clips::FPS, simulcast: clips[1].is_some(), clips, ..VideoConfig::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_published_in_every_codec_is_recorded_and_plays() {
    if !clips::can_encode() {
        return;
    }
    let simulcast =
        [(960, 540), (480, 270), (240, 136)].map(|(width, height)| Some(clips::video(VideoCodec::Vp8, width, height)));
    let one = |codec| [Some(clips::video(codec, 640, 360)), None, None];
    let tone = clips::opus();
    let mut house = House::open();
    house
        .join("vp8", VideoCodec::Vp8, |client| {
            client.publish_camera("camera", camera(VideoCodec::Vp8, simulcast));
            client.publish_microphone("microphone", AudioConfig { clip: Some(tone), ..AudioConfig::default() });
        })
        .await;
    for (identity, codec) in [("h264", VideoCodec::H264), ("vp9", VideoCodec::Vp9)] {
        let clips = one(codec);
        house.join(identity, codec, |client| client.publish_camera("camera", camera(codec, clips))).await;
    }
    house.until_connected().await;
    house.run(Duration::from_secs(1)).await;
    house.plane.start_recording(&room(), everyone()).await;
    assert!(matches!(house.told().await, RecordingNoticeKind::Began { .. }));
    house.run(Duration::from_secs(3)).await;
    // One comes late.
    let late = one(VideoCodec::Av1);
    house.join("av1", VideoCodec::Av1, |client| client.publish_camera("camera", camera(VideoCodec::Av1, late))).await;
    house.run(Duration::from_secs(4)).await;
    house.plane.stop_recording(&room(), id()).await;
    let RecordingNoticeKind::Stopped { duration_ms, size_bytes, .. } = house.told().await else {
        panic!("not stopped")
    };
    println!("{duration_ms} ms, {size_bytes} bytes");
    assert!((6_500..12_000).contains(&duration_ms), "{duration_ms} ms");

    let wanted = [("vp8", 0.0), ("h264", 0.0), ("vp9", 0.0), ("av1", 2.5)];
    for (identity, from) in wanted {
        let judged: Vec<Judged> = house.files(identity).iter().map(|file| judge(file)).collect();
        println!("{identity}: {judged:?}");
        let video = judged.iter().filter(|judged| judged.codec != "opus").max_by_key(|judged| judged.frames);
        let video = video.expect("a file with a picture");
        assert_eq!(video.codec, identity);
        assert_eq!(video.size, if identity == "vp8" { (960, 540) } else { (640, 360) });
        assert!((from..from + 3.0).contains(&video.start), "{video:?}");
        assert!(video.frames >= 60, "{video:?}");
    }
    let sound: Vec<Judged> =
        house.files("vp8").iter().map(|file| judge(file)).filter(|file| file.codec == "opus").collect();
    assert!(sound.len() == 1 && sound[0].frames >= 250 && sound[0].start < 0.5, "{sound:?}");
    let kinds: Vec<What> = house.events().into_iter().map(|event| event.what).collect();
    assert!(kinds.iter().any(|what| matches!(what, What::Clock { .. })), "sender reports are written down");
    assert!(matches!(kinds.last(), Some(What::Stopped)));
    // A recording is nobody: the room counts its participants, and only those.
    assert_eq!(house.plane.rooms().await, [(room(), 4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pause_is_a_gap_and_who_is_not_taken_in_is_in_no_file() {
    let mut house = House::open();
    for identity in ["alice", "bob"] {
        house
            .join(identity, VideoCodec::Vp8, |client| client.publish_microphone("microphone", AudioConfig::default()))
            .await;
    }
    house.until_connected().await;
    house.run(Duration::from_millis(500)).await;
    let only = |users: &[&str]| {
        let users = users.iter().map(|user| UserId::new(user).expect("a user")).collect();
        RecordingSpec { who: Recorded::Only(users), ..everyone() }
    };
    house.plane.start_recording(&room(), only(&["alice"])).await;
    house.run(Duration::from_secs(2)).await;
    house.plane.pause_recording(&room(), id()).await;
    house.run(Duration::from_secs(1)).await;
    house.plane.resume_recording(&room(), id()).await;
    house.run(Duration::from_secs(1)).await;
    assert_eq!(house.files("bob").len(), 0);
    // He agrees.
    house.plane.start_recording(&room(), only(&["alice", "bob"])).await;
    house.run(Duration::from_secs(2)).await;
    house.plane.stop_recording(&room(), id()).await;
    assert!(matches!(house.told().await, RecordingNoticeKind::Began { .. }));
    assert!(matches!(house.told().await, RecordingNoticeKind::Stopped { .. }), "one recording, begun once");
    house.recordings.flush();
    let events = house.events();
    let at = |wanted: fn(&What) -> bool| events.iter().find(|event| wanted(&event.what)).map(|event| event.at);
    let (paused, resumed) = (at(|what| matches!(what, What::Paused)), at(|what| matches!(what, What::Resumed)));
    let (paused, resumed) = (paused.expect("said"), resumed.expect("said"));
    assert!(resumed - paused >= 900, "{paused} to {resumed}");
    let joined: Vec<(u64, &String)> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Joined { identity, .. } => Some((event.at, identity)),
            _ => None,
        })
        .collect();
    assert_eq!(joined.iter().map(|(_, who)| who.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
    assert!(joined[1].0 > resumed, "nothing is written of Bob before he agrees");
    let file = house.files("alice").remove(0);
    let times = decode_times(&file);
    let gap = times.windows(2).map(|two| two[1] - two[0]).max().expect("fragments");
    assert!(gap >= 900, "{times:?}");
    assert_eq!(house.people[0].identity, "alice");
}

/// When a file's fragments begin, in ms.
fn decode_times(file: &Path) -> Vec<u64> {
    let bytes = std::fs::read(file).expect("a file");
    let at = (0..bytes.len() - 16).filter(|at| bytes[*at..at + 4] == *b"tfdt");
    let time = |at: usize| u64::from_be_bytes(bytes[at + 8..at + 16].try_into().expect("eight bytes"));
    let narrow = |at: usize| u64::from(u32::from_be_bytes(bytes[at + 8..at + 12].try_into().expect("four bytes")));
    at.map(|at| if bytes[at + 4] == 1 { time(at) } else { narrow(at) } / 48).collect()
}
