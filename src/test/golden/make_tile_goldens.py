"""Tiles of LLaVA-NeXT by Pillow and numpy, as transformers' Pillow processor makes them.

    python make_tile_goldens.py

Needs pillow and numpy. Prints a line for each size of a made image, its crops and the SHA-256 of
their pixels (float32, little-endian), which `TilesTest` holds.
"""
import hashlib
import math

import numpy as np
from PIL import Image

TILE = 28
SIZES = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def best(h, w):
    def worth(size):
        scale = min(size[1] / w, size[0] / h)
        used = min(int(w * scale) * int(h * scale), w * h)
        return used, used - size[0] * size[1]
    return max(SIZES, key=worth)


def crops(image):
    h, w = image.height, image.width
    height, width = best(h, w)
    across, down = width / w, height / h
    if across < down:
        fitted = min(math.ceil(h * across), height), width
    else:
        fitted = height, min(math.ceil(w * down), width)
    top, left = (height - fitted[0]) // 2, (width - fitted[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top:top + fitted[0], left:left + fitted[1]] = np.asarray(image.resize(fitted[::-1], Image.BICUBIC))
    yield np.asarray(image.resize((TILE, TILE), Image.BICUBIC))
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            yield canvas[y:y + TILE, x:x + TILE]


def pixels(levels):
    scaled = (levels.astype(np.float64) * (1 / 255)).astype(np.float32)
    return ((scaled - MEAN) / STD).transpose(2, 0, 1)


for h, w in ((28, 28), (40, 53), (53, 40), (17, 90), (90, 17), (300, 41), (33, 47)):
    i = np.arange(3 * h * w, dtype=np.int64)
    made = ((i * i * 7 + i * 13) % 251).astype(np.uint8).reshape(h, w, 3)
    all_crops = np.stack([pixels(c) for c in crops(Image.fromarray(made))])
    digest = hashlib.sha256(all_crops.astype('<f4').tobytes()).hexdigest()
    print(f'    "{h},{w},{len(all_crops)},{digest}",')
