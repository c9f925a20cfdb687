#!/usr/bin/env python3
"""Schemathesis against a Stoa of its own: no 5xx, no status that the document does not name, no answer that breaks its schema; and
each operation succeeds at least once, so that the generator is seen to reach it.

Usage: tests/schemathesis/run.py [EXAMPLES]   (2000 where it is left out)
"""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BINARY = pathlib.Path(os.environ.get("STOA_TEST_BINARY") or ROOT / "target" / "release" / "stoa")
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "says_which_statuses",
    "refuses_in_one_form",
]
# A WebSocket, and what only an upgrade answers well.
NOT_HTTP = {"GET /ws/webrtc/{call_id}"}
# Somebody has to have sent media: tests/e2e/recording.test.ts.
NEEDS_MEDIA = {"GET /api/recordings/{id}/tracks/{track}"}
SUCCESSES = 0.30


class Stoa:
    """The real binary on free ports, with limits that a generator does not meet."""

    def __init__(self) -> None:
        out = subprocess.run([ROOT / "scripts" / "free-ports", "6"], check=True, capture_output=True, text=True)
        port = int(out.stdout)
        cache = ROOT / ".cache" / "data"
        cache.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="schemathesis-", dir=cache))
        self.log = open(self.data / "stoa.log", "w+", encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}"
        command = [BINARY, "serve", "--dev", "--data-dir", self.data, "--workers", "1"]
        command += ["--http", f"127.0.0.1:{port}", "--https", f"127.0.0.1:{port + 1}"]
        command += ["--tcp-port", str(port + 2), "--udp-ports", str(port + 3)]
        limits = ["SIGN_INS_A_MINUTE", "REQUESTS_A_SECOND", "REQUEST_BURST", "ADDRESS_REQUESTS_A_SECOND", "ADDRESS_REQUEST_BURST"]
        raised = {f"STOA_LIMITS_{name}": "1000000" for name in limits}
        raised |= {"STOA_TURN_PORT": str(port + 5), "TURN_SECRET": "what both of them know"}
        raised |= {"STOA_FEATURES_CALL_RECORDING": "true", "STOA_RECORDING_POLICY": "ask", "STOA_RECORDING_COMPOSE": "false"}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **raised})
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise SystemExit(f"stoa did not start:\n{self.tail()}")

    def token(self, user: str, *permissions: str) -> str:
        command = [BINARY, "token", "user", "--id", user, "--name", user.title(), "--ttl", "12h", "--data-dir", self.data]
        for permission in permissions:
            command += ["--permission", permission]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def tail(self) -> str:
        self.log.flush()
        self.log.seek(0)
        return "".join(self.log.readlines()[-40:])

    def close(self) -> str:
        self.process.terminate()
        self.process.wait(20)
        tail = self.tail()
        self.log.close()
        shutil.rmtree(self.data, ignore_errors=True)
        return tail


def rounds(stoa: Stoa, wanted: int, counts: pathlib.Path, operations: int) -> int:
    """Runs until so many examples were tried; 0: each kept the document's word."""
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "STOA_URL": stoa.url,
        "STOA_TOKENS": json.dumps({"fuzz": stoa.token("fuzz", "admin"), "peer": stoa.token("peer"), "third": stoa.token("third")}),
        "STOA_ADMIN_LINK": json.dumps([str(BINARY), "token", "admin", "--data-dir", str(stoa.data)]),
        "STOA_COUNTS": str(counts),
    }
    seed = int(os.environ.get("STOA_SEED") or time.time())
    bad = 0
    while (done := len(counts.read_text().splitlines())) < wanted and not bad:
        seed += 1
        each = max(5, min(200, (wanted - done) // operations + 1))
        print(f"seed {seed}: {done} of {wanted} examples, {each} for each operation", flush=True)
        program = str(pathlib.Path(sys.executable).parent / "schemathesis")
        command = [program, "--config-file", str(HERE / "schemathesis.toml")]
        command += ["run", f"{stoa.url}/api/openapi.json", "--checks", ",".join(CHECKS), "--seed", str(seed)]
        command += ["--max-examples", str(each), "--no-color", "--exclude-path", "/ws/webrtc/{call_id}", "--mode", "all"]
        bad = subprocess.run(command, env={**environment, "STOA_SEED": str(seed)}, cwd=HERE, check=False).returncode
    return bad


def verdict(counts: pathlib.Path, document: dict) -> list[str]:
    """What is wrong with the answers in sum."""
    notes = [json.loads(line) for line in counts.read_text().splitlines()]
    good = collections.Counter(note["operation"] for note in notes if note["status"] < 300)
    named = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item} - NOT_HTTP - NEEDS_MEDIA
    statuses = collections.Counter(note["status"] for note in notes)
    share = sum(good.values()) / max(1, len(notes))
    print(f"{len(notes)} examples, {share:.0%} succeeded, by status: {dict(sorted(statuses.items()))}")
    faults = [f"{operation} never succeeded" for operation in sorted(named - set(good))]
    if share < SUCCESSES:
        faults.append(f"{share:.0%} of the answers are successes; at least {SUCCESSES:.0%} are to be")
    faults += [f"{note['operation']} answered {note['status']}" for note in notes if note["status"] >= 500]
    return faults


def main() -> int:
    wanted = int(next((word for word in sys.argv[1:] if word.isdigit()), 2_000))
    stoa = Stoa()
    counts = stoa.data / "counts.jsonl"
    counts.touch()
    try:
        with urllib.request.urlopen(f"{stoa.url}/api/openapi.json", timeout=5) as answer:
            document = json.load(answer)
        bad = rounds(stoa, wanted, counts, sum(len(item) for item in document["paths"].values()))
        faults = verdict(counts, document)
    finally:
        tail = stoa.close()
    if "panicked at" in tail:
        faults.append(f"stoa panicked:\n{tail}")
    for fault in faults:
        print(f"FAULT {fault}")
    print("ok" if not (bad or faults) else "FAILED")
    return int(bool(bad or faults))


if __name__ == "__main__":
    sys.exit(main())
