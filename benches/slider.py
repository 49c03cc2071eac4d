#!/usr/bin/env python3
"""Measures a slider at every size of pool and number of keys, and draws how the time grows.

    cargo build --release
    python3 benches/slider.py --note "the machine was otherwise idle"      # docs/slider.json and docs/slider.svg: about an hour
    python3 benches/peers/report.py docs/performance.json docs/performance.md
    python3 benches/slider.py --draw                                       # the picture anew, from the figures that are there

--pools and --keys measure a part of it, as in `--pools 1000,10000 --keys 100,1600`; cells that the file has already and that are not
measured anew are kept.
"""
import argparse, datetime, json, math, pathlib, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "peers"))
import machine

ROOT = pathlib.Path(__file__).parents[1]
FIGURES, PICTURE = ROOT / "docs" / "slider.json", ROOT / "docs" / "slider.svg"
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"]
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 460, 360, 62, 34, 92, 46


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shotlens", type=pathlib.Path, default=ROOT / "target" / "release" / "shotlens")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pools", help="sizes of the pool (default: 1,000 to 1,000,000)")
    parser.add_argument("--keys", help="numbers of keys (default: 100 to 50,000)")
    parser.add_argument("--note", default="nothing is known of other work on the machine")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    return parser.parse_args()


def measure(options):
    sizes = [word for name in ("pools", "keys") if (value := getattr(options, name)) for word in (f"--{name}", value)]
    command = [options.shotlens.resolve(), "bench", "ui", "--grid", *sizes, "--threads", str(options.threads), "--json"]
    about = {"date": datetime.date.today().isoformat(), "note": options.note, "load_before": machine.load(), "threads": options.threads}
    printed = subprocess.run(command, capture_output=True, text=True)
    if printed.returncode != 0:
        sys.exit(printed.stderr[-800:])
    print(printed.stderr, end="", file=sys.stderr)
    cells = {(cell["keys"], cell["photos"]): cell for cell in (json.loads(FIGURES.read_text())["cells"] if FIGURES.exists() else [])}
    cells |= {(cell["keys"], cell["photos"]): {**cell, **about} for cell in json.loads(printed.stdout)}
    result = {"command": "shotlens bench ui --grid", "machine": machine.described(), "cells": [cells[key] for key in sorted(cells)]}
    FIGURES.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def lines(cells, value):
    """Points of every number of keys, by size of pool."""
    keys = sorted({cell["keys"] for cell in cells})
    return [(count, [(cell["photos"], value(cell)) for cell in cells if cell["keys"] == count and value(cell) is not None]) for count in keys]


def short(number):
    return f"{number / 1e6:g}M" if number >= 1e6 else f"{number / 1e3:g}k" if number >= 1e3 else f"{number:g}"


def panel(title, unit, drawn, x0):
    """Logarithmic axes, a line for each number of keys, and what linear growth looks like, dashed."""
    points = [point for _, line in drawn for point in line]
    x_low, x_high = (math.log10(bound(x for x, _ in points)) for bound in (min, max))
    y_low = math.floor(min(math.log10(y) for _, y in points))
    y_high = max(math.ceil(max(math.log10(y) for _, y in points)), y_low + 1)
    across = lambda x: x0 + LEFT + (math.log10(x) - x_low) / max(x_high - x_low, 1e-9) * (WIDTH - LEFT - RIGHT)
    down = lambda y: TOP + (y_high - math.log10(y)) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
    out = [f'<text x="{x0 + LEFT}" y="18" font-weight="bold">{title}</text>',
           f'<text x="{x0 + LEFT + (WIDTH - LEFT - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">photos in the pool</text>']
    for power in range(y_low, y_high + 1):
        y = down(10.0 ** power)
        out.append(f'<path d="M{x0 + LEFT} {y:.1f}H{x0 + WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{x0 + LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0 ** power:g} {unit}</text>')
    for power in range(math.ceil(x_low), math.floor(x_high) + 1):
        x = across(10.0 ** power)
        out.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(10.0 ** power)}</text>')
    span = min(x_high - x_low, y_high - y_low)
    start, end = (10 ** x_low, 10.0 ** y_low), (10 ** (x_low + span), 10.0 ** (y_low + span))
    out.append(f'<path d="M{across(start[0]):.1f} {down(start[1]):.1f}L{across(end[0]):.1f} {down(end[1]):.1f}" stroke="#999" stroke-dasharray="4 4"/>')
    last = math.inf
    for colour, (keys, line) in reversed(list(zip(COLOURS * 4, drawn))):
        path = "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in line)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        if line:
            wanted = down(line[-1][1]) + 4
            last = wanted if last is math.inf else max(wanted, last + 14)
            out.append(f'<text x="{across(line[-1][0]) + 8:.1f}" y="{last:.1f}" fill="{colour}">{short(keys)} keys</text>')
    return out


def draw():
    cells = json.loads(FIGURES.read_text())["cells"]
    panels = [("A step of β to the frame that shows it, 99 %", "ms", lines(cells, lambda cell: cell["p99_ms"])),
              ("A step of β to the whole pool", "s", lines(cells, lambda cell: cell["pool_seconds"]))]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}" viewBox="0 0 {2 * WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">', f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for number, (title, unit, drawn) in enumerate(panels):
        out += panel(title, unit, drawn, number * WIDTH)
    PICTURE.write_text("\n".join([*out, "</svg>"]) + "\n")


def main():
    options = arguments()
    if not options.draw:
        measure(options)
    draw()


if __name__ == "__main__":
    main()
