"""Writes more.safetensors and more.json: inputs and expected logits of the methods that weigh views, prompts or train.

From the papers' formulas in float64, gradients by torch's autograd, optimisers and schedules from torch.
Run with torch 2.5.1 and safetensors 0.4 or newer: python make_methods_golden.py
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = Path(__file__).parent
CLASSES, SHOTS, VIEWS, DIM, ADAPTED_DIM, QUERIES = 5, 4, 3, 32, 24, 40
PROMPTS_PER_CLASS = [4, 6, 5, 3, 6]

HYPER = {
    "gda": {"alpha": 0.7},
    "gda-pp": {"alpha": 0.4},
    "proker": {"beta": 1.5, "lam": 0.05},
    "proker-pp": {"beta": 2.6, "lam": 0.1},
    "timo": {"alpha": 20.0, "gamma": 50.0, "num_prompts": 7},
    "timo-s": {"alpha": 100.0, "gamma": 15.0},
    "tip-adapter-f": {"alpha": 1.3, "beta": 4.0, "epochs": 12},
    "ape-t": {"alpha": 2.0, "beta": 1.0, "w0": 0.2, "w1": 0.8, "channels": 20, "epochs": 15},
    "clip-adapter": {"alpha": 0.2, "epochs": 60, "seed": 7},
    "lp-pp": {"epochs": 300},
    "taskres": {"alpha": 0.5, "epochs": 40},
}


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True)


def rounded(rows):
    """Unit rows that single precision holds exactly, as double precision: both sides start from the same numbers."""
    return unit(rows).float().double()


def scene():
    torch.manual_seed(20261125)
    noise = lambda *shape: torch.randn(*shape, dtype=torch.float64)
    shared, centres = noise(DIM), noise(CLASSES, DIM)
    to_adapted = noise(DIM, ADAPTED_DIM)
    gap = noise(DIM)

    def photos(labels):
        return 1.2 * shared + 0.8 * centres[labels] + 0.9 * noise(len(labels), DIM)

    labels = torch.arange(CLASSES).repeat_interleave(SHOTS)
    raw = photos(labels)
    view_photos = torch.arange(len(labels)).repeat_interleave(VIEWS)
    views = rounded(raw[view_photos] + 0.35 * noise(len(view_photos), DIM))
    support = rounded(views.reshape(len(labels), VIEWS, DIM).mean(1))
    queries = rounded(photos(torch.arange(QUERIES) % CLASSES))
    adapt = lambda rows: rounded(rows @ to_adapted)
    prompt_labels = torch.arange(CLASSES).repeat_interleave(torch.tensor(PROMPTS_PER_CLASS))
    prompts = rounded(gap + 0.7 * centres[prompt_labels] + 0.6 * noise(len(prompt_labels), DIM))
    text = rounded(torch.stack([prompts[prompt_labels == c].mean(0) for c in range(CLASSES)]))
    return {
        "support": support, "labels": labels, "queries": queries, "text": text,
        "support_imo": adapt(support), "queries_imo": adapt(queries),
        "support_views": views, "view_labels": labels[view_photos], "view_photos": view_photos,
        "support_views_imo": adapt(views), "prompts": prompts, "prompt_labels": prompt_labels,
    }


# --- closed forms ---

def gaussians(rows, labels):
    """weights [C, D] and biases [C] of GDA, as mrflogs/ICLR24 has it: torch.cov and pinv."""
    means = torch.stack([rows[labels == c].mean(0) for c in range(CLASSES)])
    centred = torch.cat([rows[labels == c] - means[c] for c in range(CLASSES)])
    covariance = centred.T.cov()
    n, dim = centred.shape
    precision = dim * torch.linalg.pinv((n - 1) * covariance + covariance.trace() * torch.eye(dim, dtype=rows.dtype))
    weights = means @ precision
    return weights, math.log(1 / CLASSES) - (weights * means).sum(1) / 2


def gda(s, h, imo=""):
    weights, biases = gaussians(s["support_views" + imo], s["view_labels"])
    return 100 * s["queries"] @ s["text"].T + h["alpha"] * (s["queries" + imo] @ weights.T + biases)


def proker(s, h, imo=""):
    keys = s["support_views" + imo]
    kernel = lambda a, b: torch.exp(-h["beta"] * (1 - a @ b.T))
    targets = F.one_hot(s["view_labels"], CLASSES).double() - s["support_views"] @ s["text"].T
    system = kernel(keys, keys) / h["lam"] + torch.eye(len(keys), dtype=torch.float64)
    coefficients = torch.linalg.inv(system) @ targets
    return s["queries"] @ s["text"].T + kernel(s["queries" + imo], keys) @ coefficients


def timo(s, h):
    texts, rows, labels = [], [s["support_views"]], [s["view_labels"]]
    for c in range(CLASSES):
        prompts = s["prompts"][s["prompt_labels"] == c]
        prototype = unit(s["support"][s["labels"] == c].mean(0))
        m = prompts @ prototype
        texts.append(unit(torch.softmax(h["gamma"] * m / m.norm(), 0) @ prompts))
        best, order = torch.sort(m, descending=True)
        instances = (prompts[order] * best[:, None]).repeat(2, 1)[: h.get("num_prompts", len(prompts))]
        rows.append(instances)
        labels.append(torch.full((len(instances),), c))
    weights, biases = gaussians(torch.cat(rows), torch.cat(labels))
    return h["alpha"] * s["queries"] @ torch.stack(texts).T + s["queries"] @ weights.T + biases


# --- training ---

def descend(logits, labels, optimiser, epochs):
    """Full-batch steps with a cosine schedule per step."""
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        optimiser.zero_grad()
        F.cross_entropy(logits(), labels).backward()
        optimiser.step()
        schedule.step()


def tip_adapter_f(s, h):
    keys = s["support"].clone().requires_grad_()
    one_hot = F.one_hot(s["labels"], CLASSES).double()

    def logits(x):
        return 100 * x @ s["text"].T + h["alpha"] * torch.exp(-h["beta"] * (1 - x @ keys.T)) @ one_hot

    optimiser = torch.optim.AdamW([keys], lr=1e-3, eps=1e-4, weight_decay=0.01)
    descend(lambda: logits(s["support"]), s["labels"], optimiser, h["epochs"])
    return logits(s["queries"])


def ape_t(s, h):
    text = s["text"]
    # similarity between the texts of different classes only, as APE-T asks for
    pairs = [text[i] * text[j] for i in range(CLASSES) for j in range(CLASSES) if i != j]
    criterion = -h["w0"] * torch.stack(pairs).mean(0) + h["w1"] * text.var(0)
    channels = torch.topk(criterion, h["channels"]).indices
    residual = torch.zeros(CLASSES, h["channels"], dtype=torch.float64, requires_grad=True)
    values = torch.ones(len(s["labels"]), 1, dtype=torch.float64, requires_grad=True)
    one_hot = F.one_hot(s["labels"], CLASSES).double()

    def logits(x):
        keys = s["support"].index_add(1, channels, residual[s["labels"]])
        weights = text.index_add(1, channels, residual)
        cache = torch.exp(-h["beta"] * (1 - x @ keys.T)) @ (one_hot * values)
        return 100 * x @ weights.T + h["alpha"] * cache

    optimiser = torch.optim.AdamW([residual, values], lr=1e-3, eps=1e-3, weight_decay=0.1)
    descend(lambda: logits(s["support"]), s["labels"], optimiser, h["epochs"])
    return logits(s["queries"])


def splitmix64(seed):
    mask, state = (1 << 64) - 1, seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)


def linear(random, rows, cols):
    """torch.nn.Linear's initial range, filled row by row from the upper 24 bits of every number."""
    bound = 1 / math.sqrt(cols)
    values = [bound * (2 * (next(random) >> 40) / 2**24 - 1) for _ in range(rows * cols)]
    return torch.tensor(values, dtype=torch.float64).reshape(rows, cols).requires_grad_()


def clip_adapter(s, h):
    random = splitmix64(h["seed"])
    down, up = linear(random, DIM // 4, DIM), linear(random, DIM, DIM // 4)

    def logits(x):
        adapted = torch.relu(torch.relu(x @ down.T) @ up.T)
        return 100 * unit(h["alpha"] * adapted + (1 - h["alpha"]) * x) @ s["text"].T

    optimiser = torch.optim.SGD([down, up], lr=2e-3, momentum=0.9, weight_decay=5e-4)
    descend(lambda: logits(s["support"]), s["labels"], optimiser, h["epochs"])
    return logits(s["queries"])


def taskres(s, h):
    residual = torch.zeros_like(s["text"]).requires_grad_()

    def logits(x):
        return 100 * x @ unit(s["text"] + h["alpha"] * residual).T

    optimiser = torch.optim.Adam([residual], lr=2e-3, weight_decay=5e-4)
    descend(lambda: logits(s["support"]), s["labels"], optimiser, h["epochs"])
    return logits(s["queries"])


def lp_pp(s, h):
    x, labels, text = s["support"], s["labels"], s["text"]
    n = len(x)
    cosines = x @ text.T
    one_hot = F.one_hot(labels, CLASSES).double()
    prototypes = (one_hot.T @ x).requires_grad_()
    bias = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    start = 250 * ((one_hot * cosines).sum(0) / one_hot.sum(0)).mean()
    alpha = torch.full((CLASSES,), start.item(), dtype=torch.float64, requires_grad=True)
    rate = 4 * n / torch.linalg.eigvalsh(x.T @ x).max().item()
    alpha_rate = n / (4 * (cosines**2).sum(0).max().item())
    optimiser = torch.optim.SGD([prototypes, bias], lr=rate, momentum=0.9)
    logits = lambda rows: rows @ prototypes.T + bias + alpha * (rows @ text.T)
    for epoch in range(h["epochs"]):
        optimiser.zero_grad()
        alpha.grad = None
        F.cross_entropy(logits(x), labels).backward()
        optimiser.step()
        if (epoch + 1) % 10 == 0:
            with torch.no_grad():
                alpha -= alpha_rate * alpha.grad
    return logits(s["queries"])


def main():
    torch.set_num_threads(1)
    s = scene()
    functions = {
        "gda": gda, "gda-pp": lambda s, h: gda(s, h, "_imo"),
        "proker": proker, "proker-pp": lambda s, h: proker(s, h, "_imo"),
        "timo": timo, "timo-s": timo, "tip-adapter-f": tip_adapter_f, "ape-t": ape_t,
        "clip-adapter": clip_adapter, "lp-pp": lp_pp, "taskres": taskres,
    }
    tensors = dict(s)
    truth = torch.arange(QUERIES) % CLASSES
    for method, function in functions.items():
        logits = function(s, HYPER[method]).detach()
        tensors["logits." + method] = logits
        right = (logits.argmax(1) == truth).double().mean()
        print(f"{method:14} {100 * right:5.1f} %  logits {logits.min():8.3f} to {logits.max():8.3f}")
    tensors = {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in tensors.items()}
    save_file(tensors, FOLDER / "more.safetensors")
    (FOLDER / "more.json").write_text(json.dumps({"hyper": HYPER}, indent=2) + "\n")


main()
