"""Small random LLaVA checkpoints in every naming, and what an independent float64 forward pass makes of them.

    python3 make_model_goldens.py RESOURCES      RESOURCES = src/demo/resources/starling/demo (pictures, tokenizer)

writes ../resources/starling/model/NAME/. Debian's python3-torch 1.13, python3-numpy and python3-pil 9.4 made the
committed files. Written apart from the Java code, from the papers' definitions; nothing is shared with it.
"""
import json, math, os, struct, sys
import numpy as np
import torch
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../../tools/tiny-model'))
from tok import Tok  # the small tokenizer of the demo model's trainer

demo = sys.argv[1]
here = os.path.dirname(os.path.abspath(__file__))
tok = Tok(json.load(open(demo + '/model/tokenizer.json')))
IMAGE = 501
torch.set_default_dtype(torch.float64)


# ---- checkpoints ----------------------------------------------------------------------------------------------------

def make(name, seed, config, dtype, naming, shards):
    """config: merged sizes; naming: (vision, projector, decoder, head) prefixes"""
    g = torch.Generator().manual_seed(seed)
    t, v = config['text_config'], config['vision_config']
    w = {}

    def put(key, *shape, scale=None, mean=0.0):
        scale = 1 / math.sqrt(shape[-1]) if scale is None else scale
        w[key] = torch.randn(*shape, generator=g) * scale + mean

    d, m, p = v['hidden_size'], v['intermediate_size'], v['patch_size']
    n = (v['image_size'] // p) ** 2
    V, P, D, head = naming
    put(V + 'embeddings.class_embedding', d, scale=1)
    put(V + 'embeddings.patch_embedding.weight', d, 3, p, p, scale=1 / math.sqrt(3 * p * p))
    put(V + 'embeddings.position_embedding.weight', n + 1, d, scale=0.5)
    put(V + 'pre_layrnorm.weight', d, scale=0.1, mean=1.0)
    put(V + 'pre_layrnorm.bias', d, scale=0.1)
    put(V + 'post_layernorm.weight', d, scale=5)  # never used
    put(V + 'post_layernorm.bias', d, scale=5)
    for b in range(v['num_hidden_layers']):
        q = V + 'encoder.layers.%d.' % b
        for k in ('layer_norm1', 'layer_norm2'):
            put(q + k + '.weight', d, scale=0.1, mean=1.0)
            put(q + k + '.bias', d, scale=0.1)
        for k in ('q_proj', 'k_proj', 'v_proj', 'out_proj'):
            put(q + 'self_attn.' + k + '.weight', d, d, scale=1.6 / math.sqrt(d) if k in ('q_proj', 'k_proj') else None)
            put(q + 'self_attn.' + k + '.bias', d, scale=0.1)
        put(q + 'mlp.fc1.weight', m, d)
        put(q + 'mlp.fc1.bias', m, scale=0.1)
        put(q + 'mlp.fc2.weight', d, m)
        put(q + 'mlp.fc2.bias', d, scale=0.1)
    D2, f, hd = t['hidden_size'], t['intermediate_size'], t.get('head_dim', t['hidden_size'] // t['num_attention_heads'])
    H, Hkv = t['num_attention_heads'], t.get('num_key_value_heads', t['num_attention_heads'])
    put(P + 'linear_1.weight', D2, d)
    put(P + 'linear_2.weight', D2, D2)
    if config.get('multimodal_projector_bias', True):
        put(P + 'linear_1.bias', D2, scale=0.1)
        put(P + 'linear_2.bias', D2, scale=0.1)
    put(D + 'embed_tokens.weight', t['vocab_size'], D2, scale=0.5)
    put(D + 'norm.weight', D2, scale=0.1, mean=1.0)
    if not config.get('tie_word_embeddings', False):
        put(head, t['vocab_size'], D2, scale=1.5 / math.sqrt(D2))
    for l in range(t['num_hidden_layers']):
        q = D + 'layers.%d.' % l
        put(q + 'input_layernorm.weight', D2, scale=0.1, mean=1.0)
        put(q + 'post_attention_layernorm.weight', D2, scale=0.1, mean=1.0)
        put(q + 'self_attn.q_proj.weight', H * hd, D2, scale=1.6 / math.sqrt(D2))
        put(q + 'self_attn.k_proj.weight', Hkv * hd, D2, scale=1.6 / math.sqrt(D2))
        put(q + 'self_attn.v_proj.weight', Hkv * hd, D2)
        put(q + 'self_attn.o_proj.weight', D2, H * hd)
        if t.get('attention_bias'):
            for k, o in (('q', H * hd), ('k', Hkv * hd), ('v', Hkv * hd), ('o', D2)):
                put(q + 'self_attn.%s_proj.bias' % k, o, scale=0.1)
        put(q + 'mlp.gate_proj.weight', f, D2)
        put(q + 'mlp.up_proj.weight', f, D2)
        put(q + 'mlp.down_proj.weight', D2, f)
    out = os.path.join(here, '../resources/starling/model', name)
    os.makedirs(out, exist_ok=True)
    stored = {}
    for k, x in w.items():
        x = x.to({'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16}[dtype])
        raw = x.view(torch.int16).numpy() if dtype == 'BF16' else x.numpy()
        stored[k] = (dtype, list(x.shape), raw.tobytes())
        w[k] = x.double()
    keys = sorted(stored)
    parts = [keys[i::shards] for i in range(shards)]
    names = ['model.safetensors'] if shards == 1 else ['model-%05d-of-%05d.safetensors' % (i + 1, shards) for i in range(shards)]
    for file, part in zip(names, parts):
        header, at = {}, 0
        for k in part:
            dt, shape, raw = stored[k]
            header[k] = {'dtype': dt, 'shape': shape, 'data_offsets': [at, at + len(raw)]}
            at += len(raw)
        h = json.dumps(header).encode()
        with open(os.path.join(out, file), 'wb') as o:
            o.write(struct.pack('<Q', len(h)) + h + b''.join(stored[k][2] for k in part))
    if shards > 1:
        index = {k: file for file, part in zip(names, parts) for k in part}
        json.dump({'metadata': {}, 'weight_map': index}, open(out + '/model.safetensors.index.json', 'w'))
    json.dump(config, open(out + '/config.json', 'w'), indent=1)
    size = v['image_size']
    json.dump({'crop_size': {'height': size, 'width': size}, 'size': {'shortest_edge': size}, 'resample': 3,
               'do_resize': True, 'do_center_crop': True, 'do_rescale': True, 'do_normalize': True,
               'image_mean': [0.48145466, 0.4578275, 0.40821073], 'image_std': [0.26862954, 0.26130258, 0.27577711],
               'rescale_factor': 1 / 255, 'image_processor_type': 'CLIPImageProcessor'}, open(out + '/preprocessor_config.json', 'w'), indent=1)
    return out, Net(config, w, naming)


# ---- the forward pass ---------------------------------------------------------------------------------------------------

def nearest(x):
    return math.floor(x + 0.5)


def top(score, k):
    """the k best, ties to the lowest index, ascending; and the margin at the cut"""
    order = sorted(range(len(score)), key=lambda i: (-score[i], i))
    margin = math.inf if k == len(order) else float(score[order[k - 1]] - score[order[k]])
    return sorted(order[:k]), margin


def vispruner(cls, features, keep, ratio):
    important = int(keep * ratio)
    order = sorted(range(len(cls)), key=lambda i: (-cls[i], i))
    chosen, rest = order[:important], order[important:]
    u = features / features.norm(dim=1, keepdim=True)
    while True:
        r = min(8, len(rest) - (keep - important))
        if r <= 0:
            break
        a, b = rest[0::2], rest[1::2]
        near = (u[a] @ u[b].T).max(1).values.tolist() if b else [-math.inf] * len(a)
        ranked = sorted(range(len(a)), key=lambda i: (-near[i], i))
        rest = [a[i] for i in ranked[min(r, len(a)):]] + b
    return sorted(chosen + rest)


class Net:
    def __init__(s, config, w, naming):
        s.c, s.t, s.v, s.w = config, config['text_config'], config['vision_config'], w
        s.V, s.P, s.D, s.head = naming
        s.n = (s.v['image_size'] // s.v['patch_size']) ** 2
        layer = config.get('vision_feature_layer', -2)
        s.blocks = layer if layer >= 0 else layer + s.v['num_hidden_layers'] + 1
        s.full = config.get('vision_feature_select_strategy', 'default') == 'full'
        s.H = s.t['num_attention_heads']
        s.Hkv = s.t.get('num_key_value_heads', s.H)
        s.hd = s.t.get('head_dim', s.t['hidden_size'] // s.H)
        s.theta = s.t.get('rope_theta', s.t.get('rope_parameters', {}).get('rope_theta', 10000.0))

    def lin(s, x, name):
        y = x @ s.w[name + '.weight'].T
        return y + s.w[name + '.bias'] if name + '.bias' in s.w else y

    def pixels(s, file):
        im = Image.open(file).convert('RGB')
        size = s.v['image_size']
        w, h = im.size
        w, h = (size, int(size * h / w)) if w <= h else (int(size * w / h), size)
        im = im.resize((w, h), Image.BICUBIC)
        x, y = (w - size) // 2, (h - size) // 2
        a = np.asarray(im.crop((x, y, x + size, y + size)), dtype=np.float64) / 255
        a = (a - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
        return torch.from_numpy(a).permute(2, 0, 1)

    def tower(s, px):
        """-> rows of the feature [n+1, d], attention of its block [heads, n+1, n+1]"""
        v, V, p = s.v, s.V, s.v['patch_size']
        d, heads = v['hidden_size'], v['num_attention_heads']
        g = v['image_size'] // p
        patches = px[:, : g * p, : g * p].reshape(3, g, p, g, p).permute(1, 3, 0, 2, 4).reshape(g * g, -1)
        x = patches @ s.w[V + 'embeddings.patch_embedding.weight'].reshape(d, -1).T
        x = torch.cat([s.w[V + 'embeddings.class_embedding'][None], x]) + s.w[V + 'embeddings.position_embedding.weight']

        def ln(x, name):
            mu, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
            return (x - mu) / torch.sqrt(var + v.get('layer_norm_eps', 1e-5)) * s.w[name + '.weight'] + s.w[name + '.bias']

        x = ln(x, V + 'pre_layrnorm')
        A = None
        for b in range(s.blocks):
            q = V + 'encoder.layers.%d.' % b
            h = ln(x, q + 'layer_norm1')
            Q, K, U = (s.lin(h, q + 'self_attn.' + k).reshape(-1, heads, d // heads).transpose(0, 1) for k in ('q_proj', 'k_proj', 'v_proj'))
            A = torch.softmax(Q @ K.transpose(1, 2) / math.sqrt(d // heads), -1)
            x = x + s.lin((A @ U).transpose(0, 1).reshape(-1, d), q + 'self_attn.out_proj')
            h = s.lin(ln(x, q + 'layer_norm2'), q + 'mlp.fc1')
            h = h * torch.sigmoid(1.702 * h) if v.get('hidden_act', 'quick_gelu') == 'quick_gelu' else h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
            x = x + s.lin(h, q + 'mlp.fc2')
        return x, A

    def project(s, x):
        h = s.lin(x, s.P + 'linear_1')
        return s.lin(h * 0.5 * (1 + torch.erf(h / math.sqrt(2))), s.P + 'linear_2')

    def rms(s, x, name):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + s.t.get('rms_norm_eps', 1e-6)) * s.w[name + '.weight']

    def rotate(s, x, pos):
        f = s.theta ** (-torch.arange(0, s.hd, 2) / s.hd)
        a = pos[:, None].double() * f[None]
        c, n = torch.cos(a)[:, None], torch.sin(a)[:, None]
        u, v = x[..., : s.hd // 2], x[..., s.hd // 2 :]
        return torch.cat([u * c - v * n, v * c + u * n], -1)

    def decoder(s, x, pos, extra, spans, text, cut, gone):
        """x [T,D] rows of the prompt and then `extra` generated ones. cut: None or (K, counts, queries, rule).
        gone: rows of the prompt that generated ones do not find in the caches of the layers below K (kv=compact).
        -> logits of all rows, rows per layer, kept per picture, scores per picture, margins"""
        T = len(x) - extra
        rows, kept, scores, margins = [], None, None, None
        gpos = None
        for l in range(s.t['num_hidden_layers']):
            q = s.D + 'layers.%d.' % l
            rows.append(T)
            h = s.rms(x, q + 'input_layernorm')
            Q = s.rotate(s.lin(h, q + 'self_attn.q_proj').reshape(len(x), s.H, s.hd), pos).transpose(0, 1)
            K = s.rotate(s.lin(h, q + 'self_attn.k_proj').reshape(len(x), s.Hkv, s.hd), pos).transpose(0, 1)
            U = s.lin(h, q + 'self_attn.v_proj').reshape(len(x), s.Hkv, s.hd).transpose(0, 1)
            K, U = (y.repeat_interleave(s.H // s.Hkv, 0) for y in (K, U))
            S = Q @ K.transpose(1, 2) / math.sqrt(s.hd)
            S = S.masked_fill(torch.ones(len(x), len(x), dtype=torch.bool).triu(1), -math.inf)
            if gone and l < cut[0]:
                S[:, T:, gone] = -math.inf
            A = torch.softmax(S, -1)
            x = x + s.lin((A @ U).transpose(0, 1).reshape(len(x), -1), q + 'self_attn.o_proj')
            h = s.rms(x, q + 'post_attention_layernorm')
            gate = s.lin(h, q + 'mlp.gate_proj')
            x = x + s.lin(gate * torch.sigmoid(gate) * s.lin(h, q + 'mlp.up_proj'), q + 'mlp.down_proj')
            if cut and l + 1 == cut[0]:
                _, counts, queries, rule = cut
                at = list(range(text, T)) if queries == 'text' else [T - 1]
                kept, scores, margins, stay, i = [], [], [], [], 0
                for (a, b), k in zip(spans, counts):
                    sc = A[:, at, a:b].mean((0, 1)).tolist()
                    kp, mg = top(sc, k)
                    kept.append(kp)
                    scores.append(sc)
                    margins.append(mg)
                    stay += list(range(i, a)) + [a + j for j in kp]
                    i = b
                stay += list(range(i, len(x)))
                x, pos = x[stay], pos[stay]
                T = len(x) - extra
                if rule == 'compact':
                    pos = torch.arange(len(x))
        return s.rms(x, s.D + 'norm') @ s.w[s.head if s.head in s.w else s.D + 'embed_tokens.weight'].T, rows, kept, scores, margins

    def run(s, prompt, files, spec):
        name, _, options = spec.partition(':')
        o = dict(kv.split('=') for kv in options.split(',')) if options else {}
        known = {'none': '', 'star': 'R K P score queries base round positions kv', 'fastv': 'K keep', 'fastervlm': 'keep', 'vispruner': 'keep important', 'uniform': 'keep'}
        assert set(o) <= set(known[name].split()), spec
        count = lambda: int(o['keep']) if '.' not in o['keep'] else nearest(float(o['keep']) * n)
        ids = tok.encode(prompt)
        L, n = s.t['num_hidden_layers'], s.n
        stages, visual, feature0, projected0, px0 = [], [], None, None, None
        margins = []
        for i, file in enumerate(files):
            px = s.pixels(file)
            x, A = s.tower(px)
            col = lambda r: A[:, r, 1:].mean((0, 1)).tolist()
            keep, score = None, []
            if name == 'star' and float(o.get('R', 0.1)) > 0:
                rows = {'colmean': slice(1, None), 'colmean_cls': slice(0, None), 'cls': slice(0, 1)}[o.get('score', 'colmean')]
                score = col(rows)
                rounding = {'nearest': nearest, 'floor': math.floor, 'ceil': math.ceil}[o.get('round', 'nearest')]
                keep, mg = top(score, rounding((1 - float(o.get('R', 0.1))) * n))
                margins.append(mg)
                where = 'vision'
            elif name == 'fastervlm':
                score = col(slice(0, 1))
                keep, mg = top(score, count())
                margins.append(mg)
                where = 'vision'
            elif name == 'vispruner':
                score = col(slice(0, 1))
                keep = vispruner(score, x[1:], count(), float(o.get('important', 0.5)))
                where = 'projector'
            elif name == 'uniform':
                keep = [int((j + 0.5) * n / count()) for j in range(count())]
                where = 'projector'
            if i == 0:
                feature0, projected0, px0 = x, s.project(x), px
            if keep is not None:
                stages.append({'stage': 1, 'image': i, 'where': where, 'layer': s.blocks, 'kept': keep, 'scores': score})
            rows = [1 + j for j in (keep if keep is not None else range(n))]
            visual.append(s.project(x[([0] if s.full else []) + rows]))
        survivors = [st['kept'] for st in stages] or [list(range(n)) for _ in files]
        seq, spans, i, at = [], [], 0, 0
        E = s.w[s.D + 'embed_tokens.weight']
        for t in ids:
            if t == IMAGE:
                cls = 1 if s.full else 0
                spans.append((at + cls, at + len(visual[i])))
                seq.append(visual[i])
                at += len(visual[i])
                i += 1
            else:
                seq.append(E[t][None])
                at += 1
        x = torch.cat(seq)
        T = len(x)
        text = spans[-1][1] if spans else 0
        cut = None
        if files and name == 'star' and float(o.get('P', 0.95)) > 0:
            rounding = {'nearest': nearest, 'floor': math.floor, 'ceil': math.ceil}[o.get('round', 'nearest')]
            base = [n if o.get('base', 'original') == 'original' else len(k) for k in survivors]
            cut = (int(o.get('K', nearest(14 / 32 * L))), [rounding((1 - float(o.get('P', 0.95))) * b) for b in base], o.get('queries', 'text'), o.get('positions', 'keep'))
        if files and name == 'fastv':
            cut = (int(o.get('K', 2)), [count()] * len(files), 'last', 'keep')
        out, first, gaps, gone = [], None, [], []
        while len(out) < 6:
            extra = [E[t][None] for t in out]
            lg, per_layer, kept, scores, mg = s.decoder(torch.cat([x] + extra), torch.arange(T + len(out)), len(out), spans, text, cut, gone)
            last = lg[-1]
            best = torch.sort(last, descending=True).values
            gaps.append(float(best[0] - best[1]))
            if first is None:
                first, layers0 = last, per_layer
                if kept is not None:
                    margins += mg
                    if o.get('kv') == 'compact':
                        gone = [a + j for (a, b), kp in zip(spans, kept) for j in range(b - a) if j not in kp]
                    for i in range(len(files)):
                        stages.append({'stage': 2, 'image': i, 'where': 'decoder', 'layer': cut[0], 'kept': [survivors[i][j] for j in kept[i]], 'scores': scores[i]})
            out.append(int(last.argmax()))
            if out[-1] in s.eos:
                break
        r = lambda v: [float('%.9g' % y) for y in v]
        case = {'prompt': prompt, 'images': [os.path.basename(f) for f in files], 'spec': spec, 'prompt_tokens': ids, 'tokens_per_layer': layers0,
                'stages': [{**st, 'scores': r(st['scores'])} for st in stages], 'cut_margin': min(margins, default=1), 'greedy_margins': r(gaps),
                'first_logits': r(first.tolist()), 'output_tokens': out}
        if files:
            case['pixels_first8'] = r(px0.flatten()[:8].tolist())
            case['feature_rows'] = {str(k): r(feature0[k, :8].tolist()) for k in (0, 1, n // 2, n)}
            case['projected_rows'] = {str(k): r(projected0[k, :8].tolist()) for k in (1, n)}
        return case


A = ('vision_tower.vision_model.', 'multi_modal_projector.', 'language_model.model.', 'language_model.lm_head.weight')
B = ('model.vision_tower.vision_model.', 'model.multi_modal_projector.', 'model.language_model.', 'lm_head.weight')
C = ('model.vision_tower.', 'model.multi_modal_projector.', 'model.language_model.', 'lm_head.weight')
text = {'model_type': 'llama', 'vocab_size': 503, 'max_position_embeddings': 256, 'rms_norm_eps': 1e-5}
vision = {'model_type': 'clip_vision_model'}
models = [
    ('names436', 1, {'model_type': 'llava', 'image_token_index': IMAGE, 'vision_feature_layer': -2, 'torch_dtype': 'float32', 'eos_token_id': 2,
      'text_config': {**text, 'hidden_size': 48, 'intermediate_size': 64, 'num_hidden_layers': 4, 'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 20, 'rope_theta': 5000.0},
      'vision_config': {**vision, 'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 3, 'num_attention_heads': 2, 'image_size': 30, 'patch_size': 5}}, 'F16', A, 1),
    ('names452', 2, {'model_type': 'llava', 'image_token_id': IMAGE, 'vision_feature_layer': -1, 'dtype': 'bfloat16', 'tie_word_embeddings': True,
      'text_config': {**text, 'hidden_size': 40, 'intermediate_size': 56, 'num_hidden_layers': 3, 'num_attention_heads': 5, 'num_key_value_heads': 1, 'attention_bias': True, 'eos_token_id': 2},
      'vision_config': {**vision, 'hidden_size': 36, 'intermediate_size': 40, 'num_hidden_layers': 2, 'num_attention_heads': 3, 'image_size': 32, 'patch_size': 6, 'hidden_act': 'gelu'}}, 'BF16', B, 2),
    ('names5', 3, {'model_type': 'llava', 'image_token_id': IMAGE, 'vision_feature_layer': 2, 'vision_feature_select_strategy': 'full', 'dtype': 'float32',
      'multimodal_projector_bias': False, 'eos_token_id': [2, 7],
      'text_config': {**text, 'hidden_size': 32, 'intermediate_size': 40, 'num_hidden_layers': 5, 'num_attention_heads': 4, 'rope_parameters': {'rope_theta': 20000.0, 'rope_type': 'default'}},
      'vision_config': {**vision, 'hidden_size': 24, 'intermediate_size': 32, 'num_hidden_layers': 4, 'num_attention_heads': 4, 'image_size': 28, 'patch_size': 4}}, 'F32', C, 1),
]
one, two = 'USER: <image>\nWhat color is the heart? ASSISTANT:', 'Look: <image> and <image>\nWhich is red? ASSISTANT:'
specs = ['none', 'star:R=0.1,K=2,P=0.8', 'star:R=0.3,K=1,P=0.6,score=colmean_cls,queries=last,round=ceil', 'star:R=0.5,K=2,P=0.5,score=cls,base=remaining,round=floor',
         'star:R=0.2,K=2,P=0.7,positions=compact', 'star:R=0.2,K=2,P=0.8,kv=compact', 'star:R=0.2,P=0.8,positions=compact,kv=compact', 'star:R=0,K=2,P=0.9', 'star:R=0.6,P=0', 'fastv:K=1,keep=9', 'fastervlm:keep=11', 'vispruner:keep=13,important=0.5', 'vispruner:keep=6,important=0.25', 'uniform:keep=7', 'fastervlm:keep=0.3']
for name, seed, config, dtype, naming, shards in models:
    out, net = make(name, seed, config, dtype, naming, shards)
    net.eos = config.get('eos_token_id', config['text_config'].get('eos_token_id'))
    net.eos = net.eos if isinstance(net.eos, list) else [net.eos]
    pictures = [demo + '/pictures/' + f for f in ('scene-00.png', 'small-03.png')]
    with torch.no_grad():
        cases = [net.run(one, pictures[:1], spec) for spec in specs]
        cases += [net.run(two, pictures, spec) for spec in (specs[0], specs[1], specs[7], specs[8])]
        cases.append(net.run('USER: Is it red? ASSISTANT:', [], 'star:R=0.1,P=0.9'))
    json.dump({'cases': cases}, open(out + '/golden.json', 'w'))
    print(name, 'smallest cut margin %.2e, smallest greedy margin %.2e' % (min(c['cut_margin'] for c in cases), min(min(c['greedy_margins']) for c in cases)),
          sum(os.path.getsize(os.path.join(out, f)) for f in os.listdir(out)), 'bytes')


def load(folder):
    """reads a checkpoint in naming A"""
    with open(folder + '/model.safetensors', 'rb') as f:
        h = json.loads(f.read(struct.unpack('<Q', f.read(8))[0]))
        data = f.read()
    h.pop('__metadata__', None)
    w = {k: torch.from_numpy(np.frombuffer(data[slice(*e['data_offsets'])], dtype=np.float16).reshape(e['shape']).astype(np.float64)) for k, e in h.items()}
    net = Net(json.load(open(folder + '/config.json')), w, A)
    net.eos = [2]
    return net


net = load(demo + '/model')
with torch.no_grad():
    cases = [net.run('USER: <image>\n%s ASSISTANT:' % q, [demo + '/pictures/' + f], spec)
             for f, q, spec in (('scene-01.png', 'What shape is the pink object?', 'fastv:K=2,keep=144'), ('scene-01.png', 'What shape is the pink object?', 'fastervlm:keep=64'),
                                ('scene-02.png', 'Is there a orange diamond?', 'vispruner:keep=58,important=0.5'), ('scene-03.png', 'How many objects are there?', 'uniform:keep=0.25'),
                                ('scene-04.png', 'How many red objects are there?', 'star:R=0.1,K=4,P=0.9,queries=last'), ('scene-05.png', 'Describe the image.', 'star:R=0.1,K=4,P=0.9,positions=compact'),
                                ('scene-06.png', 'Describe the image.', 'star:R=0.1,K=4,P=0.9,kv=compact'), ('scene-07.png', 'Describe the image.', 'star'))]
out = os.path.join(here, '../resources/starling/model/bundled')
os.makedirs(out, exist_ok=True)
json.dump({'cases': cases}, open(out + '/golden.json', 'w'))
print('bundled', 'smallest cut margin %.2e, smallest greedy margin %.2e' % (min(c['cut_margin'] for c in cases), min(min(c['greedy_margins']) for c in cases)))
