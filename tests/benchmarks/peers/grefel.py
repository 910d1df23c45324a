"""This package as a peer of benchmark_peers: lines `FILE WIDTH HEIGHT` of raw RGB in, numbers of faces out."""

import functools
import sys
from pathlib import Path

from PIL import Image

from grefel_hf import FacialExpressionPredictor


@functools.cache
def photo(file: str, width: str, height: str) -> Image.Image:
    return Image.frombytes("RGB", (int(width), int(height)), Path(file).read_bytes())


predictor = FacialExpressionPredictor.from_pretrained(detector="yunet")
for line in sys.stdin:
    print(len(predictor(photo(*line.split())).faces), flush=True)
