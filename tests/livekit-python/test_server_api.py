"""PyPI `livekit-api` against people who are really in rooms: every method of RoomService, and the webhooks."""

import asyncio
import pathlib
import sys
import time
import unittest

import aiohttp
from aiohttp import web
from livekit import api, rtc
from livekit.protocol import models
from livekit.protocol import room as messages
from livekit.protocol.webhook import WebhookEvent

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_media import TIMEOUT, Participant, Stoa, token  # noqa: E402

KEY, SECRET = "devkey", "secret"


async def until(what: str, probe, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        seen = probe()
        if asyncio.iscoroutine(seen):
            seen = await seen
        if seen:
            return
        if time.monotonic() > end:
            raise AssertionError(f"waited for: {what}; last seen: {seen!r}")
        await asyncio.sleep(0.1)


class Receiver:
    """Takes webhooks as an app would, and refuses what the SDK does not verify."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []
        self.refused: list[str] = []
        self.verifier = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET))

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/hook"

    async def _take(self, request: web.Request) -> web.Response:
        try:
            body = await request.text()
            self.events.append(self.verifier.receive(body, request.headers["Authorization"]))
        except Exception as error:
            self.refused.append(repr(error))
        return web.Response()

    def of(self, room: str) -> list[str]:
        mine = [event for event in self.events if event.room.name == room]
        return [f"{event.event} {event.participant.identity}".strip() for event in mine]


class ServerApi(unittest.IsolatedAsyncioTestCase):
    """One server for each test: they are few, and a start takes a tenth of a second."""

    async def asyncSetUp(self) -> None:
        self.receiver = Receiver()
        url = await self.receiver.start()
        self.stoa = await asyncio.to_thread(Stoa, f'[webhooks]\nurls = ["{url}"]\napi_key = "{KEY}"\n')
        self.api = api.LiveKitAPI(self.stoa.url, KEY, SECRET)
        self.people: list[Participant] = []

    async def asyncTearDown(self) -> None:
        for person in self.people:
            for task in person.tasks:
                task.cancel()
            await person.room.disconnect()
        await self.api.aclose()
        await asyncio.to_thread(self.stoa.close)
        await self.receiver.runner.cleanup()
        self.assertEqual(self.receiver.refused, [])

    async def join(self, name: str, room: str = "room") -> Participant:
        person = Participant(name, (200, 40, 40), 440)
        self.people.append(person)
        await asyncio.wait_for(person.join(self.stoa.url, room), TIMEOUT)
        return person

    async def names(self, room: str = "room") -> list[str]:
        listed = await self.api.room.list_participants(messages.ListParticipantsRequest(room=room))
        return sorted(info.identity for info in listed.participants)

    async def test_rooms(self) -> None:
        request = messages.CreateRoomRequest(
            name="room", empty_timeout=600, departure_timeout=30, max_participants=1, metadata="one"
        )
        made = await self.api.room.create_room(request)
        self.assertEqual((made.empty_timeout, made.departure_timeout, made.max_participants), (600, 30, 1))
        await self.api.room.create_room(messages.CreateRoomRequest(name="other"))
        listed = await self.api.room.list_rooms(messages.ListRoomsRequest())
        self.assertEqual(sorted(room.name for room in listed.rooms), ["other", "room"])
        listed = await self.api.room.list_rooms(messages.ListRoomsRequest(names=["room", "no such"]))
        self.assertEqual([room.sid for room in listed.rooms], [made.sid])
        alice = await self.join("alice")
        with self.assertRaises(rtc.ConnectError):
            await self.join("bob")
        self.people.pop()
        changed = await self.api.room.update_room_metadata(messages.UpdateRoomMetadataRequest(room="room", metadata="two"))
        self.assertEqual(changed.metadata, "two")
        await until("the metadata to arrive", lambda: alice.room.metadata == "two")
        await self.api.room.delete_room(messages.DeleteRoomRequest(room="room"))
        await until("alice to be out", lambda: not alice.room.isconnected())
        with self.assertRaises(api.TwirpError) as refused:
            await self.api.room.delete_room(messages.DeleteRoomRequest(room="room"))
        self.assertEqual((refused.exception.code, refused.exception.status), ("not_found", 404))
        await until("the end to be told", lambda: "room_finished" in self.receiver.of("room"))
        story = ["room_started", "participant_joined alice", "participant_left alice", "room_finished"]
        self.assertEqual(self.receiver.of("room"), story)

    async def test_participants(self) -> None:
        alice, bob = await self.join("alice"), await self.join("bob")
        await alice.publish(rtc.VideoCodec.VP8)
        self.assertEqual(await self.names(), ["alice", "bob"])
        who = messages.RoomParticipantIdentity(room="room", identity="alice")

        async def tracks() -> list[models.TrackInfo]:
            return list((await self.api.room.get_participant(who)).tracks)

        async def both() -> bool:
            return len(await tracks()) == 2

        await until("both tracks to be listed", both)
        microphone = next(track.sid for track in await tracks() if track.type == models.TrackType.AUDIO)
        mute = messages.MuteRoomTrackRequest(room="room", identity="alice", track_sid=microphone, muted=True)
        self.assertTrue((await self.api.room.mute_published_track(mute)).track.muted)
        heard = bob.room.remote_participants["alice"]
        await until("bob to see it muted", lambda: heard.track_publications[microphone].muted)
        mute.muted = False
        with self.assertRaises(api.TwirpError) as refused:
            await self.api.room.mute_published_track(mute)
        self.assertEqual(refused.exception.code, "failed_precondition")

        change = messages.UpdateParticipantRequest(room="room", identity="alice", name="A.", metadata="m", attributes={"k": "v"})
        info = await self.api.room.update_participant(change)
        self.assertEqual((info.name, info.metadata, dict(info.attributes)), ("A.", "m", {"k": "v"}))
        await until("bob to know", lambda: (heard.name, heard.metadata, heard.attributes) == ("A.", "m", {"k": "v"}))

        update = messages.UpdateSubscriptionsRequest(room="room", identity="bob", track_sids=[microphone], subscribe=False)
        await self.api.room.update_subscriptions(update)

        permission = models.ParticipantPermission(can_subscribe=True, can_publish=False, can_publish_data=True)
        withdrawn = messages.UpdateParticipantRequest(room="room", identity="alice", permission=permission)
        info = await self.api.room.update_participant(withdrawn)
        self.assertEqual((info.permission.can_publish, len(info.tracks)), (False, 0))
        await until("bob to see no track", lambda: not heard.track_publications)
        await self.api.room.remove_participant(who)
        await until("alice to be out", lambda: not alice.room.isconnected())
        self.assertEqual(await self.names(), ["bob"])
        await until("her tracks' end to be told", lambda: self.receiver.of("room").count("track_unpublished alice") == 2)

    async def test_data(self) -> None:
        alice, bob = await self.join("alice"), await self.join("bob")
        for text, to in [(b"all", []), (b"bob", ["bob"]), (b"nobody", ["nobody"]), (b"last", [])]:
            kind = models.DataPacket.RELIABLE
            data = messages.SendDataRequest(room="room", data=text, kind=kind, destination_identities=to, topic="t")
            await self.api.room.send_data(data)
        await until("all to be there", lambda: ("t", b"last") in alice.data and ("t", b"last") in bob.data)
        self.assertEqual([data for _, data in alice.data], [b"all", b"last"])
        self.assertEqual([data for _, data in bob.data], [b"all", b"bob", b"last"])

    async def test_rpc(self) -> None:
        bob = await self.join("bob")

        @bob.room.local_participant.register_rpc_method("greet")
        async def greet(data: rtc.RpcInvocationData) -> str:
            return f"hello {data.payload}"

        grants = api.VideoGrants(room_admin=True, room="room")
        admin = api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()
        request = messages.PerformRpcRequest(room="room", destination_identity="bob", method="greet", payload="you")
        headers = {"Authorization": f"Bearer {admin}", "Content-Type": "application/protobuf"}
        url = self.stoa.url.replace("ws", "http", 1) + "/twirp/livekit.RoomService/PerformRpc"
        async with aiohttp.ClientSession() as session:
            async with session.post(url, data=request.SerializeToString(), headers=headers) as answer:
                self.assertEqual(answer.status, 200)
                payload = messages.PerformRpcResponse.FromString(await answer.read()).payload
        self.assertEqual(payload, "hello you")

    async def test_forward_and_move(self) -> None:
        alice = await self.join("alice", "here")
        bob = await self.join("bob", "there")
        await alice.publish(rtc.VideoCodec.VP8)
        forward = messages.ForwardParticipantRequest(room="here", identity="alice", destination_room="there")
        await self.api.room.forward_participant(forward)
        await until("bob to see her in the other room", lambda: len(bob.colours.get("alice", [])) > 10)
        self.assertEqual((await self.names("here"), await self.names("there")), (["alice"], ["alice", "bob"]))
        who = messages.RoomParticipantIdentity(room="there", identity="alice")
        shown = await self.api.room.get_participant(who)
        self.assertEqual(list(shown.kind_details), [models.ParticipantInfo.FORWARDED])
        await self.api.room.remove_participant(who)
        await until("bob to see her go", lambda: "alice" not in bob.room.remote_participants)
        self.assertTrue(alice.room.isconnected())
        bob.colours.clear()
        move = messages.MoveParticipantRequest(room="here", identity="alice", destination_room="there")
        await self.api.room.move_participant(move)
        await until("bob to see her come", lambda: len(bob.colours.get("alice", [])) > 10)
        self.assertEqual((await self.names("here"), await self.names("there")), ([], ["alice", "bob"]))

    async def enter(self, name: str, access: api.AccessToken) -> Participant:
        person = Participant(name, (200, 40, 40), 440)
        await asyncio.wait_for(person.room.connect(self.stoa.url, access.to_jwt()), TIMEOUT)
        self.people.append(person)
        return person

    async def test_tokens_shape_rooms_and_agents_take_no_place(self) -> None:
        def access(name: str) -> api.AccessToken:
            grants = api.VideoGrants(room_join=True, room="room")
            return api.AccessToken(KEY, SECRET).with_identity(name).with_grants(grants)

        def config(**said: object) -> messages.RoomConfiguration:
            return messages.RoomConfiguration(**said)

        wanted = config(max_participants=1, departure_timeout=2, empty_timeout=60, metadata="mm")
        agent = await self.enter("agent", access("agent").with_kind("agent").with_room_config(wanted))
        (room,) = (await self.api.room.list_rooms(messages.ListRoomsRequest())).rooms
        seen = (room.max_participants, room.departure_timeout, room.empty_timeout, room.metadata, room.num_participants)
        self.assertEqual(seen, (1, 2, 60, "mm", 0))
        alice = await self.enter("alice", access("alice"))
        for refused in [
            access("bob"),
            access("bob").with_kind("egress").with_room_preset("big"),
            access("bob").with_kind("egress").with_room_config(config(agents=[{"agent_name": "a"}])),
        ]:
            with self.assertRaises(rtc.ConnectError):
                await self.enter("bob", refused)
        self.assertEqual(await self.names(), ["agent", "alice"])
        await alice.room.disconnect()
        await until("the agent to be out", lambda: not agent.room.isconnected())
        self.assertEqual(list((await self.api.room.list_rooms(messages.ListRoomsRequest())).rooms), [])

    async def test_grants(self) -> None:
        await self.join("alice")
        stranger = api.LiveKitAPI(self.stoa.url, KEY, "a wrong secret, long enough to be one")
        with self.assertRaises(api.TwirpError) as refused:
            await stranger.room.list_rooms(messages.ListRoomsRequest())
        await stranger.aclose()
        self.assertEqual((refused.exception.code, refused.exception.status), ("unauthenticated", 401))
        self.assertTrue(token("room", "alice"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
