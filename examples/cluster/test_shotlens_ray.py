"""The job on a local Ray with two workers: killed in its middle, started again, and compared with `shotlens embed`.

    SHOTLENS=../../target/release/shotlens python -m unittest -v test_shotlens_ray
"""

import importlib.util
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SHOTLENS = os.environ.get("SHOTLENS", "shotlens")
SCRIPT = Path(__file__).with_name("shotlens_ray.py")
COLOURS = ["blue", "green", "red"]
NUM_PHOTOS, SHARD = 60, 4


def paint(path, channel, seed):
    """A 32 by 32 BMP of one colour, with noise."""
    noise = random.Random(seed)
    pixels = bytes(
        230 if place % 3 == channel else noise.randrange(90) for place in range(32 * 32 * 3)
    )
    header = struct.pack("<2sIII", b"BM", 54 + len(pixels), 0, 54)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, 24, 0, 0, 0, 0, 0, 0) + pixels)


def children(program):
    """Process ids of `program` and of their parents."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if os.path.basename(command[0]) == os.path.basename(program).encode() and b"--list" in command:
            yield int(folder.name), parent


@unittest.skipUnless(importlib.util.find_spec("ray"), "needs ray[data]")
@unittest.skipUnless(sys.platform == "linux", "looks for processes in /proc")
class Job(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.photos, self.out = self.root / "photos", self.root / "out"
        for number in range(NUM_PHOTOS):
            paint(self.photos / COLOURS[number % 3] / f"{number:03}.bmp", number % 3, number)
        (self.photos / "red" / "broken.jpg").write_text("no picture")
        self.env = os.environ | {"SHOTLENS_HOME": str(self.root / "home")}

    def shotlens(self, *command):
        subprocess.run([SHOTLENS, *map(str, command)], env=self.env, check=True, capture_output=True)

    def job(self, *more):
        command = [sys.executable, SCRIPT, self.photos, "--out", self.out, "--classes", "--shotlens", SHOTLENS]
        command += ["--shard-size", SHARD, "--workers", 2, "--threads", 1, *more]
        return subprocess.Popen(list(map(str, command)), env=self.env, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def finished(self):
        return sorted(self.out.glob("*.parquet"))

    def wait(self, what, seconds=180):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.02)
        self.fail("nothing happened")

    def test_killed_and_started_again(self):
        import json

        import numpy as np
        import pyarrow.parquet as pq
        from safetensors.numpy import load_file

        job = self.job()
        self.wait(self.finished)
        # One worker dies: its shard goes to another, and the job goes on.
        program, worker = self.wait(lambda: next(children(SHOTLENS), None))
        os.kill(worker, signal.SIGKILL)
        self.wait(lambda: len(self.finished()) > 3)
        # The whole job dies.
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
        before = {path: path.stat().st_mtime_ns for path in self.finished()}
        shards = -(-(NUM_PHOTOS + 1) // SHARD)
        self.assertLess(len(before), shards, "it was to be killed in its middle")
        # One of the outputs is damaged besides.
        damaged = next(iter(before))
        damaged.write_bytes(damaged.read_bytes()[:-9])

        said, _ = self.job().communicate(timeout=300)
        self.assertIn(f"{shards} shards, {len(before) - 1} of them done", said)
        self.assertEqual(len(self.finished()), shards)
        for path, written in before.items():
            self.assertEqual(path.stat().st_mtime_ns == written, path != damaged, path)

        tables = [pq.read_table(path) for path in self.finished()]
        rows = {row["path"]: row for table in tables for row in table.to_pylist()}
        skipped = [json.loads(table.schema.metadata[b"skipped"]) for table in tables]
        self.assertEqual([Path(path).name for path in sum(skipped, [])], ["broken.jpg"])
        self.shotlens("embed", self.photos, "--out", self.root / "f.safetensors")
        features = load_file(self.root / "f.safetensors")["features"]
        photos = sorted(path for path in self.photos.rglob("*.bmp"))
        self.assertEqual(list(rows), [str(path.resolve()) for path in photos])
        found = np.array([rows[str(path.resolve())]["features"] for path in photos], np.float32)
        self.assertLess(np.abs(found - features).max(), 1e-5)
        self.assertEqual({row["label"] for row in rows.values()}, set(COLOURS))

    def test_labels_and_opens(self):
        import pyarrow.parquet as pq

        self.shotlens("import", self.photos, "--format", "folders", "--out", self.root / "p.shotlens")
        project = self.root / "from-job.shotlens"
        said, _ = self.job().communicate(timeout=300)
        self.assertNotIn("failed", said)
        self.shotlens("import", self.out, "--out", project)
        classifier = self.root / "c.safetensors"
        self.shotlens("export", project, "--format", "classifier", "--out", classifier)
        self.out = self.root / "labelled"
        self.job("--classifier", classifier).communicate(timeout=300)
        rows = [row for path in self.finished() for row in pq.read_table(path).to_pylist()]
        self.assertEqual(len(rows), NUM_PHOTOS)
        right = sum(row["prediction"] == row["label"] for row in rows)
        self.assertGreater(right, 0.9 * NUM_PHOTOS)


if __name__ == "__main__":
    unittest.main()
