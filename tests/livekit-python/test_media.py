"""PyPI `livekit` against a Stoa of its own: two participants publish and receive audio, video and data."""

import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

import numpy as np
from livekit import api, rtc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("STOA_TEST_BINARY") or ROOT / "target" / "release" / "stoa")
WIDTH, HEIGHT, RATE = 640, 360, 48_000
RED, BLUE = (200, 40, 40), (50, 70, 210)
TIMEOUT = 60


class Stoa:
    """The real binary on free ports."""

    def __init__(self, config: str = "") -> None:
        out = subprocess.run([ROOT / "scripts" / "free-ports", "5"], check=True, capture_output=True, text=True)
        port = int(out.stdout)
        cache = ROOT / ".cache" / "data"
        cache.mkdir(parents=True, exist_ok=True)
        self.data = tempfile.mkdtemp(prefix="python-", dir=cache)
        self.log = open(pathlib.Path(self.data) / "stoa.log", "w+")
        self.url = f"ws://127.0.0.1:{port}"
        command = [BINARY, "serve", "--dev", "--data-dir", self.data, "--workers", "2"]
        command += ["--http", f"127.0.0.1:{port}", "--https", f"127.0.0.1:{port + 1}"]
        command += ["--tcp-port", str(port + 2), "--udp-ports", f"{port + 3}-{port + 4}", "--turn-port", "off"]
        if config:
            path = pathlib.Path(self.data) / "stoa.toml"
            path.write_text(config)
            command += ["--config", str(path)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"stoa did not start:\n{self.tail()}")

    def tail(self) -> str:
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-40:])

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(15)
        panicked = "panicked at" in self.tail()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)
        assert not panicked, "stoa panicked"


def token(room: str, identity: str) -> str:
    grants = api.VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True)
    return api.AccessToken("devkey", "secret").with_identity(identity).with_grants(grants).to_jwt()


class Participant:
    """One who plays a colour and a tone, and records which colours and tones arrive."""

    def __init__(self, name: str, colour: tuple[int, int, int], hertz: int) -> None:
        self.name, self.colour, self.hertz = name, colour, hertz
        self.room = rtc.Room()
        self.colours: dict[str, list[tuple[float, ...]]] = {}
        self.tones: dict[str, list[float]] = {}
        self.data: list[tuple[str, bytes]] = []
        self.tasks: list[asyncio.Task] = []
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("data_received", lambda packet: self.data.append((packet.topic, packet.data)))

    async def join(self, url: str, room: str, options: rtc.RoomOptions | None = None) -> None:
        await self.room.connect(url, token(room, self.name), options or rtc.RoomOptions())

    async def publish(self, codec: int) -> None:
        video = rtc.VideoSource(WIDTH, HEIGHT)
        audio = rtc.AudioSource(RATE, 1)
        camera = rtc.LocalVideoTrack.create_video_track("camera", video)
        microphone = rtc.LocalAudioTrack.create_audio_track("microphone", audio)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA, video_codec=codec, simulcast=False)
        await self.room.local_participant.publish_track(camera, options)
        await self.room.local_participant.publish_track(
            microphone, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        )
        self.tasks += [asyncio.create_task(self._film(video)), asyncio.create_task(self._hum(audio))]

    async def _film(self, source: rtc.VideoSource) -> None:
        picture = np.empty((HEIGHT, WIDTH, 4), dtype=np.uint8)
        frame = 0
        while True:
            picture[:] = (*self.colour, 255)
            left = (frame * 8) % (WIDTH - 40)
            picture[20:60, left : left + 40] = 255
            source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture.tobytes()))
            frame += 1
            await asyncio.sleep(1 / 15)

    async def _hum(self, source: rtc.AudioSource) -> None:
        position = 0
        while True:
            at = (np.arange(RATE // 100) + position) / RATE
            samples = (np.sin(2 * np.pi * self.hertz * at) * 12_000).astype(np.int16)
            await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, RATE // 100))
            position += RATE // 100

    def _subscribed(self, track: rtc.Track, _publication: object, who: rtc.RemoteParticipant) -> None:
        watch = self._watch if track.kind == rtc.TrackKind.KIND_VIDEO else self._listen
        self.tasks.append(asyncio.create_task(watch(track, who.identity)))

    async def _watch(self, track: rtc.Track, who: str) -> None:
        async for event in rtc.VideoStream.from_track(track=track, format=rtc.VideoBufferType.RGBA):
            frame = event.frame
            pixels = np.frombuffer(frame.data, dtype=np.uint8).reshape(frame.height, frame.width, 4)
            colour = np.median(pixels[::8, ::8, :3].reshape(-1, 3), axis=0)
            self.colours.setdefault(who, []).append(tuple(float(c) for c in colour))

    async def _listen(self, track: rtc.Track, who: str) -> None:
        window = np.zeros(0, dtype=np.float64)
        async for event in rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1):
            window = np.append(window, np.frombuffer(event.frame.data, dtype=np.int16))
            if len(window) < RATE // 5:
                continue
            spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window))))
            if np.sqrt(np.mean(window**2)) > 500:
                self.tones.setdefault(who, []).append(float(np.argmax(spectrum) * RATE / len(window)))
            window = np.zeros(0, dtype=np.float64)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.room.disconnect()


def near(seen: tuple[float, ...], wanted: tuple[int, int, int]) -> bool:
    return float(np.linalg.norm(np.subtract(seen, wanted))) < 70


class Media(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.stoa = Stoa()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.stoa.close()

    async def wait(self, what: str, condition) -> None:
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if condition():
                return
            await asyncio.sleep(0.1)
        self.fail(f"waited {TIMEOUT} s for {what}")

    async def both_ways(self, room: str, codec: int, options: rtc.RoomOptions | None = None) -> None:
        one, other = Participant("One", RED, 523), Participant("Other", BLUE, 941)
        try:
            await one.join(self.stoa.url, room, options)
            await other.join(self.stoa.url, room, options)
            await one.publish(codec)
            await other.publish(codec)
            for me, you in ((one, other), (other, one)):

                def sees(me=me, you=you) -> bool:
                    return sum(near(colour, you.colour) for colour in me.colours.get(you.name, [])) > 15

                def hears(me=me, you=you) -> bool:
                    return sum(abs(tone - you.hertz) < 15 for tone in me.tones.get(you.name, [])) > 5

                await self.wait(f"{me.name} to see {you.name}", sees)
                await self.wait(f"{me.name} to hear {you.name}", hears)
            for number in range(50):
                await one.room.local_participant.publish_data(bytes([number]), reliable=True, topic="numbers")
            await self.wait("50 packets", lambda: len(other.data) >= 50)
            self.assertEqual(other.data, [("numbers", bytes([number])) for number in range(50)])
            self.assertEqual(one.data, [])
        finally:
            await one.close()
            await other.close()

    async def test_vp8(self) -> None:
        await self.both_ways("python-vp8", rtc.VideoCodec.VP8)

    async def test_h264(self) -> None:
        await self.both_ways("python-h264", rtc.VideoCodec.H264)

    async def test_vp9(self) -> None:
        await self.both_ways("python-vp9", rtc.VideoCodec.VP9)

    async def test_av1(self) -> None:
        await self.both_ways("python-av1", rtc.VideoCodec.AV1)

    async def test_two_peer_connections(self) -> None:
        await self.both_ways("python-two", rtc.VideoCodec.VP8, rtc.RoomOptions(single_peer_connection=False))

    async def test_disconnect_is_seen(self) -> None:
        one, other = Participant("One", RED, 523), Participant("Other", BLUE, 941)
        gone: list[str] = []
        try:
            await one.join(self.stoa.url, "python-leave")
            await other.join(self.stoa.url, "python-leave")
            await self.wait("both to be there", lambda: "Other" in one.room.remote_participants)
            one.room.on("participant_disconnected", lambda who: gone.append(who.identity))
            await other.room.disconnect()
            await self.wait("Other to be gone", lambda: gone == ["Other"])
        finally:
            await one.close()


if __name__ == "__main__":
    if not BINARY.exists():
        sys.exit(f"{BINARY} is missing: run `make build` first")
    unittest.main(verbosity=2)
