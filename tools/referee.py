#!/usr/bin/env python3
"""The LLaVA of transformers beside ours, step by step: ids, pixels, rows behind every block, logits, greedy answer.

    referee.py MODEL OURS     OURS: what the test program starling.model.Referee wrote of the same checkpoint

Both in float32. Prints a line per step; exit 1 if one differs. The bound is relative to the largest value of a step.
"""
import json
import sys

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps
from tokenizers import Tokenizer
from transformers import CLIPImageProcessor, LlavaForConditionalGeneration

# Sums of some hundred products in another order, through at most some ten blocks: 1e-6 on a CPU. A GPU's exponential is
# right to 2 ulp.
BOUND = 1e-5
# An 8-bit level is 0.015 apart after normalising: resizing must give the same level.
PIXEL = 1e-5


def hooked(model, tower_blocks, decoder_blocks):
    """What enters the first block of a list and leaves each of them, by call."""
    seen = {'vision': [], 'text': []}

    def first(rows):
        return (rows[0] if isinstance(rows, tuple) else rows).detach().clone()

    for name, blocks in (('vision', tower_blocks), ('text', decoder_blocks)):
        blocks[0].register_forward_pre_hook(
            lambda _, args, kwargs, n=name: seen[n].append(first(args[0] if args else kwargs['hidden_states'])), with_kwargs=True)
        for block in blocks:
            block.register_forward_hook(lambda _, args, out, n=name: seen[n].append(first(out)))
    return seen


def blocks_of(model, part):
    """The longest module list whose name holds `part`."""
    lists = [(len(m), m) for n, m in model.named_modules()
             if part in n and isinstance(m, torch.nn.ModuleList) and n.endswith('layers')]
    return max(lists, key=lambda found: found[0])[1]


def theirs(folder, text, pictures, tokens):
    model, info = LlavaForConditionalGeneration.from_pretrained(folder, attn_implementation='eager', output_loading_info=True)
    if info['missing_keys']:
        sys.exit(f"referee: transformers found no {sorted(info['missing_keys'])[0]} in {folder}")
    model.float().eval()  # exact, whatever type the weights are stored in
    tower, decoder = blocks_of(model, 'vision_tower'), blocks_of(model, 'language_model')
    seen = hooked(model, tower, decoder)
    ids = Tokenizer.from_file(folder + '/tokenizer.json').encode(text).ids
    steps = {}
    processor = CLIPImageProcessor.from_pretrained(folder)
    pixels = []
    for i, file in enumerate(pictures):
        picture = ImageOps.exif_transpose(Image.open(file)).convert('RGB')
        one = processor(images=picture, return_tensors='pt')['pixel_values']
        pixels.append(one)
        steps[f'pixels.{i}'] = one[0]
    config = model.config
    patches = (config.vision_config.image_size // config.vision_config.patch_size) ** 2
    per_picture = patches + (config.vision_feature_select_strategy == 'full')
    image_token = config.image_token_id if hasattr(config, 'image_token_id') else config.image_token_index
    expanded = [x for i in ids for x in ([i] * (per_picture if i == image_token else 1))]
    inputs = dict(input_ids=torch.tensor([expanded]), pixel_values=torch.cat(pixels))
    inputs['attention_mask'] = torch.ones_like(inputs['input_ids'])
    with torch.no_grad():
        logits = model(**inputs).logits[0, -1]
        for b, rows in enumerate(seen['vision'][:len(tower) + 1]):
            for i in range(len(pictures)):
                steps[f'vision.{i}.{b}'] = rows[i]
        for b, rows in enumerate(seen['text'][:len(decoder) + 1]):
            steps[f'text.{b}'] = rows[0]
        steps['logits'] = logits
        answer = model.generate(**inputs, do_sample=False, max_new_tokens=tokens)[0].tolist()
    if answer[:len(expanded)] == expanded:
        answer = answer[len(expanded):]
    return ids, {k: v.float().numpy() for k, v in steps.items()}, answer


def main():
    folder, ours_folder = sys.argv[1:]
    ours = json.load(open(ours_folder + '/referee.json'))
    ids, steps, answer = theirs(folder, ours['text'], ours['pictures'], len(ours['answer']))
    bad = 0
    print(f"{folder}: transformers {transformers.__version__}, torch {torch.__version__}; {ours['device']}")

    def line(name, ok, what):
        nonlocal bad
        bad += not ok
        print(f"{name:<12} {'same' if ok else 'DIFFERS':<8} {what}")

    line('ids', ids == ours['ids'], f'{len(ids)} ids' if ids == ours['ids'] else f'{ids} and ours {ours["ids"]}')
    for name, shape in ours['shapes'].items():
        if name not in steps:
            line(name, False, 'transformers has no such step')
            continue
        a, b = steps[name], np.fromfile(f'{ours_folder}/{name}.f32', '<f4').reshape(shape)
        if a.shape != b.shape:
            line(name, False, f'shapes {a.shape} and ours {b.shape}')
            continue
        apart = float(np.abs(a - b).max()) / (1 if name.startswith('pixels') else float(np.abs(a).max()))
        line(name, apart <= (PIXEL if name.startswith('pixels') else BOUND),  # NaN differs
             f"{apart:.1e} {'apart' if name.startswith('pixels') else 'of the largest'}, {'x'.join(map(str, shape))}")
    line('answer', answer == ours['answer'], f'{answer}' if answer == ours['answer'] else f'{answer} and ours {ours["answer"]}')
    sys.exit(1 if bad else 0)


main()
