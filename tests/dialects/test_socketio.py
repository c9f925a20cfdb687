"""PyPI `python-socketio` against a Stoa of its own: both namespaces, over WebSocket and over long polling."""

import asyncio
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import socketio

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("STOA_TEST_BINARY") or ROOT / "target" / "release" / "stoa")
TIMEOUT = 20


class Stoa:
    """The real binary on free ports."""

    def __init__(self) -> None:
        out = subprocess.run([ROOT / "scripts" / "free-ports", "5"], check=True, capture_output=True, text=True)
        port = int(out.stdout)
        cache = ROOT / ".cache" / "data"
        cache.mkdir(parents=True, exist_ok=True)
        self.data = tempfile.mkdtemp(prefix="socketio-", dir=cache)
        self.log = open(pathlib.Path(self.data) / "stoa.log", "w+")
        self.url = f"http://127.0.0.1:{port}"
        self.command = self._command(port)
        self.start()

    def _command(self, port: int) -> list:
        command = [BINARY, "serve", "--dev", "--data-dir", self.data, "--workers", "1"]
        command += ["--http", f"127.0.0.1:{port}", "--https", f"127.0.0.1:{port + 1}"]
        return command + ["--tcp-port", str(port + 2), "--udp-ports", f"{port + 3}-{port + 4}"]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError("stoa did not start")

    def stop(self, signal: signal.Signals) -> int:
        self.process.send_signal(signal)
        return self.process.wait(15)

    def token(self, user: str) -> str:
        command = [BINARY, "token", "user", "--id", user, "--data-dir", self.data]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def post(self, user: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token(user)}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def close(self) -> None:
        self.stop(signal.SIGTERM)
        self.log.flush()
        self.log.seek(0)
        panicked = "panicked at" in self.log.read()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)
        assert not panicked, "stoa panicked"


class Client:
    """A connected client, and what it heard."""

    def __init__(self, namespace: str, reconnection: bool = False) -> None:
        self.namespace = namespace
        self.socket = socketio.AsyncClient(reconnection=reconnection)
        self.heard: list[tuple[str, dict]] = []
        self.socket.on("*", self._hear, namespace=namespace)

    async def _hear(self, event: str, data: dict) -> None:
        self.heard.append((event, data))

    async def connect(self, stoa: Stoa, token: str, transport: str) -> "Client":
        await self.socket.connect(
            stoa.url, auth={"token": token}, transports=[transport], namespaces=[self.namespace], wait_timeout=TIMEOUT
        )
        return self

    @property
    def id(self) -> str:
        return self.socket.get_sid(self.namespace)

    async def ask(self, event: str, data: dict) -> dict:
        return await self.socket.call(event, data, namespace=self.namespace, timeout=TIMEOUT)

    async def until(self, what: str, probe):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if seen := probe():
                return seen
            await asyncio.sleep(0.02)
        raise AssertionError(f"waited for: {what}; heard {[name for name, _ in self.heard]}")

    def has_heard(self, event: str, call: str) -> bool:
        return any(name == event and data["callId"] == call for name, data in self.heard)

    async def next(self, event: str) -> dict:
        return (await self.until(event, lambda: [data for name, data in self.heard if name == event]))[0]


class SocketIo(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.stoa = Stoa()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.stoa.close()

    def run_both(self, scene) -> None:
        for transport in ("websocket", "polling"):
            with self.subTest(transport):
                asyncio.run(scene(transport))

    async def clients(self, transport: str, namespace: str, *users: str) -> list[Client]:
        return [await Client(namespace).connect(self.stoa, self.stoa.token(user), transport) for user in users]

    def test_the_main_namespace_rings_and_relays(self) -> None:
        async def scene(transport: str) -> None:
            alice, bob, eve = await self.clients(transport, "/", "alice", "bob", "eve")
            status, started = self.stoa.post("alice", "/api/calls/initiate", {"targetUserId": "bob", "type": "video"})
            self.assertEqual(status, 201)
            call = started["callId"]
            self.assertEqual((await bob.next("call:incoming"))["callId"], call)
            self.assertTrue((await bob.ask("call:accept", {"callId": call}))["ok"])
            self.assertEqual((await alice.next("call:accepted"))["userId"], "bob")
            offer = {"type": "offer", "sdp": "v=0"}
            self.assertEqual(await alice.ask("call:offer", {"callId": call, "to": "bob", "offer": offer}), {"ok": True})
            heard = await bob.next("call:offer")
            self.assertEqual((heard["from"], heard["offer"]), ("alice", offer))
            refused = await eve.ask("call:offer", {"callId": call, "to": "bob", "offer": offer})
            self.assertEqual((refused["ok"], refused["error"]["code"]), (False, "call_not_found"))
            self.assertEqual(self.stoa.post("alice", f"/api/calls/{call}/end")[0], 200)
            self.assertEqual((await bob.next("call:ended"))["callId"], call)
            for client in (alice, bob, eve):
                await client.socket.disconnect()

        self.run_both(scene)

    def test_the_mesh(self) -> None:
        async def scene(transport: str) -> None:
            alice, bob = await self.clients(transport, "/webrtc", "alice", "bob")
            body = {"channelId": "team", "callType": "audio", "participants": ["bob"]}
            status, call = self.stoa.post("alice", "/calls", body)
            self.assertEqual((status, call["status"]), (201, "ringing"))
            self.assertEqual((await bob.next("call.incoming"))["initiator"], "alice")
            for client in (alice, bob):
                self.assertEqual(await client.ask("call.join", {"callId": call["id"], "userId": "x"}), {"ok": True})
            there = await bob.next("call.participants")
            self.assertEqual(there, {"participants": [{"socketId": alice.id, "userId": "alice"}]})
            self.assertEqual(await alice.next("participant.joined"), {"socketId": bob.id, "userId": "bob"})
            await bob.ask("call.offer", {"to": alice.id, "offer": {"type": "offer", "sdp": "v=0"}})
            self.assertEqual((await alice.next("call.offer"))["from"], bob.id)
            await bob.socket.disconnect()
            self.assertEqual(await alice.next("participant.left"), {"socketId": bob_id(alice), "userId": "bob"})
            self.assertEqual(self.stoa.post("alice", f"/calls/{call['id']}/end")[0], 200)
            await alice.socket.disconnect()

        self.run_both(scene)

    def test_it_comes_back_after_a_stop_and_after_a_kill(self) -> None:
        async def scene(transport: str) -> None:
            for namespace, event in (("/", "call:incoming"), ("/webrtc", "call.incoming")):
                for how in (signal.SIGTERM, signal.SIGKILL):
                    bob = await Client(namespace, reconnection=True).connect(self.stoa, self.stoa.token("bob"), transport)
                    code = await asyncio.to_thread(self.stoa.stop, how)
                    self.assertEqual(code, 0 if how is signal.SIGTERM else -how)
                    await bob.until("it notices", lambda: not bob.socket.connected)
                    await asyncio.to_thread(self.stoa.start)
                    await bob.until("it is back", lambda: bob.socket.connected)
                    body = {"targetUserId": "bob"}
                    _, started = await asyncio.to_thread(self.stoa.post, "alice", "/api/calls/initiate", body)
                    rung = functools.partial(bob.has_heard, event, started["callId"])
                    await bob.until("it rings", rung)
                    await asyncio.to_thread(self.stoa.post, "alice", f"/api/calls/{started['callId']}/cancel")
                    await bob.socket.disconnect()

        self.run_both(scene)

    def test_a_bad_token_is_refused(self) -> None:
        async def scene(transport: str) -> None:
            for namespace in ("/", "/webrtc"):
                with self.assertRaises(socketio.exceptions.ConnectionError):
                    await Client(namespace).connect(self.stoa, "nonsense", transport)

        self.run_both(scene)


def bob_id(alice: Client) -> str:
    return next(data["socketId"] for event, data in alice.heard if event == "participant.joined")


if __name__ == "__main__":
    unittest.main(verbosity=2)
