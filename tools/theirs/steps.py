"""A prompt through a model of transformers, with everything written down that ours is held against."""
import sys

import torch


class Record:
    """Rows that enter the first block of tower and decoder and leave each, positions, and attention maps."""

    def __init__(self, family):
        self.vision, self.text, self.positions, self.maps = [], [], [], {}
        for blocks, seen in ((family.tower, self.vision), (family.decoder.layers, self.text)):
            blocks[0].register_forward_pre_hook(
                lambda _, args, kwargs, seen=seen: seen.append(first(args or (kwargs['hidden_states'],))), with_kwargs=True)
            for block in blocks:
                block.register_forward_hook(lambda _, args, out, seen=seen: seen.append(first(out)))
        family.decoder.rotary_emb.register_forward_pre_hook(
            lambda _, args, kwargs: self.positions.append(kwargs.get('position_ids', args[-1])), with_kwargs=True)
        blocks = (family.tower[0], family.decoder.layers[0])
        for file in {type(getattr(block, 'self_attn', None) or block.attn).__module__ for block in blocks}:
            self.record_maps(sys.modules[file])

    def record_maps(self, code):
        """Has the eager attention of a file of transformers keep its maps, by module."""
        eager = code.eager_attention_forward

        def keeping(module, *args, **kwargs):
            out, weights = eager(module, *args, **kwargs)
            self.maps.setdefault(id(module), []).append(weights)
            return out, weights

        code.eager_attention_forward = keeping


def first(out):
    return (out[0] if isinstance(out, tuple) else out).detach().clone()


def expanded(family, ids, pictures):
    """The ids with each picture's as often as it has rows, and where the pictures' rows begin and end."""
    full, spans = [], []
    for i in ids:
        rows = family.rows(len(spans)) if i == family.image_token else 1
        if i == family.image_token:
            spans.append((len(full), len(full) + rows))
        full += [i] * rows
    assert len(spans) == pictures
    return full, spans


def dense(family, record, full, pictures):
    """Arrays by the names that starling.model.Referee gives them."""
    logits = family.model(**family.inputs(torch.tensor([full]))).logits[0, -1]
    steps = {f'pixels.{p}': family.pixels(p) for p in range(pictures)}
    for b, rows in enumerate(record.vision):
        for p in range(pictures):
            own = family.of_picture(rows, p)
            steps[f'vision.{p}.{b}'] = family.used(own, p) if b == family.last + 1 else own
    for b, rows in enumerate(record.text):
        steps[f'text.{b}'] = rows[0]
    steps['logits'] = logits
    return steps


def answer(family, full, tokens, penalty):
    """Greedy, by `generate` itself."""
    ids = torch.tensor([full])
    drawn = family.model.generate(**family.inputs(ids), do_sample=False, max_new_tokens=tokens,
                                  repetition_penalty=penalty)[0].tolist()
    return drawn[len(full):] if drawn[:len(full)] == full else drawn


class Pruned:
    """The same prompt with rows left out before the decoder and inside it, through the decoder's layers one by one.

    `run` holds what ours kept: `kept` by stage and picture, `layer` behind which stage 2 comes, and for STAR the shares R and
    P, by which scores and kept sets are worked out here.
    """

    def __init__(self, family, record, spans, rows, run):
        self.family, self.record, self.run, self.spans = family, record, run, spans
        self.star = 'R' in run
        self.kept = {} if self.star else run['kept']
        self.scores = {}
        self.queries = range(spans[-1][1], len(rows))
        self.left = [family.candidates(p) + a for p, (a, _) in enumerate(spans)]
        self.counts = [len(c) for c in self.left]
        gone = set()
        for p, candidates in enumerate(self.left):
            if self.star:
                self.scores[f'1.{p}'] = family.scores(record.maps, p)
                self.kept[f'1.{p}'] = best(self.scores[f'1.{p}'], nearest((1 - run['R']) * len(candidates)))
            if f'1.{p}' in self.kept:
                self.left[p] = candidates[self.kept[f'1.{p}']]
            gone |= set(candidates) - set(self.left[p])
        self.entering = [i for i in range(len(rows)) if i not in gone]
        positions = record.positions[0].reshape(-1, len(rows))
        counts = len(positions) == 1  # such rows are numbered anew before the decoder
        self.positions = torch.arange(len(self.entering))[None] if counts else positions[:, self.entering]
        self.next = len(self.entering) if counts else int(positions.max()) + 1
        self.rows = rows[self.entering]

    def logits(self, drawn):
        """Of the last row, with the tokens drawn so far behind the prompt."""
        decoder = self.family.decoder
        more = self.family.model.get_input_embeddings()(torch.tensor(drawn, dtype=torch.long))
        behind = (self.next + torch.arange(len(drawn)))[None].expand(len(self.positions), -1)
        x, positions = torch.cat([self.rows, more]), torch.cat([self.positions, behind], 1)
        numbers = self.entering + list(range(10 ** 6, 10 ** 6 + len(drawn)))
        for l, layer in enumerate(decoder.layers):
            n = len(x)
            standing = positions if len(positions) == 1 else positions[:, None]
            mask = torch.full((n, n), float('-inf')).triu(1)[None, None]
            x = first(layer(x[None], attention_mask=mask, position_embeddings=decoder.rotary_emb(x[None], standing)))[0]
            if l == self.run['layer'] - 1:
                stay = self.second(numbers, self.record.maps[id(layer.self_attn)][-1][0])
                x, positions = x[stay], positions[:, stay]
        return self.family.model.get_output_embeddings()(decoder.norm(x))[-1]

    def second(self, numbers, weights):
        """Which rows stay behind stage 2; STAR decides it once, when the prompt is read."""
        at = {number: i for i, number in enumerate(numbers)}
        gone = set()
        for p, (a, _) in enumerate(self.spans):
            place = f'2.{p}'
            if self.star and place not in self.kept:
                received = weights[:, [at[q] for q in self.queries]].mean((0, 1))
                self.scores[place] = received[[at[i] for i in self.left[p]]]
                count = nearest((1 - self.run['P']) * self.counts[p])
                self.kept[place] = [self.kept[f'1.{p}'][j] for j in best(self.scores[place], count)]
            gone |= set(self.left[p]) - {a + self.family.candidates(p)[j] for j in self.kept[place]}
        return [i for i, number in enumerate(numbers) if number not in gone]

    def answer(self, tokens):
        """Logits of the first token, and the greedy answer; the whole sequence anew for every token."""
        first_logits, drawn = None, []
        for _ in range(tokens):
            logits = self.logits(drawn)
            first_logits = logits if first_logits is None else first_logits
            drawn.append(int(logits.argmax()))
        return first_logits, drawn


def nearest(x):
    return int(x + 0.5)


def best(scores, count):
    """Ascending; ties go to the lower index."""
    return sorted(sorted(range(len(scores)), key=lambda j: (-float(scores[j]), j))[:count])
