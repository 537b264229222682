"""Small random Qwen2.5-VL checkpoints, and what transformers makes of images with them.

    python3 make_qwen_goldens.py

writes ../resources/starling/model/qwen-{free,tied}/, and beside the checkpoint in qwen-saved457/, which transformers
4.57.6 saved from a random model with tied heads, what 5.18 reads there. transformers 5.18.0, torch 2.13.0 and Pillow made the committed
files, in float32 with eager attention on one thread. Nothing is shared with the Java code: pixels are those of
Qwen2VLImageProcessorPil, rows, logits and answers those of Qwen2_5_VLForConditionalGeneration, scores come from its own
attention maps, and pruned prompts go through its decoder layers with rows left out and positions kept.
"""
import json, os, sys
import numpy as np
import torch
import transformers
from PIL import Image
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration as Net
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as code
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil as Processor

torch.set_num_threads(1)
PAD, START, END = 90, 91, 92
VISION = dict(depth=4, hidden_size=32, intermediate_size=44, num_heads=2, in_channels=3, patch_size=14,
              spatial_merge_size=2, temporal_patch_size=2, tokens_per_second=2, window_size=112, out_hidden_size=48,
              fullatt_block_indexes=[1, 3], hidden_act='silu')
TEXT = dict(hidden_size=48, intermediate_size=64, num_hidden_layers=4, num_attention_heads=3, num_key_value_heads=1,
            vocab_size=96, max_position_embeddings=512, rms_norm_eps=1e-6, rope_theta=1e6,
            rope_scaling=dict(type='mrope', mrope_section=[2, 3, 3]), bos_token_id=93, eos_token_id=94,
            hidden_act='silu', use_sliding_window=False, sliding_window=32768, max_window_layers=2)
PREPARE = dict(min_pixels=3136, max_pixels=50176, patch_size=14, temporal_patch_size=2, merge_size=2)
CASES = [([(56, 56, 1)], [1, 2, START, PAD, END, 5, 6, 7]),
         ([(150, 190, 2)], [1, 2, START, PAD, END, 5, 6, 7]),
         ([(28, 250, 3)], [3, START, PAD, END, 8, 9]),
         ([(300, 411, 4)], [1, START, PAD, END, 5, 6]),
         ([(100, 130, 5), (200, 60, 6)], [1, START, PAD, END, 5, START, PAD, END, 7, 8])]
R, K, P = 0.3, 2, 0.7
recorded = None
eager = code.eager_attention_forward


def recording(*args, **kw):
    out, weights = eager(*args, **kw)
    if recorded is not None:
        recorded.append(weights[0])
    return out, weights


code.eager_attention_forward = recording


def noise(h, w, seed):
    out, s = bytearray(3 * h * w), seed
    for i in range(len(out)):
        s = (s * 1103515245 + 12345) & 0x7fffffff
        out[i] = s >> 16 & 255
    return Image.fromarray(np.frombuffer(bytes(out), np.uint8).reshape(h, w, 3))


def make(tie, seed):
    torch.manual_seed(seed)
    c = Qwen2_5_VLConfig(vision_config=dict(VISION), text_config=dict(TEXT), image_token_id=PAD,
                         vision_start_token_id=START, vision_end_token_id=END, video_token_id=95, tie_word_embeddings=tie)
    c._attn_implementation = 'eager'
    net = Net(c).eval().float()
    with torch.no_grad():
        for name, p in net.named_parameters():  # biases and norms off their neutral values, so that a missing one is seen
            if p.ndim == 1:
                p.copy_(torch.randn_like(p) * 0.2 + (1 if 'norm' in name or 'ln_q' in name else 0))
            else:
                p.mul_(5)
            p.copy_(p.bfloat16().float())
    return net


def pixels(rows, h, w):
    """[3, H, W] of rows of patches in cells; both frames must be the same"""
    x = rows.reshape(h // 2, w // 2, 2, 2, 3, 2, 14, 14)
    assert np.array_equal(x[..., 0, :, :], x[..., 1, :, :])
    return x[..., 0, :, :].transpose(4, 0, 2, 5, 1, 3, 6).reshape(3, h * 14, w * 14)


def windows(h, w, side=4):
    """cells in the tower's order"""
    h, w = h // 2, w // 2
    return [a * w + b for y in range(0, h, side) for x in range(0, w, side)
            for a in range(y, min(y + side, h)) for b in range(x, min(x + side, w))]


def best(score, k):
    return sorted(sorted(range(len(score)), key=lambda j: (-score[j], j))[:k])


def layers(net, x, pos, where):
    """Decoder layers over rows; where(l, x, pos, weights) may leave rows out behind layer l. Logits of the last row."""
    global recorded
    lm = net.model.language_model
    for l, layer in enumerate(lm.layers):
        n = len(x)
        mask = torch.full((n, n), float('-inf')).triu(1)[None, None]
        recorded = []
        x = layer(x[None], attention_mask=mask, position_embeddings=lm.rotary_emb(x[None], pos[:, None]))
        x = (x[0] if isinstance(x, tuple) else x)[0]
        weights, recorded = recorded[0], None
        keep = where(l, n, weights)
        x, pos = x[keep], pos[:, keep]
    return net.lm_head(lm.norm(x))[-1]


def pruned(net, x, pos, delta_end, images, text, stage1, layer, choose, count=4):
    """Stage 1 leaves rows out before the decoder, stage 2 behind `layer` layers. Greedy answer, the whole sequence anew
    for every token."""
    kept, tokens, first = None, [], None
    rows = [i for i in range(len(x)) if not any(a <= i < b for a, b in images)]
    left = [sorted(a + j for j in s) for (a, b), s in zip(images, stage1)]
    rows = sorted(rows + [i for l in left for i in l])
    chosen = {}

    def where(l, n, weights):
        if l != layer - 1:
            return list(range(n))
        if not chosen:
            chosen['kept'] = choose(weights, rows, left)
        gone = {i for s, k in zip(left, chosen['kept']) for i in s if i not in k}
        now = rows + list(range(len(x), len(x) + len(tokens)))
        return [j for j, i in enumerate(now) if i not in gone]

    for t in range(count):
        more = net.model.language_model.embed_tokens(torch.tensor(tokens, dtype=torch.long))
        xs = torch.cat([x[rows], more])
        ps = torch.cat([pos[:, rows], (delta_end + torch.arange(len(tokens)))[None].expand(3, -1)], 1)
        logits = layers(net, xs, ps, where)
        first = logits if first is None else first
        tokens.append(int(logits.argmax()))
    return chosen.get('kept'), first, tokens


def numbers(t):
    return [float('%.8g' % v) for v in np.asarray(t, np.float64).reshape(-1)]


def case(net, sizes, ids):
    global recorded
    processor = Processor(size=dict(shortest_edge=PREPARE['min_pixels'], longest_edge=PREPARE['max_pixels']))
    prepared = processor([noise(*s) for s in sizes], return_tensors='np')
    rows, grids = prepared['pixel_values'].astype(np.float32), prepared['image_grid_thw'].tolist()
    cells = [h * w // 4 for _, h, w in grids]
    full, spans, image = [], [], 0
    for i in ids:
        if i == PAD:
            spans.append((len(full), len(full) + cells[image]))
            full += [PAD] * cells[image]
            image += 1
        else:
            full.append(i)
    tokens = torch.tensor([full])
    kw = dict(input_ids=tokens, attention_mask=torch.ones_like(tokens), pixel_values=torch.tensor(rows),
              image_grid_thw=torch.tensor(grids), mm_token_type_ids=(tokens == PAD).int())
    recorded = []
    merged = net.model.visual(torch.tensor(rows), grid_thw=torch.tensor(grids))
    maps, recorded = recorded[-len(grids):], None  # the last block attends to each whole image
    merged = getattr(merged, 'pooler_output', merged)
    scores = []
    for (_, h, w), a in zip(grids, maps):
        assert a.shape[-1] == h * w
        by_cell = a.mean(0).mean(0).reshape(-1, 4).mean(1)
        score = torch.empty_like(by_cell)
        score[windows(h, w)] = by_cell
        scores.append(score)
    pos, delta = net.model.get_rope_index(tokens, image_grid_thw=torch.tensor(grids), mm_token_type_ids=kw['mm_token_type_ids'])
    pos, end = pos[:, 0], len(full) + int(delta)
    logits = net(**kw).logits[0, -1]
    answers = [net.generate(**kw, max_new_tokens=6, do_sample=False, repetition_penalty=p, pad_token_id=0,
                            eos_token_id=[95]).numpy()[0, len(full):].tolist() for p in (1.0, 1.3)]
    x = net.model.language_model.embed_tokens(tokens[0]).clone()
    at = 0
    for (a, b), n in zip(spans, cells):
        x[a:b] = merged[at:at + n]
        at += n
    last = spans[-1][1]

    def received(query):
        def choose(weights, rows, left):
            index = {r: j for j, r in enumerate(rows)}
            q = [index[r] for r in rows if r >= last] if query == 'text' else [len(rows) - 1]
            mean = weights[:, q].mean((0, 1))
            out = []
            for (a, b), l in zip(spans, left):
                k = int(np.floor((1 - P) * (b - a) + 0.5))
                out.append({l[j] for j in best([float(mean[index[r]]) for r in l], k)})
            return out
        return choose

    first = [best(s.tolist(), int(np.floor((1 - R) * len(s) + 0.5))) for s in scores]
    out = []
    for name, stage1, query in (('star', first, 'text'), ('fastv', [list(range(n)) for n in cells], 'last')):
        kept, row, answer = pruned(net, x, pos, end, spans, last, stage1, K, received(query))
        out.append(dict(method=name, stage1=stage1, stage2=[sorted(i - a for i in k) for (a, _), k in zip(spans, kept)],
                        logits=numbers(row), answer=answer))
    check = pruned(net, x, pos, end, spans, last, [list(range(n)) for n in cells], 99, None)
    assert (check[1] - logits).abs().max() < 1e-4 and check[2] == answers[0][:4], (check, logits, answers)
    at, images = 0, []
    for s, (_, h, w), score, n in zip(sizes, grids, scores, cells):
        flat = pixels(rows[4 * at:4 * (at + n)], h, w).reshape(-1)
        images.append(dict(size=s[:2], seed=s[2], grid=[h, w], pixels=[float(v) for v in flat[::503]],
                           scores=numbers(score), merged=numbers(merged[at:at + n, ::5])))
        at += n
    return dict(ids=ids, images=images, positions=pos.tolist(), next=end, logits=numbers(logits), greedy=answers[0],
                penalized=answers[1], pruned=out)


def write(folder, net, cases):
    with torch.no_grad():
        cases = [case(net, *c) for c in cases]
    json.dump(dict(transformers=transformers.__version__, spec=dict(R=R, K=K, P=P), cases=cases),
              open(folder + '/golden.json', 'w'), separators=(',', ':'))
    json.dump(dict(PREPARE, image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711],
                   image_processor_type='Qwen2VLImageProcessor'), open(folder + '/preprocessor_config.json', 'w'), indent=1)
    print(folder, [[i['grid'] for i in c['images']] for c in cases], [c['greedy'] for c in cases], [c['penalized'] for c in cases])


here = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../resources/starling/model')
for tie in (False, True):
    net = make(tie, 11 + tie)
    folder = os.path.join(here, 'qwen-tied' if tie else 'qwen-free')
    os.makedirs(folder, exist_ok=True)
    write(folder, net, CASES[1:3] if tie else CASES)
    net.bfloat16().save_pretrained(folder)
    os.chmod(folder + '/model.safetensors', 0o644)
    if os.path.exists(folder + '/generation_config.json'):
        os.remove(folder + '/generation_config.json')
saved = os.path.join(here, 'qwen-saved457')
write(saved, Net.from_pretrained(saved, attn_implementation='eager').eval().float(), CASES[1:2])
