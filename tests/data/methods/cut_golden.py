"""Writes 2-first.safetensors: the first seven classes of the development data's golden 2, which as a whole is too large to be kept here.

Run with safetensors 0.4 or newer: python cut_golden.py PATH/TO/2.safetensors
"""

import sys

from safetensors.numpy import load_file, save_file

NUM_CLASSES = 7

whole = load_file(sys.argv[1])
shots = whole["labels"] < NUM_CLASSES
queries = whole["query_labels"] < NUM_CLASSES
first = {name: whole[name][shots] for name in ["labels", "support", "support_imo"]}
first |= {name: whole[name][queries] for name in ["query_labels", "queries", "queries_imo"]}
first["text"] = whole["text"][:NUM_CLASSES]
save_file({name: rows.copy() for name, rows in first.items()}, "2-first.safetensors")
