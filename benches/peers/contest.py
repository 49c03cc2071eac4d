"""Runs contestants in turn, A B C A B C, and says how long each took and how much memory it had."""
import json, os, shutil, subprocess, tempfile, time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable


@dataclass
class Contestant:
    """A command; `{out}` in it is an empty folder that is its own in every run."""
    name: str
    shown: str  # the command as a reader would type it
    command: list
    env: dict = field(default_factory=dict)
    cwd: str | None = None
    prepare: Callable | None = None  # takes the empty folder
    value: Callable | None = None  # takes what was printed; None: the seconds of the whole process
    features: str | None = None  # file in the empty folder to compare with Shotlens'


@dataclass
class Subject:
    key: str
    title: str
    unit: str  # "photos/s" and more is better, or "s" and less is
    contestants: list
    photos: int | None = None  # for the whole process: how many files


class Failed(Exception):
    """What a command said before it ended with an error."""


def run(contestant, env, keep=None):
    """One run: {"value", "seconds", "cpu_seconds", "peak_mb"}."""
    out = Path(tempfile.mkdtemp(prefix="peers-"))
    fill = lambda text: text.replace("{out}", str(out))
    try:
        if contestant.prepare:
            contestant.prepare(out)
        settings = {**os.environ, **env, **{name: fill(value) for name, value in contestant.env.items()}}
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            start = time.perf_counter()
            process = subprocess.Popen([fill(str(word)) for word in contestant.command], env=settings, cwd=contestant.cwd,
                                       stdout=stdout, stderr=stderr)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            stdout.seek(0), stderr.seek(0)
            printed, said = stdout.read(), stderr.read().strip()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed(f"{contestant.name} ended with {process.returncode}: {said[-400:]}")
        if keep and contestant.features:
            keep.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(out / contestant.features, keep)
        value = contestant.value(json.loads(printed)) if contestant.value else seconds
        return {"value": value, "seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "peak_mb": usage.ru_maxrss / 1000}
    finally:
        shutil.rmtree(out, ignore_errors=True)
