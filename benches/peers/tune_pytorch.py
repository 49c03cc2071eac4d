#!/usr/bin/env python3
"""Times the papers' grid searches in PyTorch on the processor, in f32, on the features of `shotlens bench tune --out`.

    shotlens bench tune --search tip-adapter --out features.safetensors --json
    python3 -m venv v && v/bin/pip install torch safetensors numpy
    v/bin/python tune_pytorch.py features.safetensors --search tip-adapter --variant plain

Written from the papers' formulas. Variants, each with the grid and the order of loops of the method's authors:

    plain    every combination takes what the authors' loops take there: for Tip-Adapter and Tip-X all products and exponentials
             (Tip-X: outside the loop over γ), for APE all but the products of features
    hoisted  products of features once; exponentials and class sums for every combination (Tip-X: outside the loop over γ)
    sums     exponentials and class sums once for each β (APE: for each β and γ); a combination is two sums and an argmax

`--every N` tries every Nth combination of β and γ only, for searches that would take hours; `seconds` is then for those alone,
and `combinations` says how many they are. Prints JSON: {"search","variant","threads","combinations","seconds","cpu_seconds",
"accuracy","alpha","beta","gamma"}; `cpu_seconds` adds up both threads.
"""
import argparse, json, time

import torch
from safetensors.torch import load_file


def steps(first, last, count):
    return [first + i * (last - first) / count for i in range(count)]


GRIDS = {  # β, γ, α
    "tip-adapter": (steps(0.1, 7, 200), [0.0], steps(0.1, 3, 20)),
    "tip-x": (steps(1, 50, 200), steps(0.1, 30, 50), steps(0.1, 50, 20)),
    "ape": (steps(0.1, 7, 200), steps(0, 1, 20), steps(0.1, 7, 20)),
}


class Scene:
    def __init__(self, path, search, channels, w):
        tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}
        self.keys, self.queries, self.text = tensors["support"], tensors["queries"], tensors["text"]
        self.labels = tensors["query_labels"]
        self.one_hot = torch.nn.functional.one_hot(tensors["labels"], len(self.text)).float()
        self.divergence = None
        if search == "tip-x":
            self.divergence = self.kl()
        self.probes, self.cache = self.queries, self.keys
        if search == "ape":
            self.refine(tensors["labels"], channels or self.text.shape[1] // 2, w)

    def kl(self):
        """KL of every query's signature from every key's, as one product."""
        p = (self.queries @ self.text.T / 0.5).softmax(-1)
        log_q = (self.keys @ self.text.T / 0.5).log_softmax(-1)
        return (p * p.log()).sum(-1, keepdim=True) - p @ log_q.T

    def refine(self, labels, channels, w):
        """APE's channels, and how wrong the texts are about every key."""
        classes, shots = len(self.text), len(self.keys) / len(self.text)
        sums = self.text.double() + self.one_hot.double().T @ self.keys.double()
        similarity = (sums.sum(0) ** 2 - (sums ** 2).sum(0)) / (classes * (classes - 1) * (shots + 1) ** 2)
        chosen = (w[1] * self.text.double().var(0) - w[0] * similarity).topk(channels).indices
        unit = lambda x: torch.nn.functional.normalize(x[:, chosen], dim=-1)
        self.probes, self.cache = unit(self.queries), unit(self.keys)
        p = (self.cache @ unit(self.text).T).softmax(-1)
        self.surprise = (self.one_hot * ((self.one_hot + 1e-6) / (p + 1e-6)).log2()).sum(1, keepdim=True)

    def zero_shot(self):
        return 100.0 * self.queries @ self.text.T

    def affinity(self):
        return self.probes @ self.cache.T

    def sums(self, affinity, beta, gamma, search):
        values = self.one_hot * (self.surprise * gamma).exp() if search == "ape" else self.one_hot
        return (-(beta - beta * affinity)).exp() @ values

    def third(self, affinity):
        scaled = (self.divergence - self.divergence.min()) / (self.divergence.max() - self.divergence.min())
        return -(scaled * (affinity.max() - affinity.min()) + affinity.min()) @ self.one_hot

    def correct(self, logits):
        return int((logits.argmax(-1) == self.labels).sum())


def search_all(scene, search, variant, pairs, alphas):
    """Rightly classified queries for every (β, γ) of `pairs` and every α."""
    counts = torch.zeros(len(pairs), len(alphas), dtype=torch.long)
    affinity = scene.affinity() if variant != "plain" or search == "ape" else None
    zero_shot = scene.zero_shot() if affinity is not None else None
    third = scene.third(affinity) if search == "tip-x" and affinity is not None else 0.0
    if variant == "sums":
        kept, sums = None, None
        for pair, (beta, gamma) in enumerate(pairs):
            if search == "ape" or beta != kept:
                kept, sums = beta, scene.sums(affinity, beta, gamma, search)
            base = zero_shot + gamma * third if search == "tip-x" else zero_shot
            for place, alpha in enumerate(alphas):
                counts[pair, place] = scene.correct(torch.add(base, sums, alpha=alpha))
        return counts
    kept = None
    # Tip-X's authors have γ innermost and take the rest once for each α and β.
    loops = [(place, pair) for place in range(len(alphas)) for pair in range(len(pairs))] if search == "tip-x" else \
            [(place, pair) for pair in range(len(pairs)) for place in range(len(alphas))]
    for place, pair in loops:
        (beta, gamma), alpha = pairs[pair], alphas[place]
        if search != "tip-x" or kept != (alpha, beta):
            kept = (alpha, beta)
            if variant == "plain" and search != "ape":
                affinity, zero_shot = scene.affinity(), scene.zero_shot()
                third = scene.third(affinity) if search == "tip-x" else 0.0
            sums = scene.sums(affinity, beta, gamma, search)
        counts[pair, place] = scene.correct(zero_shot + third * gamma + sums * alpha)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features")
    parser.add_argument("--search", choices=GRIDS, default="tip-adapter")
    parser.add_argument("--variant", choices=("plain", "hoisted", "sums"), default="plain")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="try every Nth pair of β and γ")
    parser.add_argument("--channels", type=int, help="APE: channels kept (default: half)")
    parser.add_argument("--weights", type=float, nargs=2, default=(0.7, 0.3), help="APE: w0 and w1")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    betas, gammas, alphas = GRIDS[arguments.search]
    pairs = [(beta, gamma) for beta in betas for gamma in gammas][::arguments.every]
    with torch.no_grad():
        scene = Scene(arguments.features, arguments.search, arguments.channels, arguments.weights)
        scene.correct(scene.sums(scene.affinity(), 1.0, 0.0, arguments.search))  # warm up
        start, start_cpu = time.perf_counter(), time.process_time()
        counts = search_all(scene, arguments.search, arguments.variant, pairs, alphas)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    # The first of equals in the authors' loops: Tip-X α, β, γ; APE β, α, γ; Tip-Adapter β, α.
    order = (lambda c: (c[0], c[1])) if arguments.search == "tip-x" else (lambda c: (pairs[c[1]][0], c[0], c[1]))
    combinations = sorted(((place, pair) for pair in range(len(pairs)) for place in range(len(alphas))), key=order)
    best = max(combinations, key=lambda c: int(counts[c[1], c[0]]))
    (beta, gamma), alpha = pairs[best[1]], alphas[best[0]]
    print(json.dumps({
        "search": arguments.search, "variant": arguments.variant, "threads": arguments.threads, "combinations": len(combinations),
        "seconds": seconds, "cpu_seconds": cpu_seconds, "accuracy": 100.0 * int(counts[best[1], best[0]]) / len(scene.labels),
        "alpha": alpha, "beta": beta, "gamma": gamma if arguments.search != "tip-adapter" else None,
    }))


if __name__ == "__main__":
    main()
