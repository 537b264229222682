#!/usr/bin/env python3
"""OpenAI's client for Python against a server with the bundled model: openai_client.py BASE KEY PICTURE."""
import base64
import sys

import openai

base, key, picture = sys.argv[1:]
client = openai.OpenAI(base_url=base, api_key=key, max_retries=0)
url = 'data:image/png;base64,' + base64.b64encode(open(picture, 'rb').read()).decode()


def asked(text='What color is the heart?'):
    return [{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': url, 'detail': 'high'}},
                                         {'type': 'text', 'text': text}]}]


def refused(kind, **fields):
    try:
        client.chat.completions.create(**{'model': 'model', 'messages': asked()} | fields)
    except kind as e:
        return e
    raise AssertionError(f'{fields} was answered')


assert [m.id for m in client.models.list()] == ['model']
assert client.models.retrieve('model').owned_by == 'starling'

whole = client.chat.completions.create(
    model='model', messages=asked(), logprobs=True, top_logprobs=2, extra_body={'prune': 'star:R=0.1,K=4,P=0.9'})
choice = whole.choices[0]
assert choice.message.content == 'yellow' and choice.finish_reason == 'stop', whole
assert choice.logprobs.content[0].token == 'yellow' and len(choice.logprobs.content[0].top_logprobs) == 2, whole
assert whole.usage.visual_tokens == {'input': 576, 'after_stage1': 518, 'after_stage2': 58}, whole.usage

text = {}
last = None
for chunk in client.chat.completions.create(
        model='model', messages=asked(), stream=True, n=2, stream_options={'include_usage': True}):
    last = chunk
    for c in chunk.choices:
        text[c.index] = text.get(c.index, '') + (c.delta.content or '')
assert text == {0: 'yellow', 1: 'yellow'} and last.usage.completion_tokens == 4, (text, last)

turns = asked() + [whole.choices[0].message, {'role': 'user', 'content': 'How many red objects are there?'}]
assert client.chat.completions.create(model='model', messages=turns, max_tokens=4).choices[0].message.content
drawn = [client.chat.completions.create(
    model='model', messages=asked(), temperature=2, top_p=0.9, seed=5).choices[0].message.content for _ in range(2)]
assert drawn[0] == drawn[1], drawn
assert client.chat.completions.create(model='model', messages=asked(), stop=['low']).choices[0].message.content == 'yel'

assert refused(openai.BadRequestError, temperature=1.5, extra_body={'prune': 'star:R=2'}).param == 'prune'
assert refused(openai.BadRequestError, tools=[{'type': 'function', 'function': {'name': 'f'}}]).param == 'tools'
assert refused(openai.NotFoundError, model='gpt-4o').code == 'model_not_found'
client = openai.OpenAI(base_url=base, api_key='another-key', max_retries=0)
assert refused(openai.AuthenticationError).code == 'invalid_api_key'
print(f'openai {openai.__version__} for Python: models, answers, streams, log-probabilities, turns, errors')
