"""What differs between the families, told by transformers: how pictures enter, and what attention means there.

A family has `model`, `tower` and `decoder` (the blocks, the module around them), `image_token`, and

    enter(pictures)      the processor's output; keeps what is needed below
    pixels(p)            what the tower sees of picture p, [crops, 3, H, W]
    rows(p)              rows of the decoder that picture p takes
    inputs(ids)          keyword arguments of a forward pass
    last                 the last block of the tower whose rows are used
    of_picture(rows, p)  the part of the tower's rows that is picture p's
    used(rows, p)        the rows of it that go on behind that block, in the order in which ours has them from there on
    candidates(p)        which of picture p's rows a method may drop
    scores(maps, p)      attention that each of them receives in that block
"""
import numpy as np
import torch
import transformers


def kind(name):
    """Pillow's form of a processor, which has the plain name before transformers 5."""
    return getattr(transformers, name + 'Pil', None) or getattr(transformers, name)


def load(folder):
    """The family of a checkpoint, in float32 whatever type its weights are stored in."""
    config = transformers.AutoConfig.from_pretrained(folder)
    family, net = {
        'llava': (Llava, 'LlavaForConditionalGeneration'),
        'llava_next': (Next, 'LlavaNextForConditionalGeneration'),
        'qwen2_5_vl': (Qwen, 'Qwen2_5_VLForConditionalGeneration')}[config.model_type]
    model, info = getattr(transformers, net).from_pretrained(folder, attn_implementation='eager', output_loading_info=True)
    if info['missing_keys']:
        raise SystemExit(f"referee: transformers found no {sorted(info['missing_keys'])[0]} in {folder}")
    return family(folder, model.float().eval())


class Clip:
    """A CLIP tower: LLaVA and LLaVA-NeXT."""

    def __init__(self, folder, model, processor_name):
        self.model, self.config = model, model.config
        self.tower = next(m for n, m in model.named_modules() if 'vision_tower' in n and n.endswith('encoder.layers'))
        self.decoder = model.get_decoder()
        self.image_token = model.config.image_token_id
        self.processor = kind(processor_name).from_pretrained(folder)
        layer = self.config.vision_feature_layer
        self.last = (layer if layer >= 0 else len(self.tower) + 1 + layer) - 1
        self.full = self.config.vision_feature_select_strategy == 'full'
        self.side = self.config.vision_config.image_size // self.config.vision_config.patch_size

    def maps_of_last(self, maps):
        """[crops, heads, rows, rows] of the last block whose rows are used, CLS in row and column 0"""
        return maps[id(self.tower[self.last].self_attn)][0]

    def received(self, maps, crops):
        """[crops, patches]: mean over heads and the rows of patches"""
        return self.maps_of_last(maps)[crops][:, :, 1:, 1:].mean((1, 2))


class Llava(Clip):
    """One square picture, one crop."""

    def __init__(self, folder, model):
        super().__init__(folder, model, 'CLIPImageProcessor')

    def enter(self, pictures):
        self.values = torch.cat([self.processor(images=p, return_tensors='pt')['pixel_values'] for p in pictures])

    def pixels(self, p):
        return self.values[p:p + 1]

    def rows(self, p):
        return self.side ** 2 + self.full

    def inputs(self, ids):
        return dict(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=self.values)

    def of_picture(self, rows, p):
        return rows[p]

    def used(self, rows, p):
        return rows

    def candidates(self, p):
        return np.arange(self.full, self.rows(p))

    def scores(self, maps, p):
        return self.received(maps, slice(p, p + 1))[0]


class Next(Clip):
    """The whole picture and its tiles, stitched, without the padding, a newline row behind each row."""

    def __init__(self, folder, model):
        super().__init__(folder, model, 'LlavaNextImageProcessor')

    def enter(self, pictures):
        entered = [self.processor(images=p, return_tensors='pt') for p in pictures]
        self.values = [e['pixel_values'][0] for e in entered]
        self.sizes = torch.cat([e['image_sizes'] for e in entered])
        self.starts = np.cumsum([0] + [len(v) for v in self.values])

    def pixels(self, p):
        return self.values[p]

    def packed(self, p, patches):
        """transformers' own packing of [crops, patches, width], -1 in newline rows"""
        rows, _ = self.model.model.pack_image_features(
            [patches], self.sizes[p:p + 1], vision_feature_select_strategy='default',
            image_newline=torch.full((patches.shape[-1],), -1.0))
        return rows[0]

    def numbered(self, p):
        """[rows]: the tower's patch, all crops counted through, that a row of the decoder is; -1 for newlines"""
        n = len(self.values[p]) * self.side ** 2
        return self.packed(p, torch.arange(float(n)).reshape(-1, self.side ** 2, 1))[:, 0]

    def rows(self, p):
        return len(self.numbered(p))

    def inputs(self, ids):
        most = max(len(v) for v in self.values)
        padded = [torch.cat([v, v.new_zeros(most - len(v), *v.shape[1:])]) for v in self.values]
        return dict(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=torch.stack(padded),
                    image_sizes=self.sizes)

    def of_picture(self, rows, p):
        return rows[self.starts[p]:self.starts[p + 1]].flatten(0, 1)

    def used(self, rows, p):
        crops = rows.unflatten(0, (-1, self.side ** 2 + 1))
        return crops[:, 1:].flatten(0, 1)[self.patches(p)]

    def candidates(self, p):
        return np.flatnonzero(self.numbered(p).numpy() >= 0)

    def patches(self, p):
        return self.numbered(p)[self.candidates(p)].long()

    def scores(self, maps, p):
        received = self.received(maps, slice(self.starts[p], self.starts[p + 1]))
        return received.flatten()[self.patches(p)]


class Qwen:
    """A picture of its own size in cells of 2x2 patches, whose rows stand window by window in the tower."""

    def __init__(self, folder, model):
        self.model, self.decoder = model, model.get_decoder()
        self.tower = model.model.visual.blocks
        self.last = len(self.tower) - 1
        vision = model.config.vision_config
        self.window = vision.window_size // vision.patch_size // vision.spatial_merge_size
        self.image_token = model.config.image_token_id
        self.processor = kind('Qwen2VLImageProcessor').from_pretrained(folder)

    def enter(self, pictures):
        entered = self.processor(images=pictures, return_tensors='pt')
        self.values, self.grids = entered['pixel_values'], entered['image_grid_thw']
        self.starts = np.cumsum([0] + [int(h * w) for _, h, w in self.grids])

    def pixels(self, p):
        _, h, w = self.grids[p].tolist()
        rows = self.values[self.starts[p]:self.starts[p + 1]].reshape(h // 2, w // 2, 2, 2, 3, 2, 14, 14)
        assert torch.equal(rows[..., 0, :, :], rows[..., 1, :, :]), 'a still picture is both frames'
        return rows[..., 0, :, :].permute(4, 0, 2, 5, 1, 3, 6).reshape(1, 3, h * 14, w * 14)

    def rows(self, p):
        return int(self.starts[p + 1] - self.starts[p]) // 4

    def inputs(self, ids):
        return dict(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=self.values,
                    image_grid_thw=self.grids, mm_token_type_ids=(ids == self.image_token).int())

    def of_picture(self, rows, p):
        return rows[self.starts[p]:self.starts[p + 1]]

    def in_raster(self, cells, p):
        """Cells in the tower's order, window by window, put back"""
        _, h, w = (int(n) // 2 for n in self.grids[p])
        order = [y * w + x for top in range(0, h, self.window) for left in range(0, w, self.window)
                 for y in range(top, min(top + self.window, h)) for x in range(left, min(left + self.window, w))]
        raster = torch.empty_like(cells)
        raster[order] = cells
        return raster

    def used(self, rows, p):
        return self.in_raster(rows.unflatten(0, (-1, 4)), p).flatten(0, 1)

    def candidates(self, p):
        return np.arange(self.rows(p))

    def scores(self, maps, p):
        received = maps[id(self.tower[self.last].attn)][p][0].mean((0, 1))
        return self.in_raster(received.reshape(-1, 4).mean(1), p)
