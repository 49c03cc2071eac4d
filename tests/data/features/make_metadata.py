"""Writes clip_retrieval.parquet, metadata as clip-retrieval has pandas and pyarrow write it (snappy, dictionaries), and its features in float64.

    pip install pandas==3.1.1 pyarrow==26.0.1 && python make_metadata.py
"""
import pandas as pd

rows = pd.DataFrame({
    "image_path": [f"{number:09}" for number in range(6)],
    "caption": ["red", "green", "blue"] * 2,
    "label": ["red", None, "blue", "red", None, None],
    "features": [[float(number == place) + 0.125 for place in range(4)] for number in [0, 1, 2, 0, 1, 2]],
})
rows.to_parquet("clip_retrieval.parquet", row_group_size=4)
