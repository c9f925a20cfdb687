// LiveKit's Go SDK against the real binary. It learns of a track by its first RTP packet, as everything built on pion does, and with
// a single peer connection it sends its join_request to /rtc.
package livekitgo

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

const patience = 20 * time.Second

var (
	vp8  = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
	h264 = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000}
	opus = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	pcmu = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: 8000, Channels: 1}

	connections = map[string][]lksdk.ConnectOption{
		"one connection":  {lksdk.WithSinglePeerConnection()},
		"two connections": nil,
	}
)

func TestMain(m *testing.M) {
	logger.InitFromConfig(&logger.Config{Level: "error"}, "livekit-go")
	lksdk.SetLogger(logger.GetLogger())
	os.Exit(m.Run())
}

// A track that a client was told of.
type subscription struct {
	track *webrtc.TrackRemote
	sid   string
}

type participant struct {
	*lksdk.Room
	subscribed chan subscription
}

func join(t *testing.T, identity string, options ...lksdk.ConnectOption) *participant {
	t.Helper()
	subscribed := make(chan subscription, 16)
	callback := &lksdk.RoomCallback{ParticipantCallback: lksdk.ParticipantCallback{
		OnTrackSubscribed: func(track *webrtc.TrackRemote, publication *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
			subscribed <- subscription{track, publication.SID()}
		},
	}}
	room, err := lksdk.ConnectToRoom(os.Getenv("LIVEKIT_URL"), lksdk.ConnectInfo{
		APIKey:              os.Getenv("LIVEKIT_API_KEY"),
		APISecret:           os.Getenv("LIVEKIT_API_SECRET"),
		RoomName:            strings.ReplaceAll(t.Name(), "/", "-"),
		ParticipantIdentity: identity,
	}, callback, options...)
	if err != nil {
		t.Fatalf("%s does not come in: %v", identity, err)
	}
	t.Cleanup(room.Disconnect)
	return &participant{room, subscribed}
}

// The next n subscriptions, by codec.
func (p *participant) subscriptions(t *testing.T, n int) map[string]subscription {
	t.Helper()
	found := map[string]subscription{}
	timeout := time.After(patience)
	for len(found) < n {
		select {
		case one := <-p.subscribed:
			found[one.track.Codec().MimeType] = one
		case <-timeout:
			t.Fatalf("%s was told of %d tracks in %s, not of %d", p.LocalParticipant.Identity(), len(found), patience, n)
		}
	}
	return found
}

// Frames of one codec: keyframes, as far as a server looks at them.
type source struct {
	lksdk.BaseSampleProvider
	codec webrtc.RTPCodecCapability
}

func (s *source) NextSample(context.Context) (media.Sample, error) {
	switch s.codec.MimeType {
	case webrtc.MimeTypeVP8:
		return media.Sample{Data: []byte{0x10, 0, 0, 0x9d, 1, 0x2a, 8, 0, 8, 0, 1, 2, 3, 4}, Duration: 50 * time.Millisecond}, nil
	case webrtc.MimeTypeH264:
		units := []byte("\x00\x00\x00\x01\x67\x42\xc0\x1f\x0f\xd9\x00\x00\x00\x01\x68\x87\xcb\x83\x00\x00\x00\x01\x65\x88\x84\x0a\xf2")
		return media.Sample{Data: units, Duration: 50 * time.Millisecond}, nil
	case webrtc.MimeTypePCMU:
		return media.Sample{Data: make([]byte, 160), Duration: 20 * time.Millisecond}, nil
	default:
		return media.Sample{Data: []byte{0x78, 1, 2, 3, 4, 5, 6, 7}, Duration: 20 * time.Millisecond}, nil
	}
}

func localTrack(t *testing.T, codec webrtc.RTPCodecCapability) *lksdk.LocalTrack {
	t.Helper()
	track, err := lksdk.NewLocalTrack(codec)
	if err != nil {
		t.Fatal(err)
	}
	track.OnBind(func() {
		if err := track.StartWrite(&source{codec: codec}, func() {}); err != nil {
			t.Errorf("nothing is written: %v", err)
		}
	})
	return track
}

func (p *participant) publish(t *testing.T, codec webrtc.RTPCodecCapability, options ...lksdk.LocalTrackPublishOption) *lksdk.LocalTrackPublication {
	t.Helper()
	how := &lksdk.TrackPublicationOptions{Name: codec.MimeType, BackupCodecPolicy: livekit.BackupCodecPolicy_SIMULCAST}
	how.Source = livekit.TrackSource_MICROPHONE
	if strings.HasPrefix(codec.MimeType, "video/") {
		how.Source, how.VideoWidth, how.VideoHeight = livekit.TrackSource_CAMERA, 8, 8
	}
	publication, err := p.LocalParticipant.PublishTrack(localTrack(t, codec), how, options...)
	if err != nil {
		t.Fatalf("%s is not published: %v", codec.MimeType, err)
	}
	return publication
}

// Reads until a packet satisfies `done`, and fails where numbers do not run on.
func (s subscription) read(t *testing.T, last *rtp.Packet, done func(*rtp.Packet) bool) *rtp.Packet {
	t.Helper()
	_ = s.track.SetReadDeadline(time.Now().Add(patience))
	for {
		packet, _, err := s.track.ReadRTP()
		if err != nil {
			t.Fatalf("%s: %v", s.track.Codec().MimeType, err)
		}
		if last != nil {
			ahead := int16(packet.SequenceNumber - last.SequenceNumber)
			// The path is probed with packets that were sent before, and a busy machine drops some.
			if ahead <= 0 && ahead > -100 {
				continue
			}
			if ahead < 0 || ahead > 100 {
				t.Fatalf("%s: sequence number %d after %d", s.track.Codec().MimeType, packet.SequenceNumber, last.SequenceNumber)
			}
			if int32(packet.Timestamp-last.Timestamp) < 0 {
				t.Fatalf("%s: time %d after %d", s.track.Codec().MimeType, packet.Timestamp, last.Timestamp)
			}
		}
		last = packet
		if done(packet) {
			return packet
		}
	}
}

func anything(*rtp.Packet) bool { return true }

func isMedia(packet *rtp.Packet) bool { return len(packet.Payload) > 3 }

func TestTwoHearEachOther(t *testing.T) {
	for name, options := range connections {
		t.Run(name, func(t *testing.T) {
			anna, bert := join(t, "anna", options...), join(t, "bert", options...)
			for _, one := range []*participant{anna, bert} {
				one.publish(t, opus)
				one.publish(t, vp8)
			}
			for _, one := range []*participant{anna, bert} {
				for _, subscription := range one.subscriptions(t, 2) {
					first := subscription.read(t, nil, isMedia)
					subscription.read(t, first, isMedia)
				}
			}
		})
	}
}

func TestAMutedTrackIsThere(t *testing.T) {
	for name, options := range connections {
		for _, camera := range []webrtc.RTPCodecCapability{vp8, h264} {
			t.Run(fmt.Sprint(name, " ", camera.MimeType), func(t *testing.T) {
				anna := join(t, "anna", options...)
				published := []*lksdk.LocalTrackPublication{anna.publish(t, opus), anna.publish(t, camera)}
				for _, publication := range published {
					publication.SetMuted(true)
				}
				bert := join(t, "bert", options...)
				subscribed := bert.subscriptions(t, 2)
				last := map[string]*rtp.Packet{}
				for _, codec := range []string{opus.MimeType, camera.MimeType} {
					one, ok := subscribed[codec]
					if !ok {
						t.Fatalf("no %s among %v", codec, subscribed)
					}
					last[codec] = one.read(t, nil, anything)
					if isMedia(last[codec]) {
						t.Fatalf("a muted track sends %x", last[codec].Payload)
					}
				}
				for _, publication := range published {
					publication.SetMuted(false)
				}
				for codec, one := range subscribed {
					first := one.read(t, last[codec], isMedia)
					one.read(t, first, isMedia)
				}
			})
		}
	}
}

func TestEachGetsACodecItTakes(t *testing.T) {
	for name, options := range connections {
		for _, codecs := range [][]webrtc.RTPCodecCapability{{vp8, h264}, {opus, pcmu}, {pcmu, opus}} {
			first, backup := codecs[0], codecs[1]
			t.Run(fmt.Sprint(name, " ", first.MimeType, " ", backup.MimeType), func(t *testing.T) {
				anna := join(t, "anna", options...)
				publication := anna.publish(t, first, lksdk.WithBackupCodec(localTrack(t, backup)))
				// The SDK wants to know a codec of either kind.
				other := opus
				if strings.HasPrefix(first.MimeType, "audio/") {
					other = vp8
				}
				only := func(codec webrtc.RTPCodecCapability) []lksdk.ConnectOption {
					codecs := []livekit.Codec{{Mime: codec.MimeType}, {Mime: other.MimeType}}
					return append([]lksdk.ConnectOption{lksdk.WithCodecs(codecs)}, options...)
				}
				bert, cleo, dora := join(t, "bert", options...), join(t, "cleo", only(backup)...), join(t, "dora", only(first)...)
				for _, expected := range []struct {
					who   *participant
					codec string
				}{{bert, first.MimeType}, {cleo, backup.MimeType}, {dora, first.MimeType}} {
					for codec, one := range expected.who.subscriptions(t, 1) {
						if codec != expected.codec || one.sid != publication.SID() {
							t.Fatalf("%s gets %s of %s", expected.who.LocalParticipant.Identity(), codec, one.sid)
						}
						packet := one.read(t, nil, isMedia)
						one.read(t, packet, isMedia)
						if one.track.Codec().MimeType != expected.codec {
							t.Fatalf("%s ends with %s", expected.who.LocalParticipant.Identity(), one.track.Codec().MimeType)
						}
					}
				}
			})
		}
	}
}

// Comes in with a token of one's own making, or not at all.
func enter(t *testing.T, identity string, say func(*auth.AccessToken)) (*lksdk.Room, chan lksdk.DisconnectionReason, error) {
	t.Helper()
	token := auth.NewAccessToken(os.Getenv("LIVEKIT_API_KEY"), os.Getenv("LIVEKIT_API_SECRET")).SetIdentity(identity)
	token.SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: t.Name()})
	say(token)
	jwt, err := token.ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan lksdk.DisconnectionReason, 1)
	callback := &lksdk.RoomCallback{OnDisconnectedWithReason: func(reason lksdk.DisconnectionReason) { gone <- reason }}
	room, err := lksdk.ConnectToRoomWithToken(os.Getenv("LIVEKIT_URL"), jwt, callback)
	if err == nil {
		t.Cleanup(room.Disconnect)
	}
	return room, gone, err
}

func TestATokenShapesItsRoomAndAnAgentTakesNoPlace(t *testing.T) {
	agent, gone, err := enter(t, "agent", func(token *auth.AccessToken) {
		token.SetKind(livekit.ParticipantInfo_AGENT)
		token.SetRoomConfig(&livekit.RoomConfiguration{MaxParticipants: 1, DepartureTimeout: 2, EmptyTimeout: 60, Metadata: "mm"})
	})
	if err != nil || agent.Metadata() != "mm" {
		t.Fatalf("the room's metadata is %q: %v", agent.Metadata(), err)
	}
	anna, _, err := enter(t, "anna", func(*auth.AccessToken) {})
	if err != nil {
		t.Fatalf("an agent takes the only place: %v", err)
	}
	if _, _, err := enter(t, "bert", func(*auth.AccessToken) {}); err == nil {
		t.Fatal("a second person is in a room for one")
	}
	for what, say := range map[string]func(*auth.AccessToken){
		"agents":   func(token *auth.AccessToken) { token.SetAgents(&livekit.RoomAgentDispatch{AgentName: "a"}) },
		"a preset": func(token *auth.AccessToken) { token.SetRoomPreset("big") },
	} {
		if _, _, err := enter(t, "egress", func(token *auth.AccessToken) {
			token.SetKind(livekit.ParticipantInfo_EGRESS)
			say(token)
		}); err == nil {
			t.Fatalf("a token that asks for %s is taken", what)
		}
	}
	anna.Disconnect()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("the agent is still there")
	}
}
