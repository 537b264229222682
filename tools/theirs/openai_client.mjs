// OpenAI's client for Node against a server with the bundled model: openai_client.mjs BASE KEY PICTURE.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { VERSION } from 'openai/version';

const [base, key, picture] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const url = 'data:image/png;base64,' + readFileSync(picture).toString('base64');
const content = [
  { type: 'image_url', image_url: { url } },
  { type: 'text', text: 'What color is the heart?' },
];
const question = { model: 'model', messages: [{ role: 'user', content }] };

assert.deepEqual((await client.models.list()).data.map((m) => m.id), ['model']);

const whole = await client.chat.completions.create({ ...question, prune: 'star:R=0.1,K=4,P=0.9' });
assert.equal(whole.choices[0].message.content, 'yellow');
assert.deepEqual(whole.usage.visual_tokens, { input: 576, after_stage1: 518, after_stage2: 58 });

let text = '';
for await (const chunk of await client.chat.completions.create({ ...question, stream: true })) {
  text += chunk.choices[0]?.delta?.content ?? '';
}
assert.equal(text, 'yellow');

const streamed = client.chat.completions.stream({ ...question, n: 2, stream_options: { include_usage: true } });
const final = await streamed.finalChatCompletion();
assert.deepEqual(final.choices.map((c) => c.message.content), ['yellow', 'yellow']);
assert.equal(final.usage.completion_tokens, 4);

await assert.rejects(client.chat.completions.create({ ...question, temperature: 3 }), (e) => e.param === 'temperature');
await assert.rejects(client.chat.completions.create({ ...question, model: 'gpt-4o' }), OpenAI.NotFoundError);
console.log(`openai ${VERSION} for Node: models, answers, streams, errors`);
