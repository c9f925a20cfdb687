"""A TURN server under test, with coturn's client on this machine and its echoing peer in a network namespace. Needs root."""

import dataclasses
import itertools
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
STOA = pathlib.Path(os.environ.get("STOA_TEST_BINARY", ROOT / "target/release/stoa"))
SECRET = "a-secret-for-the-tests-alone"
PEER_PORT = 3480


def free_ports(count: int) -> int:
    return int(subprocess.check_output([ROOT / "scripts/free-ports", str(count)], text=True))


def sh(command: str) -> None:
    subprocess.run(["/bin/sh", "-ec", command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Lab:
    """A cable to a namespace in which the peer echoes, and where 16,384 addresses are at home from which clients may come."""

    def __init__(self) -> None:
        number = os.getpid() % 10_000
        self.name, self.cable = f"turn-{number}", f"tu{number}"
        net = f"10.{128 + (number >> 6) % 64}.{(number & 63) * 4}"
        self.outside, self.inside = f"{net}.1", f"{net}.2"
        self.crowd = f"10.{64 + number % 64}.{64 * (number >> 6 & 3)}.0"
        self.processes: list[subprocess.Popen] = []
        self.__addresses = itertools.count(1)

    def unused_address(self) -> str:
        """One of the crowd's that nobody else has."""
        return f"{self.crowd.rpartition('.')[0]}.{next(self.__addresses)}"

    def __enter__(self) -> "Lab":
        self.remove()
        sh(f"""
          ip netns add {self.name}
          ip link add {self.cable}o type veth peer name {self.cable}i netns {self.name}
          ip addr add {self.outside}/30 dev {self.cable}o
          ip link set {self.cable}o up
          ip -n {self.name} addr add {self.inside}/30 dev {self.cable}i
          ip -n {self.name} link set {self.cable}i up
          ip -n {self.name} link set lo up
          ip -n {self.name} route add default via {self.outside}
          ip -n {self.name} route add local {self.crowd}/18 dev lo
          ip route add {self.crowd}/18 via {self.inside}
        """)
        self.spawn(self.inside_of(["turnutils_peer", "-L", self.inside, "-p", str(PEER_PORT)]))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
        self.remove()

    def remove(self) -> None:
        sh(f"ip netns delete {self.name} 2>/dev/null || true; ip link delete {self.cable}o 2>/dev/null || true")

    def inside_of(self, command: list[str]) -> list[str]:
        return ["ip", "netns", "exec", self.name, *command]

    def spawn(self, command: list[str], **options: object) -> subprocess.Popen:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process


@dataclasses.dataclass
class Server:
    """A running TURN server."""

    process: subprocess.Popen
    host: str
    port: int
    tls_port: int
    http_port: int = 0
    media_port: int = 0
    admin_port: int = 0

    def resident_kib(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def start_stoa(
    lab: Lab, folder: pathlib.Path, pin: list[str], workers: int = 1, turn: bool = True, relay_ports: str = "61000-65535"
) -> Server:
    base = free_ports(8)
    (folder / "stoa.toml").write_text(
        f"""
        [turn]
        secret = "{SECRET}"
        relay_ports = "{relay_ports}"
        allow = ["10.0.0.0/8"]
        allocations_per_user = 20000
        challenges = 255
        workers = {workers}
        """.replace("        ", "")
    )
    command = [*pin, str(STOA), "serve", "--dev", "--data-dir", str(folder / "data"), "--config", str(folder / "stoa.toml")]
    command += ["--http", f"0.0.0.0:{base}", "--https", f"127.0.0.1:{base + 1}", "--tcp-port", str(base + 2)]
    command += ["--workers", "1", "--udp-ports", str(base + 3), "--announce", lab.outside]
    command += ["--admin-http", f"127.0.0.1:{base + 7}"]
    command += ["--turn-port", str(base + 4), "--turn-tls-port", str(base + 5)] if turn else ["--turn-port", "off", "--turn-tls-port", "off"]
    process = lab.spawn(command)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{base}/healthz", timeout=1).read()
            return Server(process, lab.outside, base + 4, base + 5, http_port=base, media_port=base + 3, admin_port=base + 7)
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"stoa ended with {process.returncode}") from None
            time.sleep(0.05)
    raise RuntimeError("stoa does not answer")


def start_coturn(lab: Lab, folder: pathlib.Path, pin: list[str]) -> Server:
    base = free_ports(2)
    command = [*pin, "turnserver", "-n", "-m", "1", "-L", lab.outside, "-E", lab.outside, "-p", str(base), "-r", "stoa"]
    command += ["--use-auth-secret", f"--static-auth-secret={SECRET}", "--no-tls", "--no-dtls", "--no-cli", "--no-stdout-log"]
    command += ["--min-port=61000", "--max-port=65535", "--user-quota=0", "--total-quota=0", "--simple-log"]
    command += ["--log-file=/dev/null", f"--pidfile={folder / 'coturn.pid'}", f"--userdb={folder / 'coturn.db'}"]
    process = lab.spawn(command, cwd=folder)
    time.sleep(1.5)
    if process.poll() is not None:
        raise RuntimeError(f"turnserver ended with {process.returncode}")
    return Server(process, lab.outside, base, 0)


@dataclasses.dataclass
class Run:
    """What coturn's client counted."""

    sent: int
    received: int
    output: str
    stuck: int = 0
    """Clients' programs that sent nothing."""

    @property
    def lost(self) -> int:
        return self.sent - self.received


def uclient(lab: Lab, server: Server, *words: str, port: int | None = None, crowds: int = 1, seconds: int = 120) -> Run:
    """coturn's client, or several at once with an address each: one address is sent so many challenges and no more."""
    command = ["turnutils_uclient", "-c", "-u", "alice", "-W", SECRET, "-p", str(port or server.port), *words]
    if "-y" not in words:
        command += ["-e", lab.inside, "-r", str(PEER_PORT)]
    running = []
    for _ in range(crowds):
        whole = [*command, server.host] if crowds == 1 else lab.inside_of([*command, "-L", lab.unused_address(), server.host])
        running.append(subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"))
    until = time.monotonic() + seconds
    total = Run(0, 0, "")
    try:
        for process in running:
            output, _ = process.communicate(timeout=max(1, until - time.monotonic()))
            counts = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", output)
            sent, received = map(int, counts[-1]) if counts else (0, 0)
            total = Run(total.sent + sent, total.received + received, total.output if sent else output, total.stuck + (sent == 0))
    finally:
        for process in running:
            process.kill()
    return total


def capacity(lab: Lab, server: Server, *words: str, pin: list[str]) -> tuple[int, bool]:
    """The highest rate at which nothing is lost in two seconds, in packets a second to the server (as many come back), and
    whether it was the load that could not do more."""
    rate, best = 16_000, 0
    while True:
        run = load(lab, server, *words, "--rate", str(rate), "--seconds", "2", pin=pin)
        behind = run["late"] > 0
        if run["lost"] > 0 or behind:
            return best, behind and run["lost"] == 0
        rate, best = rate * 5 // 4, rate


def load(lab: Lab, server: Server, *words: str, pin: list[str] | None = None, seconds: int = 120) -> dict:
    """What `stoa bench turn` counted, from inside the namespace, its clients at 1,000 addresses."""
    command = [*(pin or []), str(STOA), "bench", "turn", "--server", f"{server.host}:{server.port}", "--secret", SECRET]
    command += ["--local", lab.inside, "--clients", lab.crowd, "--addresses", "1000"]
    command += ["--server-pid", str(server.process.pid), "--json", *words]
    done = subprocess.run(lab.inside_of(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="stoa-turn-")
