"""One story in the real window under Xvfb, by real key and pointer events and a real XDND drop from another client.

    python3 tests/real_window/story.py PROGRAM [--kills N]

Needs Xvfb and python-xlib (Debian: xvfb, python3-xlib). What the person did is read from the project file and from `shotlens export`, never from the time that went by.
With `--kills N` the program is killed N times (SIGKILL) while it labels: every label that was in the file before is there afterwards.
On a failure it says what, and leaves a picture of the screen in PICTURE (default: real-window-failure.png in the folder for temporary files).
"""

import argparse
import csv
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from x11 import Screen, drop, wait

ASSETS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../assets/demo")
# Points of the window, which lies in the corner of the screen: on the list of classes, on the photos, on the first photo.
ON_CLASSES, ON_PHOTOS, FIRST_PHOTO = (130, 470), (640, 400), (345, 190)


class Program:
    """The program with a home and photos of its own."""

    def __init__(self, program, folder, screen):
        self.program, self.folder, self.screen = program, folder, screen
        self.project = os.path.join(folder, "story.shotlens")
        self.environment = {**os.environ, "DISPLAY": screen.name, "SHOTLENS_HOME": os.path.join(folder, "home")}
        self.environment.pop("WAYLAND_DISPLAY", None)
        self.running, self.window = None, None

    def command(self, *arguments):
        done = subprocess.run([self.program, *arguments], env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"

    def start(self):
        log = open(os.path.join(self.folder, "program.log"), "ab")
        self.running = subprocess.Popen([self.program, "open", self.project], env=self.environment, stdout=log, stderr=log)
        self.window = wait("the window", lambda: (self.screen.windows() or [None])[0])
        self.screen.focus(self.window)

    def close(self):
        self.screen.ask_to_close(self.window)
        assert self.running.wait(timeout=60) == 0, "the window did not close in order"

    def ask(self, question):
        """Rows of the project file, read beside the program."""
        try:
            connection = sqlite3.connect(f"file:{self.project}?mode=ro", uri=True, timeout=5)
            try:
                return connection.execute(question).fetchall()
            finally:
                connection.close()
        except sqlite3.OperationalError:
            return []

    def labels(self):
        return dict(self.ask("SELECT id, label FROM photos WHERE label IS NOT NULL"))

    def count(self, condition):
        return (self.ask(f"SELECT count(*) FROM photos WHERE {condition}") or [(0,)])[0][0]

    def select_first_photo(self):
        """Clicks until the selection is in the file: the window may still be drawing its first frames."""
        def is_selected():
            self.screen.focus(self.window)
            self.screen.click(*FIRST_PHOTO)
            time.sleep(0.3)
            view = program_view(self.ask("SELECT json FROM view"))
            return view.get("selected") is not None
        wait("a selected photo", is_selected)


def program_view(rows):
    return json.loads(rows[0][0]) if rows else {}


def table(folder, name, rows):
    path = os.path.join(folder, name)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "decided_by"])
        writer.writerows(rows)
    return path


def pictures(part):
    folder = os.path.join(ASSETS, part)
    return sorted(os.path.join(folder, name) for name in os.listdir(folder))


def make_project(program, copies=1):
    """Two classes of shots, and pictures to label."""
    rows = [(path, kind, "shot") for kind in ("bird", "bug") for path in pictures(f"support/{kind}")]
    pool = os.path.join(program.folder, "pool")
    os.makedirs(pool)
    for kind in ("bird", "bug"):
        for path in pictures(f"pool/{kind}"):
            for number in range(copies):
                copy = os.path.join(pool, f"{number}-{os.path.basename(path)}")
                shutil.copy(path, copy)
                rows.append((copy, "", ""))
    program.command("import", table(program.folder, "photos.csv", rows), "--out", program.project, "--format", "csv")


def story(program):
    make_project(program)
    screen = program.screen
    program.start()
    program.select_first_photo()

    # A label moves the selection on, so three keys label three photos.
    for key, number in (("1", 1), ("2", 2), ("2", 3)):
        screen.key(key)
        wait(f"label {number}", lambda: len(program.labels()) == number)
    labels = program.labels()
    assert sorted(labels.values()) == sorted([1, 2, 2]), labels
    screen.key("Control_L", "z")
    wait("the undo", lambda: len(program.labels()) == 2)
    screen.key("Control_L", "Shift_L", "z")
    wait("the redo", lambda: program.labels() == labels)
    program.close()

    program.start()
    program.select_first_photo()
    assert program.labels() == labels, "labels after a restart"
    screen.key("Control_L", "z")
    wait("an undo after a restart", lambda: len(program.labels()) == 2)
    screen.key("Control_L", "Shift_L", "z")
    wait("its redo", lambda: program.labels() == labels)

    drops(program)
    program.close()
    exported = os.path.join(program.folder, "out.csv")
    program.command("export", program.project, "--format", "csv", "--out", exported)
    with open(exported, newline="") as file:
        rows = list(csv.DictReader(file))
    by_whom = [row["decided_by"] for row in rows]
    assert by_whom.count("user") == 3, by_whom
    shots = {row["label"] for row in rows if row["decided_by"] == "shot"}
    assert len(shots) == 4, shots


def drops(program):
    """A folder of photos on the centre joins the pool, two folders on the left become classes."""
    others = [name for name in sorted(os.listdir(os.path.join(ASSETS, "pool"))) if name not in ("bird", "bug")][:2]
    num_pool = program.count("shot_of IS NULL")
    folder = os.path.join(ASSETS, "pool", others[0])
    drop(program.screen.name, program.window.id, [folder], ON_PHOTOS)
    expected = num_pool + len(os.listdir(folder))
    wait("the dropped photos", lambda: program.count("shot_of IS NULL") == expected)
    folders = [os.path.join(ASSETS, "support", name) for name in others]
    drop(program.screen.name, program.window.id, folders, ON_CLASSES)
    wait("the dropped classes", lambda: {name for (name,) in program.ask("SELECT name FROM classes")} >= set(others))
    num_shots = sum(len(os.listdir(folder)) for folder in folders)
    wait("their shots", lambda: program.count("shot_of > 2") == num_shots)


def kills(program, num_kills):
    make_project(program, copies=12)
    for number in range(num_kills):
        program.start()
        program.select_first_photo()
        end = time.monotonic() + random.uniform(0.3, 2.0)
        seen = {}
        while time.monotonic() < end:
            program.screen.key(random.choice("12"))
            seen = program.labels()
        program.running.kill()
        program.running.wait()
        labels = program.labels()
        lost = {photo: label for photo, label in seen.items() if labels.get(photo) is None}
        assert not lost, f"kill {number}: labels were lost: {lost}"
        assert program.ask("PRAGMA integrity_check") == [("ok",)]
        print(f"kill {number + 1}: {len(labels)} labels, none lost", flush=True)
    exported = os.path.join(program.folder, "out.csv")
    program.command("export", program.project, "--format", "csv", "--out", exported)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--kills", type=int, default=0)
    arguments = arguments.parse_args()
    started = time.monotonic()
    screen = Screen()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(os.path.abspath(arguments.program), folder, screen)
        try:
            if arguments.kills:
                kills(program, arguments.kills)
            else:
                story(program)
        except BaseException as error:
            picture = os.environ.get("PICTURE", os.path.join(tempfile.gettempdir(), "real-window-failure.png"))
            screen.save_picture(picture)
            print(f"FAILED: {error!r}\nThe screen is in {picture}", file=sys.stderr)
            with open(os.path.join(folder, "program.log")) as log:
                print(log.read()[-3000:], file=sys.stderr)
            raise
        finally:
            if program.running and program.running.poll() is None:
                program.running.kill()
            screen.close()
    print(f"the story in the real window: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
