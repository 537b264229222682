"""Tiny random LLaVA-NeXT checkpoints, and what transformers makes of them.

    python make_next_goldens.py ../resources/starling

Needs torch and transformers 5.18. Writes next-llama/ and next-mistral/, each with config.json,
generation_config.json, preprocessor_config.json, model.safetensors and golden.json: for three sizes of an image its pixels
(random; float32, little-endian, base64), the last row's logits of the prompt `1 5 IMAGE 6 7 8` and
five greedy tokens; and, with newlines as candidates and without, what FastV keeps behind the first
layer, and the logits with only these rows in the second. Biases and norms are moved off 0 and 1, so
that one left out is seen. Of next-saved-by-4.57.6/, which is there already, only golden.json is
written: one size, without pixels, which are those of next-llama.
"""
import base64
import json
import os
import sys

import torch
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil as Processor

TILE, PATCH, IMAGE = 28, 7, 70
SIZES = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
TOWER = dict(model_type='clip_vision_model', hidden_size=16, intermediate_size=24, num_hidden_layers=3,
             num_attention_heads=2, image_size=TILE, patch_size=PATCH, projection_dim=8)
SHARED = dict(intermediate_size=40, num_hidden_layers=2, vocab_size=72, max_position_embeddings=512, rms_norm_eps=1e-5)
TEXT = {
    'llama': dict(model_type='llama', hidden_size=24, num_attention_heads=3, num_key_value_heads=3, **SHARED),
    'mistral': dict(model_type='mistral', hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
                    rope_theta=1e6, sliding_window=None, **SHARED),
}


def best(h, w):
    def worth(size):
        scale = min(size[1] / w, size[0] / h)
        used = min(int(w * scale) * int(h * scale), w * h)
        return used, used - size[0] * size[1]
    return max(SIZES, key=worth)  # the first of equal ones


def rows(h, w):
    side = TILE // PATCH
    height, width = (s // PATCH for s in best(h, w))
    if w / h > width / height:
        height -= (height - int(round(h * (width / w), 7))) // 2 * 2
    else:
        width -= (width - int(round(w * (height / h), 7))) // 2 * 2
    return side * side + height * (width + 1)


def model(kind):
    torch.manual_seed(3)
    config = LlavaNextConfig(vision_config=dict(TOWER), text_config=dict(TEXT[kind]), image_token_index=IMAGE,
                             image_grid_pinpoints=SIZES)
    net = LlavaNextForConditionalGeneration(config).eval().float()
    net.set_attn_implementation('eager')
    with torch.no_grad():
        for p in net.parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.1)
            else:
                p.mul_(3)
    return net


def newlines(h, w):
    """Of the image's rows, those that end a row of the grid."""
    side = TILE // PATCH
    height, width = (s // PATCH for s in best(h, w))
    inside = width if w / h > width / height else width - (width - int(round(w * (height / h), 7))) // 2 * 2
    return [r for r in range(side * side, rows(h, w)) if (r - side * side) % (inside + 1) == inside]


def pruned(net, inputs, h, w, count, compete):
    """FastV with K=1: candidates by the attention of the last row in layer 0, then layer 1 on those."""
    n = rows(h, w)
    candidates = [r for r in range(n) if compete or r not in newlines(h, w)]
    with torch.no_grad():
        out = net(**inputs, output_hidden_states=True, output_attentions=True)
        received = out.attentions[0][0].mean(0)[-1]
        order = sorted(range(len(candidates)), key=lambda c: (-float(received[2 + candidates[c]]), c))
        kept = sorted(order[:count])
        gone = {2 + r for c, r in enumerate(candidates) if c not in kept}
        stay = torch.tensor([r for r in range(n + 5) if r not in gone])
        decoder = net.model.language_model
        x = out.hidden_states[1][:, stay]
        angles = decoder.rotary_emb(x, stay[None])
        mask = torch.full((len(stay), len(stay)), float('-inf')).triu(1)[None, None]
        x = decoder.layers[1](x, attention_mask=mask, position_ids=stay[None], position_embeddings=angles)
        logits = net.lm_head(decoder.norm(x if torch.is_tensor(x) else x[0]))[0, -1]
    return dict(compete=compete, kept=kept, logits=[float(v) for v in logits])


def golden(net, h, w, pixels=None):
    height, width = best(h, w)
    if pixels is None:
        pixels = torch.randn(1, 1 + height * width // TILE ** 2, 3, TILE, TILE)
    ids = torch.tensor([[1, 5] + [IMAGE] * rows(h, w) + [6, 7, 8]])
    inputs = dict(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
                  image_sizes=torch.tensor([[h, w]]))
    with torch.no_grad():
        logits = net(**inputs).logits[0, -1]
        drawn = net.generate(**inputs, max_new_tokens=5, do_sample=False, pad_token_id=0, eos_token_id=[71])
    cuts = [pruned(net, inputs, h, w, 9, compete) for compete in (False, True)]
    return dict(height=h, width=w, pixels=base64.b64encode(pixels[0].numpy().astype('<f4').tobytes()).decode(),
                logits=[float(x) for x in logits], ids=[int(x) for x in drawn[0, ids.shape[1]:]], pruned=cuts)


def older(folder):
    """A checkpoint that transformers 4.57.6 wrote, with the first image of next-llama."""
    with open(os.path.join(folder, 'next-llama', 'golden.json')) as file:
        case = json.load(file)[0]
    saved = os.path.join(folder, 'next-saved-by-4.57.6')
    net = LlavaNextForConditionalGeneration.from_pretrained(saved, dtype=torch.float32).eval()
    net.set_attn_implementation('eager')
    pixels = torch.frombuffer(bytearray(base64.b64decode(case['pixels'])), dtype=torch.float32)
    own = golden(net, case['height'], case['width'], pixels.reshape(1, -1, 3, TILE, TILE))
    del own['pixels']
    with open(os.path.join(saved, 'golden.json'), 'w') as out:
        json.dump([own], out, indent=1)
        out.write('\n')


if __name__ == '__main__':
    torch.set_num_threads(1)
    for kind in TEXT:
        folder = os.path.join(sys.argv[1], 'next-' + kind)
        net = model(kind)
        cases = [golden(net, h, w) for h, w in ((28, 28), (40, 53), (90, 17))]
        net.save_pretrained(folder)
        Processor(size=dict(shortest_edge=TILE), crop_size=dict(height=TILE, width=TILE),
                  image_grid_pinpoints=SIZES).save_pretrained(folder)
        with open(os.path.join(folder, 'golden.json'), 'w') as out:
            json.dump(cases, out, indent=1)
            out.write('\n')
    older(sys.argv[1])
