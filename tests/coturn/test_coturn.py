"""Debian's coturn and a Stoa of its own that share a secret and nothing else: what Stoa hands out opens an allocation there."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("STOA_TEST_BINARY") or ROOT / "target" / "release" / "stoa")
OLD, NEW = "the secret of last year", "the secret of this year"


def free_ports(count: int) -> int:
    out = subprocess.run([ROOT / "scripts" / "free-ports", str(count)], check=True, capture_output=True, text=True)
    return int(out.stdout)


class Process:
    """A program with a folder of its own, ended with the test."""

    def __init__(self, name: str) -> None:
        cache = ROOT / ".cache" / "data"
        cache.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=cache))

    def run(self, command: list, **more: object) -> None:
        with open(self.folder / "log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **more)

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Coturn(Process):
    """coturn on the loopback, with the secrets it is to know."""

    def __init__(self, secrets: list[str]) -> None:
        super().__init__("coturn")
        self.port = free_ports(1)
        first = free_ports(40)
        command = ["turnserver", "-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "-p", str(self.port)]
        command += ["--use-auth-secret", *(f"--static-auth-secret={secret}" for secret in secrets)]
        command += ["--realm", "stoa.test", "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers"]
        command += ["--min-port", str(first), "--max-port", str(first + 39), "--log-file", "stdout"]
        command += ["--pidfile", str(self.folder / "pid"), "--db", str(self.folder / "db")]
        self.run(command)
        time.sleep(1)

    def takes(self, username: str, credential: str, *more: str) -> bool:
        """Whether a client of coturn's own can have packets relayed with these words."""
        command = ["turnutils_uclient", "-y", "-c", "-n", "3", "-m", "1", "-p", str(self.port)]
        command += ["-u", username, "-w", credential, *more, "127.0.0.1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
        return done.returncode == 0 and "Total lost packets 0 " in done.stdout


class Stoa(Process):
    """The real binary with a TURN secret."""

    def __init__(self, coturn: Coturn, secret: str) -> None:
        super().__init__("stoa")
        self.coturn = coturn
        self.start(secret)

    def start(self, secret: str) -> None:
        port = free_ports(6)
        self.url = f"http://127.0.0.1:{port}"
        command = [BINARY, "serve", "--data-dir", self.folder, "--workers", "1", "--http", f"127.0.0.1:{port}"]
        command += ["--tcp-port", str(port + 2), "--udp-ports", str(port + 3)]
        turn = {"TURN_SECRET": secret, "TURN_SERVER_HOST": "127.0.0.1", "TURN_SERVER_PORT": str(self.coturn.port)}
        self.run(command, env={**os.environ, **turn, "TURN_TTL": "600", "STOA_TURN_PORT": "off"})
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"stoa did not start:\n{self.log()}")

    def get(self, user: str, path: str) -> dict:
        command = [BINARY, "token", "user", "--id", user, "--data-dir", self.folder]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        request = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def turn(self, user: str) -> dict:
        servers = self.get(user, "/api/ice-servers")["iceServers"]
        return next(server for server in servers if server["urls"][0].startswith("turn:"))


class Credentials(unittest.TestCase):
    def start(self, secrets: list[str], secret: str) -> tuple[Coturn, Stoa]:
        coturn = Coturn(secrets)
        self.addCleanup(coturn.close)
        stoa = Stoa(coturn, secret)
        self.addCleanup(stoa.close)
        return coturn, stoa

    def test_coturn_takes_what_stoa_hands_out(self) -> None:
        coturn, stoa = self.start([OLD], OLD)
        server = stoa.turn("ann")
        self.assertEqual(server["urls"], [f"turn:127.0.0.1:{coturn.port}?transport={t}" for t in ("udp", "tcp")])
        expires, user = server["username"].split(":", 1)
        self.assertEqual(user, "ann")
        self.assertLessEqual(abs(int(expires) - time.time() - 600), 20)
        self.assertTrue(coturn.takes(server["username"], server["credential"]), coturn.log())
        self.assertTrue(coturn.takes(server["username"], server["credential"], "-t"), "over TCP, too")
        self.assertFalse(coturn.takes(server["username"], server["credential"][:-4] + "AAA="))
        later = f"{int(expires) + 86_400}:ann"
        self.assertFalse(coturn.takes(later, server["credential"]), "a longer life than was given")
        self.assertFalse(coturn.takes(f"{expires}:bob", server["credential"]), "another's name")

    def test_a_secret_is_changed_without_turning_anyone_away(self) -> None:
        coturn, stoa = self.start([OLD, NEW], OLD)
        before = stoa.turn("ann")
        stoa.stop()
        stoa.start(NEW)
        after = stoa.turn("ann")
        for server in (before, after):
            self.assertTrue(coturn.takes(server["username"], server["credential"]), coturn.log())
        alone = Coturn([NEW])
        self.addCleanup(alone.close)
        self.assertFalse(alone.takes(before["username"], before["credential"]), "made with the secret that is gone")
        self.assertTrue(alone.takes(after["username"], after["credential"]))

    def test_what_was_handed_out_is_written_down(self) -> None:
        _, stoa = self.start([OLD], OLD)
        first, again = stoa.turn("ann"), stoa.turn("ann")
        self.assertEqual(first, again, "the same words until half their time is gone")
        expires = int(first["username"].split(":")[0]) * 1_000
        for _ in range(50):
            issued = stoa.get("ann", "/api/users/ann/export")["records"]["turnCredentials"]
            if issued:
                break
            time.sleep(0.1)
        self.assertEqual([entry["expiresAt"] for entry in issued], [expires])


if __name__ == "__main__":
    unittest.main(verbosity=2)
