"""What a generator cannot know: ids that are there, calls that ring, who asks. Also counts every answer, for run.py."""

import json
import os
import random
import socket
import subprocess
import threading

import requests
import schemathesis

URL = os.environ["STOA_URL"]
TOKENS = json.loads(os.environ["STOA_TOKENS"])
# A code is good once.
ADMIN_LINK = json.loads(os.environ["STOA_ADMIN_LINK"])
COUNTS = os.environ["STOA_COUNTS"]
ACCOUNT = {"username": "schemathesis", "password": "long enough"}
# So often an id is left as it was generated, so that what is not there is asked for, too.
STRANGE = 0.25

dice = random.Random(int(os.environ.get("STOA_SEED", "1")))
lock = threading.Lock()
http = requests.Session()
lines: list[socket.socket] = []


def ask(who: str, method: str, path: str, body: dict | None = None) -> dict:
    answer = http.request(method, URL + path, json=body, headers={"Authorization": f"Bearer {TOKENS[who]}"}, timeout=10)
    return answer.json() if answer.ok else {}


def finish_calls() -> None:
    """A user in ten calls at once tests nothing but the limit."""
    for who in ("fuzz", "peer", "third"):
        for call in ask(who, "GET", "/api/calls/active").get("calls", []):
            ask(who, "POST", f"/api/calls/{call['id']}/end", {})


def rung() -> str:
    """A call that rings for whoever is tested."""
    finish_calls()
    return ask("peer", "POST", "/api/calls/initiate", {"targetUserId": "fuzz", "type": "video"}).get("callId", "")


def ringing() -> str:
    """A call of theirs that nobody has taken yet."""
    finish_calls()
    return ask("fuzz", "POST", "/api/calls/initiate", {"targetUserIds": ["peer", "third"]}).get("callId", "")


def running() -> str:
    """A call that they are in."""
    call = rung()
    ask("fuzz", "POST", f"/api/calls/{call}/accept", {})
    return call


def passing() -> str:
    """A call that they are in and hand over to a third."""
    call = running()
    ask("fuzz", "POST", f"/api/calls/{call}/transfer", {"targetUserId": "third", "mode": "attended"})
    return call


def signalled() -> str:
    """A call that they are in, with their signalling WebSocket open."""
    call = running()
    host, port = URL.removeprefix("http://").split(":")
    line = socket.create_connection((host, int(port)), timeout=10)
    request = [f"GET /ws/webrtc/{call}?token={TOKENS['fuzz']} HTTP/1.1", f"Host: {host}:{port}", "Connection: Upgrade"]
    request += ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "", ""]
    line.sendall("\r\n".join(request).encode())
    line.recv(1024)
    lines.append(line)
    for old in lines[:-4]:
        old.close()
        lines.remove(old)
    return call


def channel() -> str:
    ask("fuzz", "POST", "/api/channels", {"id": "club", "name": "Club", "members": ["peer"]})
    return "club"


def someone() -> str:
    ask("fuzz", "POST", "/api/users", {"id": "someone", "name": "Someone"})
    return "someone"


def ice_server() -> str:
    made = ask("fuzz", "POST", "/api/ice-servers", {"urls": ["stun:stun.example.org"]})
    return made.get("server", {}).get("id", "")


def api_key() -> str:
    made = ask("fuzz", "POST", "/api/admin/api-keys", {"name": "schemathesis", "scopes": ["users"]})
    return made.get("apiKey", {}).get("id", "")


def recorded() -> str:
    """A call that they are in, and that is recorded."""
    call = running()
    ask("fuzz", "POST", f"/api/calls/{call}/recording/start", {})
    return call


def paused() -> str:
    """The same, with the recording paused."""
    call = recorded()
    ask("fuzz", "POST", f"/api/calls/{call}/recording/pause", {})
    return call


def made_up() -> bytes:
    """A file such as a client records by itself."""
    make = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "libopus", "-f", "webm", "pipe:1"]
    return subprocess.run(make, check=True, capture_output=True).stdout


CLIP = made_up()


def uploaded() -> str:
    """A recording with a file, once it is in storage. Some are deleted, and only so many may be uploaded in a minute."""
    known = [one["id"] for one in ask("fuzz", "GET", "/api/recordings?status=completed").get("recordings", [])]
    if len(known) < 2:
        form = {"recording": ("clip.webm", CLIP, "video/webm")}
        headers = {"Authorization": f"Bearer {TOKENS['fuzz']}"}
        http.post(f"{URL}/api/calls/{running()}/recording", files=form, headers=headers, timeout=10)
    return known[0] if known else ""


# By the end of the path, where the id before it is a call's.
ACTS = {"accept": rung, "answer": rung, "decline": rung, "reject": rung, "join": rung, "cancel": ringing, "invite": running}
RECORDING_ACTS = {"pause": recorded, "resume": paused, "stop": recorded, "consent": recorded}


def thing(path: str) -> dict:
    """What the parameters of this path are to be."""
    pieces = path.strip("/").split("/")
    if "ice-servers" in pieces:
        return {"id": ice_server}
    if "api-keys" in pieces:
        return {"id": api_key}
    if "users" in pieces:
        return {"id": someone}
    if "channels" in pieces:
        return {"id": channel, "userId": someone}
    if "recordings" in pieces and "calls" not in pieces:
        return {"id": uploaded}
    if "recording" in pieces and pieces[-1] in RECORDING_ACTS:
        return {"id": RECORDING_ACTS[pieces[-1]]}
    call = rung if "accept" in pieces else ACTS.get(pieces[-1], running)
    if "transfer" in pieces[:-1]:
        call = passing
    return {
        "id": call,
        "callId": running,
        "call_id": signalled,
        "userId": lambda: "peer",
    }


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    with lock:
        prepare(case)


def prepare(case) -> None:
    path = case.operation.path
    if path == "/api/session/sign-out" or dice.random() >= 0.03:
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {TOKENS['fuzz']}"
    if dice.random() < STRANGE:
        return
    if case.path_parameters:
        known = thing(path)
        for name in list(case.path_parameters):
            if name in known:
                case.path_parameters[name] = known[name]()
    if not isinstance(case.body, dict):
        return
    body = case.body
    if path.endswith("/recording"):
        body["recording"] = CLIP
        return
    if path == "/api/session/admin":
        link = subprocess.run(ADMIN_LINK, check=True, capture_output=True, text=True).stdout.strip()
        body["code"] = link.partition("#code=")[2]
    elif path == "/api/session/sign-in":
        http.post(URL + "/api/session/sign-up", json=ACCOUNT, timeout=10)
        body.update(ACCOUNT)
    elif path == "/api/session/sign-up" and isinstance(body.get("username"), str):
        body.update({"username": f"user{dice.randrange(10**9)}", "password": ACCOUNT["password"], "name": "Somebody"})
    elif path in ("/api/calls", "/api/calls/initiate", "/calls/initiate", "/calls"):
        finish_calls()
        body.pop("callId", None)
        if path == "/calls":
            body["channelId"] = channel()
            body["participants"] = ["peer"]
        else:
            body["targetUserId"] = "peer"
            body.pop("channelId", None)
            body.pop("channel_id", None)
    elif path in ("/api/calls/accept", "/api/calls/decline", "/api/calls/end"):
        body["callId"] = running() if path.endswith("end") else rung()
    elif path.endswith("/invite"):
        body["userIds"] = ["third"]
    elif "targetUserId" in body:
        body["targetUserId"] = "third"


def is_another_method(case) -> bool:
    """The generator also tries methods that a path does not have; their answer is the path's, not the operation's."""
    return case.method.upper() != case.operation.method.upper()


@schemathesis.hook
def after_call(context, case, response) -> None:
    if is_another_method(case):
        # An id such as `..` leads to another path, which is no operation's.
        assert response.status_code < 500, f"{case.method} {case.operation.path}: {response.status_code}"
        return
    note = {"operation": case.operation.label, "status": response.status_code}
    with lock, open(COUNTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")


@schemathesis.check
def says_which_statuses(ctx, response, case) -> None:
    """`default` would let everything pass: each status must be named."""
    named = case.operation.definition.raw["responses"]
    assert is_another_method(case) or str(response.status_code) in named, f"{response.status_code} is not in the document"


@schemathesis.check
def refuses_in_one_form(ctx, response, case) -> None:
    """Every refusal is an ErrorBody with a stable code, whose status it has."""
    if response.status_code >= 400:
        error = response.json()["error"]
        assert isinstance(error["code"], str) and isinstance(error["message"], str), error
