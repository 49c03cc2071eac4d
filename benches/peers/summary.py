"""Medians and spread of a subject's rounds."""
import statistics


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summary(contest):
    """Rows by contestant. `factor` is how many times as fast the first contestant was in each round that both took part in."""
    first, *_ = contest["commands"]
    rows = {}
    for name, command in contest["commands"].items():
        rounds = [round["runs"] for round in contest["rounds"] if name in round["runs"]]
        if not rounds:
            continue
        pairs = [(runs[first]["value"], runs[name]["value"]) for runs in rounds]
        factors = [ours / theirs if contest["unit"] == "photos/s" else theirs / ours for ours, theirs in pairs]
        rows[name] = {"command": command, "runs": len(rounds), "value": spread([runs[name]["value"] for runs in rounds]),
                      "peak_mb": max(runs[name]["peak_mb"] for runs in rounds), "factor": spread(factors)}
    return rows
