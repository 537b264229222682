"""A byte-level tokenizer of Qwen's kind, trained here on a few sentences, texts, and what Hugging Face tokenizers makes of them.

    python3 make_byte_text_goldens.py OUT.json [CASES]      tokenizers 0.23.2 made the committed file with 300 cases
"""
import json, random, sys
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

rng = random.Random(16)
PATTERN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|vision_start|>', '<|vision_end|>', '<|image_pad|>']
PLAIN = ['<tool_call>', '</tool_call>']
CORPUS = ["What is in this picture? It's a red square beside a blue circle, and we'll count 12 of them.\n", "They've said I'm there; you'd don't they're.\n\n",
          'a caf\u00e9, a na\u00efve \u00fcber r\u00e9sum\u00e9 \u2014 \u201cquoted\u201d\u2026\n', '\u4f60\u597d\uff0c\u4e16\u754c\u3002\u8fd9\u5f20\u56fe\u7247\u91cc\u6709\u4ec0\u4e48\uff1f\n',
          '\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \U0001F600\U0001F601\U0001F44D\U0001F3FD\n', 'for (int i = 0; i < n; i++) {\n\t\treturn x[i];\n    }\r\n', '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \ud55c\uad6d\uc5b4\n']
ALPHABET = list("abeilmrstvd'SLTMRE ZK19 \n\r\t.,-_(){}<|>") + ["'s", "'LL", "'\u017f", "'Re", "'vE", "\u2019s", '\u00e9', 'e\u0301', '\u0301', '\u0327\u0301', '\u0301\u0327', '\u00a0', '\u2028', '\x85', '\x0b', '\x0c', '\x1c', '\x1f', '\u200b', '\u200d',
                                                                 '\u3000', '\u0660', '\u00bd', '\u2167', '\u00b2', '\u4f60', '\u597d', '\U0001F600', '\U0001F44D\U0001F3FD', '\u212a', '\u212b', '\u0130', '\u1100\u1161\u11a8', '\uac00\u11a8', '\u0958', '\u0344', '\ufb1d', '\U0001D15E', '\u2126',
                                                                 '\u0e31', '\u0903', '\x00', '\x7f', '\u00ad', '\u00df', '\ufb06', '\u0149', '  ', '   ', '\n\n', '\r\n', ' \n ']
PICKED = ['', ' ', '\n', '  leading', 'trailing   ', 'a  b', 'a \n b', "it's IT'S we'LL don't'x 'S'\u017f", '3.14159 and 2025', 'tab\tand\r\nline\n', 'caf\u00e9 cafe\u0301', '\u4f60\u597d\uff0c\u4e16\u754c\u3002123', 'a\u00a0b \u2003c', '\U0001F600\U0001F601!!\n',
          'x=y+1;\n\n\treturn', '\u0660\u0661 \u00bd\u2167', 'don\u2019t', '_under_score', '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35', 'a\u200bb', '\x1c\x1d x', '\x85y \u2028z', ' <|im_start|> ', '<|im_end|>\n<|im_end|>', '<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What is this?<|im_end|>\n',
          '<tool_call>\n{}\n</tool_call>', '<|im_start', 'e<|im_end|>\u0301']


def trained():
    t = Tokenizer(models.BPE(unk_token=None, byte_fallback=False, fuse_unk=False))
    t.normalizer, t.decoder = normalizers.NFC(), decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), 'isolated', invert=False), pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    t.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    t.train_from_iterator(CORPUS * 3, trainers.BpeTrainer(vocab_size=480, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    t.add_tokens([AddedToken(s, special=False, normalized=False) for s in PLAIN])
    return t


def text():
    parts = []
    for _ in range(rng.randint(1, 6)):
        kind = rng.random()
        if kind < .1:
            parts.append(rng.choice(SPECIAL + PLAIN))
        elif kind < .25:
            words = rng.choice(CORPUS)
            parts.append(words[rng.randrange(len(words)):][:rng.randint(1, 12)])
        elif kind < .35:
            parts.append(chr(rng.choice([rng.randrange(32, 0x600), rng.randrange(0x600, 0xD800), rng.randrange(0xE000, 0x20000)])))
        else:
            parts.append(''.join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 6))))
    return ''.join(parts)


def case(t, **given):
    ids = t.encode(given['text']).ids if 'text' in given else given['ids']
    return {**given, 'ids': ids, 'all': t.decode(ids, skip_special_tokens=False), 'text_only': t.decode(ids, skip_special_tokens=True)}


def main():
    t, cases, some = trained(), [], int(sys.argv[2]) if len(sys.argv) > 2 else 300
    single = [t.token_to_id(c) for c in pre_tokenizers.ByteLevel.alphabet()]
    single.sort()
    for x in PICKED + [text() for _ in range(some * 2 // 3)]:
        cases.append(case(t, text=x))
    for _ in range(some // 3):  # ids that no text gives: broken UTF-8 of every kind
        cases.append(case(t, ids=[rng.choice([rng.randrange(t.get_vocab_size() + 3), rng.choice(single), rng.choice(single)]) for _ in range(rng.randint(1, 10))]))
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        json.dump({'made_with': 'tokenizers ' + tokenizers.__version__, 'tokenizer': json.loads(t.to_str()), 'cases': cases}, f, ensure_ascii=True, separators=(',', ':'))


main()
