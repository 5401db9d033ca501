// The official SDKs that make vectors, against each upstream that does: a TAP
// line a cell. What to ask is in $CELLS:
// [{"client", "upstream", "base", "key", "model", "alone", "none"}]

import assert from "node:assert/strict";
import OpenAI from "openai";
import { ApiError, GoogleGenAI } from "@google/genai";
import { OpenAIEmbeddings } from "@langchain/openai";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany } from "ai";
import { HELLO } from "./shared.mjs";
import { done, test } from "./tap.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const cells = JSON.parse(process.env.CELLS);
const TEXTS = [HELLO.replace("@@tag=sdk ", ""), "日本語 \u{1f600} \\ \"", "3"];
const SIZE = 256;
const FAILURE = "@@status=400 hello";

// As tests/providers/vectors.py makes them; `as` is what becomes of a number.
const vectors = (n, size = 16, as = (x) => x) => [...Array(n).keys()].map(
	(i) => [...Array(size).keys()].map((j) => as(Number((
		((31 * i + 7 * j) % 200 - 100) / 130).toFixed(9)))));

function openai({ base, key, model }) {
	const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`,
		maxRetries: 0 });
	const ask = async (input, more) => {
		const got = await client.embeddings.create({ model, input, ...more });
		assert.ok(got.usage.prompt_tokens > 0);
		assert.equal(got.usage.prompt_tokens, got.usage.total_tokens);
		return got.data.map((row) => row.embedding);
	};
	return {
		as: Math.fround,          // it asks for base64
		many: ask,
		one: async (text) => (await ask(text))[0],
		sized: (texts) => ask(texts, { dimensions: SIZE }),
		floats: (texts) => ask(texts, { encoding_format: "float" }),
		isBadRequest: (error) => error instanceof OpenAI.BadRequestError,
	};
}

function genai({ base, key, model }) {
	const client = new GoogleGenAI({ apiKey: key,
		httpOptions: { baseUrl: base } });
	const ask = async (contents, config) => (await client.models.embedContent(
		{ model, contents, config })).embeddings.map((one) => one.values);
	return {
		many: ask,
		one: async (text) => (await ask(text))[0],
		sized: (texts) => ask(texts, { outputDimensionality: SIZE }),
		isBadRequest: (error) => error instanceof ApiError &&
			error.status === 400,
	};
}

function vercel(model, providerOptions) {
	const ask = async (values, options) => (await embedMany({ model, values,
		maxRetries: 0, providerOptions: options })).embeddings;
	return {
		many: ask,
		one: async (value) => (await embed({ model, value,
			maxRetries: 0 })).embedding,
		sized: (texts) => ask(texts, providerOptions),
		isBadRequest: (error) => APICallError.isInstance(error) &&
			error.statusCode === 400,
	};
}

const aiOpenai = ({ base, key, model }) => vercel(
	createOpenAI({ apiKey: key, baseURL: `${base}/v1` }).embedding(model),
	{ openai: { dimensions: SIZE } });
const aiCompatible = ({ base, key, model }) => vercel(
	createOpenAICompatible({ name: "tollgate", apiKey: key,
		baseURL: `${base}/v1` }).textEmbeddingModel(model),
	{ tollgate: { dimensions: SIZE } });
const aiGoogle = ({ base, key, model }) => vercel(
	createGoogleGenerativeAI({ apiKey: key, baseURL: `${base}/v1beta` })
		.embedding(model),
	{ google: { outputDimensionality: SIZE } });

function langchain({ base, key, model }) {
	const client = (more) => new OpenAIEmbeddings({ model, apiKey: key,
		maxRetries: 0, configuration: { baseURL: `${base}/v1` }, ...more });
	return {
		as: Math.fround,
		many: (texts) => client().embedDocuments(texts),
		one: (text) => client().embedQuery(text),
		sized: (texts) => client({ dimensions: SIZE }).embedDocuments(texts),
		isBadRequest: (error) => error.status === 400,
	};
}

async function refused(sdk, ask) {
	let error = null;
	try {
		await ask();
	} catch (caught) {
		error = caught;
	}
	assert.ok(error, "nothing was thrown");
	assert.ok(sdk.isBadRequest(error), String(error.stack ?? error));
}

async function check(sdk, { alone, none }) {
	const texts = alone ? TEXTS.slice(0, 1) : TEXTS;
	if (none) {
		await refused(sdk, () => sdk.one(TEXTS[0]));
		return;
	}
	assert.deepEqual([await sdk.one(TEXTS[0])], vectors(1, 16, sdk.as));
	assert.deepEqual(await sdk.many(texts),
		vectors(texts.length, 16, sdk.as));
	assert.deepEqual(await sdk.sized(texts),
		vectors(texts.length, SIZE, sdk.as));
	if (sdk.floats)
		assert.deepEqual(await sdk.floats(texts), vectors(texts.length));
	await refused(sdk, () => sdk.one(FAILURE));
	if (alone)
		await refused(sdk, () => sdk.many(TEXTS));
}

for (const [name, client, make] of [
	["openai", "openai", openai], ["google genai", "gemini", genai],
	["ai openai", "openai", aiOpenai], ["ai google", "gemini", aiGoogle],
	["ai compatible", "openai", aiCompatible],
	["langchain", "openai", langchain]])
	for (const cell of cells.filter((one) => one.client === client))
		await test(`${name} to ${cell.upstream}: vectors`,
			() => check(make(cell), cell));
done();
