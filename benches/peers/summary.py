"""Medians and spread of a subject's rounds."""
import statistics


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def opponent(name, commands):
    """Shotlens' contestant that a program is compared with: in the same number format, where there is one, else the first."""
    first, *_ = commands
    same = f"Shotlens, {name.rpartition(', ')[2]}"
    return same if same in commands else first


def summary(contest):
    """Rows by contestant. `factor` is how many times as fast Shotlens was in each round that both took part in."""
    rows = {}
    for name, command in contest["commands"].items():
        ours = opponent(name, contest["commands"])
        rounds = [round["runs"] for round in contest["rounds"] if name in round["runs"] and ours in round["runs"]]
        if not rounds:
            continue
        pairs = [(runs[ours]["value"], runs[name]["value"]) for runs in rounds]
        factors = [our / their if contest["unit"] == "photos/s" else their / our for our, their in pairs]
        rows[name] = {"command": command, "runs": len(rounds), "value": spread([runs[name]["value"] for runs in rounds]),
                      "peak_mb": max(runs[name]["peak_mb"] for runs in rounds), "factor": spread(factors)}
    return rows
