"""JPEGs that Pillow does not write: any sampling factors, ids, scans and markers. Random coefficients, the standard's own Huffman tables for the DC."""
import struct

import numpy as np

DC = [0, 0, 1, 5, 1, 1, 1, 1, 1, 1] + [0] * 7  # sizes 0 to 11
AC = [(0, 0), (0, 1), (0, 2), (1, 1), (0, 3), (2, 1), (0, 4), (15, 0)]  # run and size, codes of three to five bits


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack('>H', len(data) + 2) + data


class Bits:
    def __init__(self):
        self.bits = []

    def put(self, value, count):
        self.bits += [value >> i & 1 for i in range(count - 1, -1, -1)]

    def number(self, v):
        n = int(abs(v)).bit_length()
        self.put(v if v > 0 else v + (1 << n) - 1, n)

    def bytes(self):
        bits = self.bits + [1] * (-len(self.bits) % 8)
        return np.packbits(np.array(bits, np.uint8)).tobytes().replace(b'\xff', b'\xff\0')


def dc(bits, v):
    codes = {0: (0, 2), 1: (2, 3), 2: (3, 3), 3: (4, 3), 4: (5, 3), 5: (6, 3), 6: (14, 4), 7: (30, 5), 8: (62, 6), 9: (126, 7), 10: (254, 8), 11: (510, 9)}
    bits.put(*codes[int(abs(v)).bit_length()])
    bits.number(v)


def ac(bits, block, first=1, last=63):
    run = 0
    for k in range(first, last + 1):
        if block[k] == 0:
            run += 1
            continue
        while run > 15:
            bits.put(AC.index((15, 0)), 4)
            run -= 16
        while (run, int(abs(block[k])).bit_length()) not in AC:  # the generator below leaves only what has a code
            raise ValueError(block)
        bits.put(AC.index((run, int(abs(block[k])).bit_length())), 4)
        bits.number(block[k])
        run = 0
    if run:
        bits.put(0, 4)


def blocks(rng, n):
    """Random blocks: a DC that wanders, the first coefficients small."""
    out = np.zeros((n, 64), int)
    out[:, 0] = rng.integers(-60, 60, n)
    for k in range(1, 6):
        out[:, k] = rng.integers(-7, 8, n) if k < 3 else rng.integers(-1, 2, n)
    for b in out:  # after a run only sizes that have a code
        for k in range(2, 6):
            run = 0
            while k - 1 - run > 0 and b[k - 1 - run] == 0:
                run += 1
            if (run == 1 or run == 2) and b[k]:
                b[k] = np.sign(b[k])
            if run > 2:
                b[k] = 0
    return out


def jpeg(rng, width, height, sampling, progressive=False, interleaved=True, ids=None, head=b'', between=b'', frame=None):
    """sampling: (across, down) of each component."""
    ids = ids or list(range(1, len(sampling) + 1))
    H, V = max(h for h, v in sampling), max(v for h, v in sampling)
    across, down = -(-width // (8 * H)), -(-height // (8 * V))
    planes = [blocks(rng, across * h * down * v).reshape(down * v, across * h, 64) for h, v in sampling]
    out = b'\xff\xd8' + head + segment(0xDB, b'\0' + bytes([4] * 3 + [6] * 61))
    out += segment(frame or (0xC2 if progressive else 0xC0), struct.pack('>BHHB', 8, height, width, len(ids)) + b''.join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, sampling)))
    out += between
    out += segment(0xC4, bytes(DC) + bytes(range(12)))
    out += segment(0xC4, b'\x10' + bytes([0, 0, 0, 8] + [0] * 12) + bytes(r << 4 | s for r, s in AC))

    def scan(which, first, last):
        bits = Bits()
        before = [0] * len(ids)

        def one(c, y, x):
            b = planes[c][y][x]
            if first == 0:
                dc(bits, b[0] - before[c])
                before[c] = b[0]
            if last:
                ac(bits, b, max(1, first), last)

        if len(which) > 1:
            for y in range(down):
                for x in range(across):
                    for c in which:
                        h, v = sampling[c]
                        for j in range(v):
                            for i in range(h):
                                one(c, y * v + j, x * h + i)
        else:
            c = which[0]
            h, v = sampling[c]
            for y in range(-(-(-(-height * v // V)) // 8)):
                for x in range(-(-(-(-width * h // H)) // 8)):
                    one(c, y, x)
        return segment(0xDA, bytes([len(which)]) + b''.join(bytes([ids[c], 0]) for c in which) + bytes([first, last, 0])) + bits.bytes()

    everything = list(range(len(ids)))
    if progressive:
        out += scan(everything, 0, 0)
        for c in everything:
            out += between + scan([c], 1, 5) + scan([c], 6, 63)
    elif interleaved:
        out += scan(everything, 0, 63)
    else:
        for c in everything:
            out += between + scan([c], 0, 63)
    return out + b'\xff\xd9'
