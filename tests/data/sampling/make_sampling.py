"""Few-shot draws by Python's own random, as the field's data loaders make them.

    python make_sampling.py > draws.json

`generate_fewshot_dataset` of Dassl and Tip-Adapter groups items by label in the order in which labels first appear, then for
each group takes `random.sample(items, num_shots)`, or `random.choices(items, k=num_shots)` where it has fewer items.
Items are the numbers of their places; nothing but the standard library is used.
"""

import json
import random
from collections import defaultdict


def draw(labels, num_shots):
    tracker = defaultdict(list)
    for item, label in enumerate(labels):
        tracker[label].append(item)
    dataset = []
    for items in tracker.values():
        if len(items) >= num_shots:
            dataset.extend(random.sample(items, num_shots))
        else:
            dataset.extend(random.choices(items, k=num_shots))
    return dataset


LISTS = {
    # three classes in turn, 30 items each: more than the 21 that Python draws from a pool
    "interleaved": [item % 3 for item in range(90)],
    # class 2 comes first and class 1 last; classes of 4, 7 and 70 items
    "unsorted": [2] * 4 + [0] * 70 + [1] * 7,
    # one item, two items, and hundreds
    "uneven": [0] + [1] * 2 + [2] * 300 + [3] * 21 + [4] * 22,
}

draws = []
for name, labels in LISTS.items():
    for seed in [1, 2, 3, 2024, 4294967296, 1099511627783]:
        for num_shots in [1, 2, 4, 5, 6, 8, 16, 40]:
            random.seed(seed)
            draws.append({"list": name, "seed": seed, "shots": num_shots, "drawn": draw(labels, num_shots)})

print("{")
print(f'"lists": {json.dumps(LISTS)},')
print('"draws": [')
print(",\n".join(json.dumps(entry) for entry in draws))
print("]}")
