#!/usr/bin/env python3
"""A model of transformers beside ours, step by step: ids, positions, pixels, rows behind every block of tower and decoder,
logits, greedy answers without and with a repetition penalty, and a prompt that STAR prunes: scores, kept sets, logits, answers.

    referee.py MODEL OURS [MODEL OURS ...]     OURS: what the test program starling.model.Referee wrote of the same checkpoint

Both in float32. Prints a line per step; exit 1 if one differs. The bound is relative to the largest value of a step.
"""
import json
import sys

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps
from tokenizers import Tokenizer

from theirs import families, steps

# Sums of some hundred products in another order, through at most some ten blocks: 1e-6 on a CPU. A GPU's exponential is
# right to 2 ulp.
BOUND = 1e-5
# An 8-bit level is 0.015 apart after normalising: resizing must give the same level.
PIXEL = 1e-5


class Lines:
    """One line per step, and whether all were the same."""

    def __init__(self, ours, folder):
        self.ours, self.folder, self.bad = ours, folder, 0

    def line(self, name, ok, what):
        self.bad += not ok
        print(f"{name:<28} {'same' if ok else 'DIFFERS':<8} {what}")

    def equal(self, name, theirs, ours):
        text = f'{theirs}' if len(str(theirs)) < 50 else f'{len(theirs)} numbers or lists'
        self.line(name, theirs == ours, text if theirs == ours else f'{theirs} and ours {ours}')

    def near(self, name, theirs):
        a = theirs.float().numpy()
        b = np.fromfile(f'{self.folder}/{name}.f32', '<f4').reshape(self.ours['shapes'][name])
        if a.shape != b.shape:
            return self.line(name, False, f'shapes {a.shape} and ours {b.shape}')
        pixels = name.startswith('pixels')
        apart = float(np.abs(a - b).max()) / (1 if pixels else float(np.abs(a).max()))
        self.line(name, apart <= (PIXEL if pixels else BOUND),  # NaN differs
                  f"{apart:.1e} {'apart' if pixels else 'of the largest'}, {'x'.join(map(str, a.shape))}")


def whole_prompt(family, record, full, ours, lines):
    pictures = len(ours['pictures'])
    theirs = steps.dense(family, record, full, pictures)
    positions = record.positions[0].reshape(-1, len(full))
    lines.equal('positions', positions.flatten().tolist(), ours['positions'] or list(range(len(full))))
    for name in ours['shapes']:  # blocks behind those whose rows are used are not run here
        if name in theirs:
            lines.near(name, theirs[name])
        elif ' ' not in name:  # of a pruned prompt
            lines.line(name, False, 'transformers has no such step')
    return theirs['text.0']


def pruned_prompt(pruned, answered, run, lines):
    """A prompt as a method prunes it: STAR chooses for itself, of the others the kept sets are taken over."""
    name = f"{run['spec']} {run['mode']}"
    logits, answer = answered
    for place in pruned.scores:
        lines.near(f"{name} scores.{place}", pruned.scores[place])
        lines.equal(f"{name} kept.{place}", list(pruned.kept[place]), run['kept'][place])
    lines.near(f'{name} logits', logits)
    lines.equal(f'{name} answer', answer, run['answer'])


def compared(folder, ours_folder):
    """Prints a checkpoint's lines; how many of its steps differ."""
    ours = json.load(open(ours_folder + '/referee.json'))
    lines = Lines(ours, ours_folder)
    print(f"{folder} and {' '.join(ours['pictures'])}: {ours['device']}")
    ids = Tokenizer.from_file(folder + '/tokenizer.json').encode(ours['text']).ids
    lines.equal('ids', ids, ours['ids'])
    family = families.load(folder)
    family.enter([ImageOps.exif_transpose(Image.open(f)).convert('RGB') for f in ours['pictures']])
    record = steps.Record(family)
    full, spans = steps.expanded(family, ids, len(ours['pictures']))
    with torch.no_grad():
        rows = whole_prompt(family, record, full, ours, lines)
        lines.equal('answer', steps.answer(family, full, len(ours['answer']), 1.0), ours['answer'])
        if len(ours['answer']) > 1:  # the first token did not end it
            lines.equal('next', record.positions[2].flatten().unique().tolist(), [ours['next']])
        lines.equal('penalized', steps.answer(family, full, len(ours['penalized']), ours['penalty']), ours['penalized'])
        for compact, mask in zip(ours['pruned'][::2], ours['pruned'][1::2]):
            lines.equal(f"{compact['spec']} kept", list(compact['kept'].values()), list(mask['kept'].values()))
            pruned = steps.Pruned(family, record, spans, rows, compact)
            answered = pruned.answer(len(compact['answer']))
            pruned_prompt(pruned, answered, compact, lines)
            pruned_prompt(pruned, answered, mask, lines)
    return lines.bad


def main():
    torch.set_num_threads(1)
    print(f'transformers {transformers.__version__}, torch {torch.__version__}')
    runs = sys.argv[1:]
    bad = [compared(*run) for run in zip(runs[::2], runs[1::2])]
    sys.exit(1 if any(bad) else 0)


main()
