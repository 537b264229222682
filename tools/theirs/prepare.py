#!/usr/bin/env python3
"""The tokenizer that a small test checkpoint lacks, and pictures of odd sizes.

    prepare.py checkpoint FOLDER TOKENIZER.json    adds tokenizer.json; a LLaVA-1.5 gets a copy of TOKENIZER.json
    prepare.py picture IN OUT WxH                  a picture turned and resized to that size
"""
import json
import shutil
import sys

from PIL import Image
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

CHARACTERS = 'abcdefghijklmnopqrstuvwxyzACEHINRSTUWY \n.,?\':|_'
# The ids of the special tokens are those of make_qwen_goldens.py and make_next_goldens.py.
QWEN = {'<|image_pad|>': 90, '<|vision_start|>': 91, '<|vision_end|>': 92, '<|im_start|>': 93, '<|im_end|>': 94}
QWEN_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = {'<unk>': 0, '<s>': 1, '</s>': 2, '<image>': 70}


def vocabulary(own, others, special, merges):
    """Characters of the prompts and merges get the free ids from 3 on, what else there must be comes behind all."""
    free = (i for i in range(3, 10 ** 6) if i not in special.values())
    words = dict(zip(own + [a + b for a, b in merges], free)) | special
    after = iter(range(max(words.values()) + 1, 10 ** 6))
    return words | {c: next(after) for c in others if c not in words}


def byte_level():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    own = [split.pre_tokenize_str(c)[0][0] for c in CHARACTERS]
    merges = [('i', 's'), ('r', 'e'), ('re', 'd')]
    words = vocabulary(own, alphabet, QWEN, merges)
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=merges))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN_SPLIT), 'isolated'), split])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, QWEN


def sentence_piece():
    merges = [('i', 's'), ('r', 'e'), ('re', 'd')]
    words = vocabulary(list(CHARACTERS.replace(' ', '\u2581') + '[]/'), [f'<0x{b:02X}>' for b in range(256)], LLAMA, merges)
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=merges, unk_token='<unk>', fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend('\u2581'), normalizers.Replace(' ', '\u2581')])
    tokenizer.decoder = decoders.Sequence([decoders.Replace('\u2581', ' '), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single='<s> $A', special_tokens=[('<s>', 1)])
    return tokenizer, LLAMA


def with_special(tokenizer, special, file):
    text = json.loads(tokenizer.to_str())
    text['added_tokens'] = [dict(id=i, content=c, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
                            for c, i in sorted(special.items(), key=lambda pair: pair[1])]
    json.dump(text, open(file, 'w'))


def checkpoint(folder, llava_tokenizer):
    config = json.load(open(folder + '/config.json'))
    file = folder + '/tokenizer.json'
    if config['model_type'] == 'llava':
        shutil.copy(llava_tokenizer, file)
    elif config['model_type'] == 'llava_next':
        with_special(*sentence_piece(), file)
    else:
        with_special(*byte_level(), file)


def picture(source, out, size):
    w, h = map(int, size.split('x'))
    Image.open(source).convert('RGB').rotate(17, fillcolor=(40, 90, 160)).resize((w, h), Image.Resampling.BILINEAR).save(out)


{'checkpoint': checkpoint, 'picture': picture}[sys.argv[1]](*sys.argv[2:])
