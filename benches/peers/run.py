#!/usr/bin/env python3
"""Measures Shotlens and other programs that run CLIP on the same files, in turn, and writes the figures as JSON.

    python3 benches/peers/run.py --work FOLDER --shotlens target/release/shotlens --out docs/performance.json
    python3 benches/peers/report.py docs/performance.json docs/performance.md

FOLDER takes the peers' virtual environments (7 GB), models with random weights and photos (6 GB); they are kept for the next
time. Every subject has its rounds in turn with the others'; a subject may be followed by the number of its rounds, as in
`--only encode-vit-b-32:3 files-small:2`. With --budget no round starts that would, as its last one went, end later.
"""
import argparse, datetime, json, os, pathlib, subprocess, sys, time

import contest, environments, machine
from backbones import BACKBONES
from subjects import Subjects

ROOT = pathlib.Path(__file__).parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "peers")
    parser.add_argument("--shotlens", type=pathlib.Path, default=ROOT / "target" / "release" / "shotlens")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "performance.json")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds for all rounds together")
    parser.add_argument("--only", nargs="*", metavar="SUBJECT[:ROUNDS]", help="these subjects, in this order")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="contestants to leave out, by a part of their names")
    parser.add_argument("--setup", action="store_true", help="install and make everything, and measure nothing")
    parser.add_argument("--alone", nargs="*", default=["embed", "score", "tune", "startup", "ui"], metavar="BENCH",
                        help="Shotlens' own benchmarks without a peer")
    parser.add_argument("--add", action="store_true", help="keep the rounds that --out has, and add the new ones")
    parser.add_argument("--commit", help="what Shotlens was built from (default: the repository's)")
    parser.add_argument("--note", default="nothing is known of other work on the machine",
                        help="what is to be said of the machine, as that it was otherwise idle")
    return parser.parse_args()


def set_up(work):
    work.mkdir(parents=True, exist_ok=True)
    failed = environments.make(work)
    made = subprocess.run([environments.python(work, "torch"), ROOT / "benches/peers/inputs.py", work, *BACKBONES],
                          capture_output=True, text=True)
    if made.returncode != 0:
        sys.exit(f"the models and photos could not be made: {made.stderr[-800:]}")
    return failed


def chosen(all_subjects, options):
    """Subjects with the number of their rounds."""
    if options.only is None:
        wanted = [(subject, options.rounds) for subject in all_subjects]
    else:
        named = {subject.key: subject for subject in all_subjects}
        split = [name.partition(":") for name in options.only]
        if unknown := [name for name, _, _ in split if name not in named]:
            sys.exit(f"no subject {unknown[0]}; there are {', '.join(named)}")
        wanted = [(named[name], int(rounds or options.rounds)) for name, _, rounds in split]
    for subject, _ in wanted:
        subject.contestants = [c for c in subject.contestants if not any(part in c.name for part in options.without)]
    return wanted


def one_round(subject, env, work, left_out):
    results = {}
    for contestant in list(subject.contestants):
        try:
            keep = work / "features" / subject.key / (contestant.name + pathlib.Path(contestant.features or "").suffix)
            results[contestant.name] = contestant_run = contest.run(contestant, env, keep)
            print(f"{subject.key:18} {contestant.name:50} {contestant_run['value']:9.3f} {subject.unit}", file=sys.stderr, flush=True)
        except (contest.Failed, OSError, ValueError) as error:
            if contestant is subject.contestants[0]:
                raise
            subject.contestants.remove(contestant)
            left_out[f"{subject.key}: {contestant.name}"] = str(error)
            print(error, file=sys.stderr, flush=True)
    return results


def all_rounds(wanted, env, options, left_out):
    rounds, last = {subject.key: [] for subject, _ in wanted}, {}
    start = time.monotonic()
    for number in range(max((count for _, count in wanted), default=0)):
        for subject, count in wanted:
            began = time.monotonic()
            if number >= count or began - start + last.get(subject.key, 0) > options.budget:
                continue
            rounds[subject.key].append(one_round(subject, env, options.work, left_out))
            last[subject.key] = time.monotonic() - began
    return rounds


def likeness(subject, work):
    """Peers' features against Shotlens', where the subject has any."""
    files = {c.name: work / "features" / subject.key / (c.name + pathlib.Path(c.features).suffix) for c in subject.contestants if c.features}
    if len(files) < 2 or subject.photos < 2:
        return {}
    ours, *peers = files.items()
    command = [environments.python(work, "torch"), ROOT / "benches/peers/features.py", ours[1], *(f"{name}={path}" for name, path in peers)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def add_rounds(contests, subject, rounds, work):
    """Puts new rounds after those that a subject has."""
    if rounds:
        earlier = contests.get(subject.key, {"commands": {}, "rounds": [], "likeness": {}})
        contests[subject.key] = {"title": subject.title, "unit": subject.unit, "photos": subject.photos,
                                 "commands": {**earlier["commands"], **{c.name: c.shown for c in subject.contestants}},
                                 "rounds": earlier["rounds"] + rounds, "likeness": {**earlier["likeness"], **likeness(subject, work)}}


def run_alone(name, subjects, options):
    words = subjects.alone()[name]
    print(f"shotlens {' '.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run([options.shotlens.resolve(), *words, "--threads", str(options.threads), "--json"], capture_output=True, text=True,
                          env={**os.environ, "SHOTLENS_HOME": str(options.work / "home")})
    outcome = {"rows": json.loads(done.stdout)} if done.returncode == 0 else {"error": done.stderr.strip()[-400:]}
    return {"command": f"shotlens {' '.join(words)}", **outcome}


def commit():
    told = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip() or "unknown"


def main():
    options = arguments()
    options.work = options.work.resolve()
    failed = set_up(options.work)
    if options.setup:
        return
    threads = str(options.threads)
    env = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    subjects = Subjects(options.work, options.shotlens.resolve(), options.threads)
    wanted, left_out, load = chosen(subjects.all(), options), dict(failed), machine.load()
    rounds = all_rounds(wanted, env, options, left_out)
    about = {"date": datetime.date.today().isoformat(), "load_before": load, "note": options.note}
    contests, alone = {}, {name: {**about, **run_alone(name, subjects, options)} for name in options.alone}
    earlier = json.loads(options.out.read_text()) if options.out.exists() else {}
    if options.add and earlier:
        contests, alone, left_out = earlier["contests"], {**earlier["alone"], **alone}, {**earlier["left_out"], **left_out}
    for subject, _ in wanted:
        add_rounds(contests, subject, [{**about, "runs": runs} for runs in rounds[subject.key]], options.work)
    result = {"commit": options.commit or commit(), "machine": machine.described(), "threads": options.threads,
              "contests": contests, "alone": alone, "left_out": left_out, "earlier": earlier.get("earlier", []),
              "versions": {name: environments.versions(options.work, name) for name in environments.SHARES if name not in failed}}
    options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
