#!/usr/bin/env python3
"""Writes docs/performance.md from the figures of run.py: report.py docs/performance.json docs/performance.md"""
import json, pathlib, sys

from gpu_section import gpu_section
from summary import summary

PEERS = {"torch": ("torch", "transformers", "sentence-transformers", "onnxruntime", "openvino", "pillow", "numpy"),
         "rclip": ("rclip", "onnxruntime", "pillow", "numpy"),
         "clip-retrieval": ("clip-retrieval", "torch", "transformers", "numpy")}
LEVEL = 0.99
INTRO = """# Performance

Made by `benches/peers/report.py` from [performance.json](performance.json), which `benches/peers/run.py` measured: change neither by hand.
"""
HOW = """## How it was measured

Contestants of a table ran one after the other, A B C A B C, {threads} threads each. Figures are medians over the rounds, with the least and
the greatest; *Shotlens is* compares the runs of the same round (in bf16 with Shotlens in bf16, where it took part) and gives the median of those factors with the least and the greatest: above 1
Shotlens is faster, below 1 it is **slower**. Memory is the most that the largest process of a program had; processes that load
photos for it are not counted. Weights are random (seeded): what they are does not change the time. All programs read the same
checkpoint and the same JPEG files, which a run before had left in the system's file cache; Shotlens starts with an empty cache of features.
A *whole process* is from the start of the program to features on disk; *photos/s after the start* takes off what the same program needs for
one photo, so that loading Python, the libraries and the model does not count; the encoder alone is the best of five repetitions in a process that
has loaded its model, from prepared pixels (Shotlens: from 8-bit crops). A figure without a spread is of one round.

Shotlens computes in f32 unless a row says otherwise. How fast PyTorch is depends on the
processor's maker and generation: its matrix products go through MKL.
"""
NOT_MEASURED = """- Processors with other instruction sets (AVX2 only, AMX, ARM), more threads, and graphics cards other than the one below; Apple's GPUs.
- PyTorch through `torch.compile` on a processor, int8 models, and programs that are not on PyPI.
- clip-retrieval and rclip with published weights: model hubs were out of reach. rclip takes one model only (ViT-B/32 with crops of 256
  pixels), so it ran on random weights of that size in its own place, against Shotlens on the same weights. Its query was a photo, so that
  it did not load its text model.
- The 100,000-photo and 1,000,000-photo windows anew: `run.py` leaves them out because they take many minutes.
- A slider with 16,000 or more keys and a million photos: a pass takes minutes.
- What clip-retrieval and sentence-transformers do on a graphics card, where their authors mean them to run.
"""


def number(value):
    return f"{value:.2g}" if value < 0.01 else f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def with_spread(spread):
    median = number(spread["median"])
    return median if spread["min"] == spread["max"] else f"{median} ({number(spread['min'])} to {number(spread['max'])})"


def factor(spread):
    text = f"{with_spread(spread)} times as fast"
    return f"**{text}**" if spread["median"] < 1 else text


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])


def note_of(item):
    load = "" if item["load_before"] is None else f" (load before: {item['load_before']})"
    return f"{item['date']}; {item['note']}{load}"


def rounds_of(contest):
    """How many rounds, and when, by what is said of the machine."""
    kinds = {}
    for taken in contest["rounds"]:
        kinds.setdefault(note_of(taken), []).append(taken)
    return "; ".join(f"{len(taken)} {'round' if len(taken) == 1 else 'rounds'}: {note}" for note, taken in kinds.items())


def one_of(key, contests):
    """The same subject with one photo."""
    return contests.get(f"{key.rsplit('-', 1)[0]}-one") if (contests[key]["photos"] or 0) > 1 else None


def after_start(contest, one):
    """Photos a second once a program runs: from the whole process less that for one photo."""
    rates = {}
    for name, row in contest["rows"].items():
        if one and name in one["rows"]:
            seconds = row["value"]["median"] - one["rows"][name]["value"]["median"]
            if seconds > 0:
                rates[name] = (contest["photos"] - 1) / seconds
    return rates


def contest_section(key, contests):
    contest = contests[key]
    rates, likeness = after_start(contest, one_of(key, contests)), contest["likeness"]
    head = ["program", contest["unit"], "Shotlens is", *(["photos/s after the start"] if rates else []), "memory, MB",
            *(["least cosine to Shotlens' features (with the mean taken off)"] if likeness else [])]
    rows = []
    for name, row in contest["rows"].items():
        alike = likeness.get(name, {})
        cells = [name, with_spread(row["value"]), "" if name.startswith("Shotlens") else factor(row["factor"])]
        cells += [number(rates[name]) if name in rates else ""] if rates else []
        cells += [f"{row['peak_mb']:,.0f}"]
        if likeness:
            cells += [alike.get("error") or f"{alike['cosine_min']:.5f} ({alike['centred_min']:.4f})" if alike else ""]
        rows.append(cells)
    commands = "\n".join(f"- {name}: `{row['command']}`" for name, row in contest["rows"].items())
    title = contest["title"][0].upper() + contest["title"][1:]
    return f"### {title}\n\n{rounds_of(contest)}.\n\n{table(head, rows)}\n\n{commands}\n"


def alone_section(name, bench):
    if "error" in bench:
        return f"### `{bench['command']}`\n\nFailed: {bench['error']}\n"
    keys = list(dict.fromkeys(key for row in bench["rows"] for key in row))
    cell = lambda value: "" if value is None else number(value) if isinstance(value, float) else str(value)
    constant = [key for key in keys if len(bench["rows"]) > 1 and len({str(row.get(key)) for row in bench["rows"]}) == 1]
    shown = [key for key in keys if key not in constant]
    rows = [[cell(row.get(key)) for key in shown] for row in bench["rows"]]
    same = "".join(f", {key} {cell(bench['rows'][0][key])}" for key in constant)
    return f"### `{bench['command']}`\n\n{note_of(bench)}{same}.\n\n{table(shown, rows)}\n"


def earlier_section(result):
    rows = [[item["what"], f"`{item['command']}`", item["figure"]] for item in result.get("earlier", [])]
    intro = "With the version of their time, and on other machines than that of the tables where a row does not name it.\n\n"
    return "### Measured earlier, by hand\n\n" + intro + table(["what", "command", "figure"], rows) + "\n" if rows else ""


def memory_section(contests):
    """Shotlens' own peaks, side by side."""
    lines = [f"- {contest['title']}: {row['peak_mb']:,.0f} MB" for contest in contests.values() if contest["photos"]
             for name, row in list(contest["rows"].items())[:1]]
    return "## Shotlens' memory\n\n" + "\n".join(lines) + "\n"


def peers_of(contests):
    """Every contest with Shotlens' row and each peer's."""
    for key, contest in contests.items():
        ours, *others = contest["rows"].items()
        yield from ((key, contest, ours, peer) for peer in others if not peer[0].startswith("Shotlens"))


def behind(contests):
    """Every comparison that Shotlens did not win: of time, of the rate after the start, of memory."""
    slower, later, memory = [], [], []
    for key, contest, (our_name, ours), (name, row) in peers_of(contests):
        times, rates = row["factor"], after_start(contest, one_of(key, contests))
        if times["median"] < LEVEL:
            inverse = {"median": 1 / times["median"], "min": 1 / times["max"], "max": 1 / times["min"]}
            slower.append(f"- {contest['title']}: {name}, {with_spread(inverse)} times as fast as Shotlens")
        elif times["median"] < 1 / LEVEL:
            slower.append(f"- {contest['title']}: {name}, level with Shotlens ({number(times['median'])})")
        if rates.get(name, 0) > rates.get(our_name, 0):
            later.append(f"- {contest['title']}: {name}, {number(rates[name])} photos/s, Shotlens {number(rates[our_name])}")
        if contest["photos"] and row["peak_mb"] < ours["peak_mb"]:
            memory.append(f"- {contest['title']}: {name}, {row['peak_mb']:,.0f} MB, Shotlens {ours['peak_mb']:,.0f} MB")
    lists = [("Another program was faster, or level within 1 %:", slower), ("Faster once it had started:", later), ("Less memory:", memory)]
    return "\n".join(f"{head}\n\n" + "\n".join(lines) + "\n" for head, lines in lists if lines) or "Nowhere in the tables below.\n"


def slider_section(path):
    """The live loop, where it was measured: benches/slider.py."""
    if not path.exists():
        return ""
    result = json.loads(path.read_text())
    cells = {(cell["keys"], cell["photos"]): cell for cell in result["cells"]}
    keys, pools = (sorted({key[place] for key in cells}) for place in (0, 1))
    head = ["keys", "photos", "on screen", "median", "99 %", "worst", "whole pool", "growth from the row above", "memory, MB"]
    rows = []
    for count in keys:
        before = None
        for photos in pools:
            if not (cell := cells.get((count, photos))):
                continue
            seconds = cell["pool_seconds"]
            grown = f"{number(seconds / before[1])} times for {number(photos / before[0])} times the photos" if before and seconds else ""
            times = [f"{number(cell[key])} ms" if cell[key] is not None else "not measured" for key in ("p50_ms", "p99_ms", "worst_ms")]
            whole = f"{number(seconds)} s" if seconds else "not within an hour"
            rows.append([f"{count:,}", f"{photos:,}", str(cell["on_screen"]), *times, whole, grown, f"{cell['resident_mb'] or 0:,.0f}"])
            before = (photos, seconds) if seconds else None
    notes = "; ".join([*sorted({note_of(cell) for cell in result["cells"]}), "{cpu} ({family})".format(**result["machine"])])
    return f"""## A slider, from 1,000 photos to a million

![Growth of the two times with the pool, a line for each number of keys](slider.svg)

Tip-Adapter, 100 classes, features of {result["cells"][0]["dim"]} numbers; `{result["command"]}`, drawn by `benches/slider.py`. *median*, *99 %* and *worst* are
from a step of β to the end of the frame that shows the new predictions of all photos on screen; *whole pool* is from a step to the new
predictions of every photo, in the background. The dashed lines grow as the pool does. Products of photos and keys are taken anew for
each pass, because a million photos against 50,000 keys are 200 GB. {notes}.

{table(head, rows)}
"""


def machine_section(result):
    machine, versions = result["machine"], result["versions"]
    sets = ", ".join(name.upper().replace("_", "-") for name in machine["instruction_sets"])
    virtual = ", a virtual machine" if machine["virtual"] else ""
    lines = [f"{machine['cpu']} ({machine['family']}), {machine['cores']} cores{virtual}, {machine['memory_gb']} GB of memory; {sets}. "
             f"{machine['system']}. Shotlens at commit {result['commit']}."]
    for name, wanted in PEERS.items():
        if name in versions:
            packages = ", ".join(f"{package} {versions[name][package]}" for package in wanted if package in versions[name])
            lines.append(f"- `requirements/{name}.txt`: {packages}")
    return "## Machine and versions\n\n" + lines[0] + f" Python {machine['python']}:\n\n" + "\n".join(lines[1:]) + "\n"


def main():
    figures = pathlib.Path(sys.argv[1])
    result = json.loads(figures.read_text())
    contests = {key: {**contest, "rows": summary(contest)} for key, contest in result["contests"].items()}
    parts = [INTRO, "## Where Shotlens is not ahead\n", behind(contests), machine_section(result), HOW.format(threads=result["threads"]),
             "## Against other programs\n", *(contest_section(key, contests) for key in contests),
             memory_section(contests), "## Shotlens alone\n", *(alone_section(name, bench) for name, bench in result["alone"].items()),
             slider_section(figures.parent / "slider.json"), gpu_section(figures.parent / "gpu.json", table, number), earlier_section(result), "## Not measured\n",
             NOT_MEASURED + "".join(f"- {what}: {why}\n" for what, why in result["left_out"].items())]
    pathlib.Path(sys.argv[2]).write_text("\n".join(parts))


if __name__ == "__main__":
    main()
