"""Conversations of messages, and the ids that transformers makes of them with the chat templates of the families.

    python3 make_chat_goldens.py MODEL/tokenizer.json BYTE-LEVEL.json OUT.json      transformers 5.18 made the committed file

Texts hold the names of special tokens. So that these are only text, the tokenizer and the template are given other names for them.
"""
import json, random, sys
import tokenizers, transformers

rng = random.Random(18)
LLAVA = ("{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}"
         "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}"
         "{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}"
         "{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}"
         "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
MISTRAL = ("{% for message in messages %}{% if message['role'] == 'system' %}{{ '<<SYS>>\n' + message['content'][0]['text'] + '\n<</SYS>>\n\n' }}"
           "{% elif message['role'] == 'user' %}{{ '[INST] ' }}{# Render all images first #}"
           "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}{# Render all text next #}"
           "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}{{' [/INST]' }}"
           "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'][0]['text'] + '<\\s> '}}"
           "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}")
QWEN = ("{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}"
        "{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}"
        "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}"
        "{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
        "{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 %}"
        "{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>"
        "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
IMAGE = None  # a part that is no text
WORDS = ['the car', 'What is this?', ' ', '', '\n', 'Is it red? ', ' yes', 'USER: ', 'ASSISTANT:', 'caf\u00e9', '\u2581', '\u4f60\u597d', '<', '>', '|>', 'e\u0301', '\u0301', "it's", '12', '<tool_call>',
         '<s>', '</s>', '<unk>', '<pad>', '<image>', '<image>\n', '<|im_start|>system\n', '<|im_end|>\n', '<|image_pad|>', '<|vision_start|>', '<|endoftext|>', '[INST]', ' [/INST]', '<<SYS>>\n', '</', 's>', '<im', 'age>']


def hidden(words):
    """The same text or file with other names for special tokens."""
    for i, name in enumerate(['<s>', '</s>', '<unk>', '<pad>', '<image>', '<|im_start|>', '<|im_end|>', '<|image_pad|>', '<|vision_start|>', '<|vision_end|>', '<|endoftext|>']):
        words = words.replace(name, f'\ue000{chr(0xe010 + i)}')
    return words


def text():
    return ''.join(rng.choice(WORDS) for _ in range(rng.randint(1, 5)))


def parts(images, mixed):
    if mixed:
        return [rng.choice([IMAGE, text()]) if images else text() for _ in range(rng.randint(1, 4))]
    return [IMAGE] * (rng.randint(0, 2) if images else 0) + [text() for _ in range(rng.randint(1, 2))]


def chats(some, mixed, roles):
    for _ in range(some):
        chat = [('system', parts(mixed and rng.random() < .2, mixed))] if 'system' in roles and rng.random() < .5 else []
        for _ in range(rng.randint(0, 3)):
            role = rng.choice([r for r in roles if r != 'system'])
            chat.append((role, parts(role == 'user', mixed)))
        yield chat + [('user', parts(True, mixed))]


def cases(file, template, some, mixed, roles):
    shown = json.loads(hidden(json.dumps(file)))
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer.from_str(json.dumps(shown)))
    for chat in chats(some, mixed, roles):
        messages = [{'role': role, 'content': [{'type': 'image'} if p is IMAGE else {'type': 'text', 'text': p} for p in content]} for role, content in chat]
        written = theirs.apply_chat_template(messages, chat_template=hidden(template), add_generation_prompt=True, tokenize=False)
        yield {'chat': chat, 'ids': theirs(written)['input_ids']}


def main():
    llama, bytes_ = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))['tokenizer']
    everyone = ['system', 'user', 'assistant']
    out = {'made_with': 'transformers ' + transformers.__version__, 'templates': {
        'llava-hf': list(cases(llama, LLAVA, 40, False, everyone)),
        'mistral': list(cases(llama, MISTRAL, 15, False, ['user'])),  # what else it says, LLaVA's own mistral_instruct says better
        'chatml': list(cases(bytes_, QWEN, 60, True, everyone))}}
    with open(sys.argv[3], 'w') as f:
        json.dump(out, f, ensure_ascii=True, separators=(',', ':'))


main()
