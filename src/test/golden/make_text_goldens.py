"""Tokenizers of every supported kind, texts, and what Hugging Face tokenizers makes of them.

    python3 make_text_goldens.py MODEL/tokenizer.json OUT.json      tokenizers 0.23.2 made the committed file

A tokenizer is written as its differences from `base`: whole top-level fields, and single fields of `model`.
"""
import copy, json, random, sys
import tokenizers

rng = random.Random(4)
SP = '▁'
ALPHABET = list('abcdehrt. ') + [SP, SP, 'é', 'e\u0301', '你', '好', '😀', '👍🏽', '🏳️‍🌈', '\n', '\t', '\r', '\u00a0', '\x00', '\x1b', '\x7f', '\u200d', '\u3000',
                                 '<', '>', '[', '_', '1', '٣', 'ß', 'ำ', '\u2028', '\x85', 'Ⓐ', '²']


def prepend(text):
    return {'type': 'Prepend', 'prepend': text}


def replace(pattern, content):
    return {'type': 'Replace', 'pattern': {'String': pattern}, 'content': content}


def strip(content, start, stop):
    return {'type': 'Strip', 'content': content, 'start': start, 'stop': stop}


def normalizers(*steps):
    return {'type': 'Sequence', 'normalizers': list(steps)}


def decoders(*steps):
    return {'type': 'Sequence', 'decoders': list(steps)}


def metaspace(**fields):
    return {'type': 'Metaspace', 'replacement': SP, **fields}


def special(token):
    return {'SpecialToken': {'id': token, 'type_id': 0}}


def template(*single):
    return {'type': 'TemplateProcessing', 'single': list(single), 'pair': [A, {'Sequence': {'id': 'B', 'type_id': 1}}],
            'special_tokens': {'<s>': {'id': '<s>', 'ids': [1], 'tokens': ['<s>']}, 'end': {'id': 'end', 'ids': [2, 1], 'tokens': ['</s>', '<s>']}}}


A = {'Sequence': {'id': 'A', 'type_id': 0}}
BYTES = ['<0x%02X>' % b for b in range(256)]
MERGES = [(SP, 't'), ('h', 'e'), (SP + 't', 'he'), ('a', 'b'), ('b', 'c'), ('ab', 'c'), (SP, 'c'), ('a', 'r'), (SP + 'c', 'ar'), (SP, SP), (SP + SP, SP + SP),
          ('a', 'a'), ('aa', 'aa'), ('c', 'ab'), ('你', '好'), ('d', '.'), ('a', 'bc')]
VOCAB = list(dict.fromkeys(['<unk>', '<s>', '</s>'] + BYTES + [a + b for a, b in MERGES] + list('abcdehrt.1<>[_') + [SP, 'é', '你', '好', SP + 'tea', 'bad']))
PLAIN = [t for t in VOCAB if t not in BYTES]
FUSE, BYTE = {'type': 'Fuse'}, {'type': 'ByteFallback'}


def ids(tokens):
    return {t: i for i, t in enumerate(tokens)}


def added(content, vocab=VOCAB, **flags):
    return {'content': content, 'single_word': False, 'lstrip': False, 'rstrip': False, 'normalized': False, 'special': False, **flags}


def numbered(tokens, vocab=VOCAB):
    """Ids as the library counts them: the vocabulary's, or on from its end."""
    new = [t['content'] for t in tokens if t['content'] not in vocab]
    return [{'id': vocab.index(t['content']) if t['content'] in vocab else len(vocab) + new.index(t['content']), **t} for t in tokens]


USUAL = [added(t, special=True) for t in ('<unk>', '<s>', '</s>', '<image>', '<pad>')]
base = {
    'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': numbered(USUAL),
    'normalizer': normalizers(prepend(SP), replace(' ', SP)), 'pre_tokenizer': None, 'post_processor': template(special('<s>'), A),
    'decoder': decoders(replace(SP, ' '), BYTE, FUSE, strip(' ', 1, 0)),
    'model': {'type': 'BPE', 'dropout': None, 'unk_token': '<unk>', 'continuing_subword_prefix': None, 'end_of_word_suffix': None, 'fuse_unk': True,
              'byte_fallback': True, 'ignore_merges': False, 'vocab': ids(VOCAB), 'merges': ['%s %s' % m for m in MERGES]}}


def with_added(*tokens, **fields):
    return {'added_tokens': numbered(USUAL + list(tokens)), **fields}


def words(scheme, split):
    return {'normalizer': None, 'pre_tokenizer': metaspace(prepend_scheme=scheme, split=split)}


FLAGS = [added('[A'), added('[AB'), added('[PL]', lstrip=True), added('ab', single_word=True), added('<x>', rstrip=True), added('\n', lstrip=True, rstrip=True), added('你好', special=True)]
NORMALIZED = [added('car', normalized=True), added(' the', normalized=True, rstrip=True), added('[PL]', normalized=True, single_word=True), added('[P', lstrip=True)]
VARIANTS = {
    'llama': {},
    'pairs': {'model': {'merges': [list(m) for m in MERGES]}},
    'a merge listed twice': {'model': {'merges': ['%s %s' % m for m in MERGES + [('a', 'b'), ('b', 'c')]]}},
    'version line in merges': {'model': {'merges': ['#version: 0.2'] + ['%s %s' % m for m in MERGES]}},
    'ignore_merges, a word at a time': {'model': {'ignore_merges': True}, **words('always', True)},
    'unknown fused': {'model': {'byte_fallback': False}},
    'unknown one by one': {'model': {'byte_fallback': False, 'fuse_unk': False}},
    'unknown dropped': {'model': {'byte_fallback': False, 'unk_token': None}},
    'no byte tokens': {'model': {'vocab': ids(PLAIN)}, 'added_tokens': numbered(USUAL, PLAIN)},
    'some byte tokens': {'model': {'vocab': ids([t for t in VOCAB if t[:4] not in ('<0xF', '<0x0')])}, 'added_tokens': numbered(USUAL, [t for t in VOCAB if t[:4] not in ('<0xF', '<0x0')])},
    'merges across byte and unknown tokens': {'model': {'vocab': ids(VOCAB + ['<0xF0><0x9F>', '<unk><0x1B>', 'a<0x0A>']), 'merges': [['<0xF0>', '<0x9F>'], ['a', '<0x0A>']]}, 'added_tokens': numbered(USUAL, VOCAB + ['<0xF0><0x9F>', '<unk><0x1B>', 'a<0x0A>'])},
    'no normalizer': {'normalizer': None},
    'replace only': {'normalizer': replace(' ', SP)},
    'prepend only': {'normalizer': prepend(SP)},
    'nested normalizers': {'normalizer': normalizers(replace('aa', 'b'), normalizers(replace('b', 'cc'), prepend('ab')))},
    'always, split': words('always', True), 'always, whole': words('always', False), 'never, split': words('never', True), 'never, whole': words('never', False),
    'first, split': words('first', True), 'first, whole': words('first', False),
    'no scheme': {'normalizer': None, 'pre_tokenizer': metaspace()},
    'old field true': {'normalizer': None, 'pre_tokenizer': metaspace(add_prefix_space=True)},
    'old field and first': {'normalizer': None, 'pre_tokenizer': metaspace(add_prefix_space=True, prepend_scheme='first')},
    'prepend and metaspace': {'pre_tokenizer': metaspace(prepend_scheme='always')},
    'flags': with_added(*FLAGS), 'flags and first': with_added(*FLAGS, **words('first', False)), 'flags and always': with_added(*FLAGS, **words('always', True)),
    'normalized': with_added(*NORMALIZED), 'normalized without normalizer': with_added(*NORMALIZED, **words('first', True)),
    'white space as tokens': with_added(added('  '), added(' x', rstrip=True), added('\t', rstrip=True)),
    'no post-processor': {'post_processor': None},
    'template around': {'post_processor': template(special('<s>'), A, special('end'))},
    'template twice': {'post_processor': template(A, special('end'), A)},
    'template in a sequence': {'post_processor': {'type': 'Sequence', 'processors': [template(special('<s>'), A)]}},
    'no decoder': {'decoder': None},
    'metaspace decoder': {'decoder': metaspace(prepend_scheme='always')}, 'metaspace decoder never': {'decoder': metaspace(prepend_scheme='never')},
    'metaspace decoder behind bytes': {'decoder': decoders(BYTE, metaspace(prepend_scheme='first'))}, 'metaspace decoder behind fuse': {'decoder': decoders(FUSE, metaspace())},
    'bytes only': {'decoder': BYTE}, 'strip each': {'decoder': decoders(replace(SP, ' '), BYTE, strip(' ', 2, 0))},
    'replace behind fuse': {'decoder': decoders(BYTE, FUSE, replace('ab', 'x'), replace(SP + SP, '--'), replace('aab', ''))},
    'strip both ends': {'decoder': decoders(replace(SP, ' '), BYTE, FUSE, strip(' ', 1, 0), strip(' ', 0, 2))},
    'replace before bytes': {'decoder': decoders(replace('<0x41>', '<0xE2>'), replace('a', 'bb'), BYTE, FUSE)},
}
PICKED = ['', ' ', 'aab baab', '  ', 'the car', ' the car', 'the  car ', 'the<image> car', '<image>the', '<image>\n<image>', 'USER: <image>\nabc ASSISTANT:', 'a[PL]the', '[ABC', '[A]', ' [PL] the',
          'ab cab_ab ab', 'abcabc', 'aaaaaaaaa', SP + 'the', 'e\u0301é', '你好你', '😀👍🏽', '<0x41>', '<s>the</s>', '\n\n the\n', 'the \t [PL]\t <x> \n', 'bad tea', '\x00\x1b']


def text(tokens):
    parts = []
    for _ in range(rng.randint(1, 9)):
        kind = rng.random()
        if kind < .3:
            parts.append(rng.choice(tokens))
        elif kind < .4:
            parts.append(' ' * rng.randint(1, 20))
        elif kind < .5:
            parts.append(chr(rng.choice([rng.randrange(32, 0xD800), rng.randrange(0xE000, 0x110000)])))
        else:
            parts.append(''.join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 8))))
    return ''.join(parts)


def cases(t, tokens, some):
    """Texts with ids and what is decoded from them, then ids that no text gives."""
    size, out = t.get_vocab_size(), []
    for x in PICKED[:: 1 if some > 10 else 2] + [text(tokens) for _ in range(some)]:
        out.append({'text': x, 'ids': t.encode(x).ids})
    for _ in range(some):
        out.append({'ids': [rng.choice([rng.randrange(size + 3), rng.randrange(3, 259), 3 + rng.choice([0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80])]) for _ in range(rng.randint(1, 10))]})
    out += [{'ids': [3 + b for b in bs] + [rng.randrange(size)]} for bs in ([0xE2, 0x82, 0xAC], [0xE2, 0x82], [0xF0, 0x9F, 0x98, 0x80, 0xE2], [0xC0, 0x80], [0xED, 0xA0, 0x80])]
    return [c for c in out if decoded(t, c)]


def decoded(t, case):
    """False where the library's own Strip dies on an empty text."""
    try:
        case['all'] = t.decode(case['ids'], skip_special_tokens=False)
        case['text_only'] = t.decode(case['ids'], skip_special_tokens=True)
        return True
    except BaseException as e:
        if type(e).__name__ != 'PanicException':
            raise
        return False


tiny = tokenizers.Tokenizer.from_file(sys.argv[1])
golden = {'made_with': 'tokenizers ' + tokenizers.__version__, 'base': base,
          'tiny': cases(tiny, ['<image>', '<s>', 'What color is the ', 'circle', 'How many', ' squares?', 'USER: '], 40), 'variants': []}
for name, fields in VARIANTS.items():
    j = copy.deepcopy(base)
    j.update({k: v for k, v in fields.items() if k != 'model'})
    j['model'].update(fields.get('model', {}))
    t = tokenizers.Tokenizer.from_str(json.dumps(j))
    golden['variants'].append({'name': name, 'fields': fields, 'cases': cases(t, [a['content'] for a in j['added_tokens']], 10)})
with open(sys.argv[2], 'w', encoding='utf-8') as f:
    json.dump(golden, f, ensure_ascii=True, separators=(',', ':'))
