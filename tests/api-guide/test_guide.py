"""Runs docs/API.md: every block of commands, in order, in one shell; what it prints has what the block after it shows."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("STOA_TEST_BINARY") or ROOT / "target" / "release" / "stoa")
GUIDE = ROOT / "docs" / "API.md"
BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.M | re.S)
MARK = "=== block"


class Guide(unittest.TestCase):
    def setUp(self) -> None:
        out = subprocess.run([ROOT / "scripts" / "free-ports", "6"], check=True, capture_output=True, text=True)
        port = int(out.stdout)
        cache = ROOT / ".cache" / "data"
        cache.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="guide-", dir=cache))
        self.url = f"http://127.0.0.1:{port}"
        command = [BINARY, "serve", "--dev", "--data-dir", self.data, "--workers", "1"]
        command += ["--http", f"127.0.0.1:{port}", "--https", f"127.0.0.1:{port + 1}"]
        command += ["--tcp-port", str(port + 2), "--udp-ports", str(port + 3)]
        with open(self.data / "log", "w", encoding="utf-8") as log:
            self.stoa = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "STOA_TURN_PORT": str(port + 5)}
            )
        self.addCleanup(self.stop)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.fail((self.data / "log").read_text())

    def stop(self) -> None:
        self.stoa.terminate()
        self.stoa.wait(20)
        shutil.rmtree(self.data, ignore_errors=True)

    def test_every_block_does_what_it_says(self) -> None:
        blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
        commands = [text for kind, text in blocks if kind == "sh"]
        self.assertGreater(len(commands), 8)
        script = ["set -euo pipefail", f'stoa() {{ "{BINARY}" "$@" --data-dir "{self.data}"; }}']
        for number, text in enumerate(commands):
            script.append(f"echo; echo '{MARK} {number}'")
            script.append(text.replace("http://localhost:7880", self.url))
        done = subprocess.run(["bash", "-c", "\n".join(script)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, f"{done.stdout}\n{done.stderr}")
        printed = re.split(rf"^{MARK} \d+$", done.stdout, flags=re.M)[1:]
        self.assertEqual(len(printed), len(commands))
        shown = 0
        number = -1
        for kind, text in blocks:
            if kind == "sh":
                number += 1
                continue
            lines = [line for line in printed[number].splitlines() if line.strip()]
            last = printed[number].strip().replace("}{", "}\n{").splitlines()[-1]
            with self.subTest(block=number):
                self.assertTrue(lines)
                self.holds(json.loads(text), json.loads(last), "answer")
            shown += 1
        self.assertGreater(shown, 6)
        self.assertTrue(any("ratelimit-remaining" in text.lower() for text in printed))

    def holds(self, wanted: object, found: object, where: str) -> None:
        """What is shown is there; `…` stands for anything, and a list shows its first entries."""
        if isinstance(wanted, dict):
            self.assertIsInstance(found, dict, where)
            for key, value in wanted.items():
                self.assertIn(key, found, where)
                self.holds(value, found[key], f"{where}.{key}")
        elif isinstance(wanted, list):
            self.assertIsInstance(found, list, where)
            self.assertGreaterEqual(len(found), len(wanted), where)
            for index, value in enumerate(wanted):
                self.holds(value, found[index], f"{where}[{index}]")
        elif wanted != "…":
            self.assertEqual(wanted, found, where)


if __name__ == "__main__":
    unittest.main(verbosity=2)
