// The official `openai` SDK against BASE_URL: Tollgate, or the mock upstream
// itself (DIRECT=1), which shows that what is expected here is what an
// OpenAI server does. At the end the ledger is compared with the mock.

import assert from "node:assert/strict";
import OpenAI from "openai";

import * as books from "./books.mjs";
import { done, test } from "./tap.mjs";

const env = process.env;
const direct = Boolean(env.DIRECT);
const keys = JSON.parse(env.KEYS);
const prices = JSON.parse(env.PRICES);
const MODEL = "gpt-sdk";
const EMBED = "embed-sdk";
const ABORT = "gpt-abort";
const PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcS" +
	"JAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const WEATHER = {
	type: "function",
	function: {
		name: "get_weather",
		description: "The weather of a city",
		parameters: {
			type: "object",
			properties: { city: { type: "string" } },
			required: ["city"],
		},
	},
};

// Request id of each answered request, with the usage that the client saw.
const seen = new Map();

const client = as("main");

function as(key, more = {}) {
	return new OpenAI({ apiKey: keys[key], baseURL: env.BASE_URL,
		maxRetries: 0, timeout: 30000, ...more });
}

function says(text) {
	return [{ role: "user", content: text }];
}

function note(id, usage) {
	if (direct)
		return;
	assert.ok(id, "an x-request-id");
	assert.ok(!seen.has(id), "its own x-request-id");
	seen.set(id, usage);
}

async function collect(promise) {
	const { data, request_id } = await promise.withResponse();
	const got = { text: "", finish: null, chunks: 0, usage: null, calls: [] };
	for await (const chunk of data) {
		got.chunks += 1;
		if (chunk.usage)
			got.usage = chunk.usage;
		const choice = chunk.choices[0];
		if (!choice)
			continue;
		got.text += choice.delta.content ?? "";
		got.finish = choice.finish_reason ?? got.finish;
		for (const call of choice.delta.tool_calls ?? [])
			merge(got.calls, call);
	}
	note(request_id, got.usage);
	return got;
}

function merge(calls, delta) {
	const call = calls[delta.index] ??= { id: "", name: "", arguments: "" };
	call.id += delta.id ?? "";
	call.name += delta.function?.name ?? "";
	call.arguments += delta.function?.arguments ?? "";
}

async function control(path, options) {
	const answer = await fetch(env.MOCK_URL + path, options);
	assert.equal(answer.status, 200, `mock ${path}`);
	return answer;
}

async function tally() {
	return (await control("/_tally")).json();
}

// The error of a call that must fail.
async function failure(promise) {
	try {
		await promise;
	} catch (error) {
		return error;
	}
	throw new Error("the call succeeded");
}

// Polls until what `look` returns is true; the ledger may be a moment late.
async function until(look) {
	const end = Date.now() + 45000;
	for (;;) {
		const found = await look();
		if (found)
			return found;
		assert.ok(Date.now() < end, "it did not come about within 45 s");
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

async function chat(body, options) {
	const answer = await client.chat.completions.create(
		{ model: MODEL, ...body }, options);
	note(answer._request_id, answer.usage);
	return answer;
}

async function chats() {
	await test("a chat is answered with text and usage", async () => {
		const answer = await chat({ messages: says("hello") });
		assert.equal(answer.object, "chat.completion");
		assert.equal(answer.choices[0].finish_reason, "stop");
		assert.ok(answer.choices[0].message.content.length > 0);
		const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
		assert.ok(prompt_tokens > 0 && completion_tokens > 0);
		assert.equal(total_tokens, prompt_tokens + completion_tokens);
	});

	await test("cached and reasoning tokens reach the client", async () => {
		const answer = await chat({
			messages: says("@@tokens=1000,50 @@cached=400 @@reasoning=20") });
		assert.equal(answer.usage.prompt_tokens_details.cached_tokens, 400);
		assert.equal(
			answer.usage.completion_tokens_details.reasoning_tokens, 20);
	});

	await test("several choices are answered", async () => {
		const answer = await chat({ messages: says("hello"), n: 3 });
		assert.deepEqual(answer.choices.map((c) => c.index), [0, 1, 2]);
	});

	await test("escapes, surrogates and any script arrive unharmed", async () => {
		const text = "\u00e9\u4e2d\ud83d\ude00 \\ \" \u0001 \u2028 </script>";
		await chat({ messages: [
			{ role: "system", content: text },
			{ role: "user", content: "@@text=utf8" }] });
		const last = await (await control("/_last")).text();
		assert.ok(last.includes(JSON.stringify(text).slice(1, -1)));
	});
}

async function streams() {
	await test("a stream arrives in pieces and ends with stop", async () => {
		const got = await collect(client.chat.completions.create({
			model: MODEL, stream: true, messages: says("@@chunks=20") }));
		assert.ok(got.chunks >= 20, `${got.chunks} chunks`);
		assert.equal(got.finish, "stop");
		assert.equal(got.usage, null, "usage was not asked for");
	});

	await test("a stream that asks for usage ends with it", async () => {
		const got = await collect(client.chat.completions.create({
			model: MODEL, stream: true, messages: says("@@chunks=5"),
			stream_options: { include_usage: true } }));
		assert.ok(got.usage.prompt_tokens > 0);
		assert.ok(got.usage.completion_tokens > 0);
	});

	await test("stream and plain answer say the same", async () => {
		const body = { model: MODEL, messages: says("@@chunks=7 @@text=utf8") };
		const plain = await chat(body);
		const got = await collect(client.chat.completions.create(
			{ ...body, stream: true }));
		assert.equal(got.text, plain.choices[0].message.content);
	});

	await test("the SDK's own stream helper assembles the answer", async () => {
		const runner = client.chat.completions.stream({ model: MODEL,
			messages: says("@@chunks=9"),
			stream_options: { include_usage: true } });
		const final = await runner.finalChatCompletion();
		assert.ok(final.choices[0].message.content.length > 0);
	});
}

async function tools() {
	const body = { model: MODEL, tools: [WEATHER], tool_choice: "required",
		messages: says("the weather in Oslo") };

	await test("a tool is called", async () => {
		const answer = await chat(body);
		assert.equal(answer.choices[0].finish_reason, "tool_calls");
		const [call] = answer.choices[0].message.tool_calls;
		assert.equal(call.function.name, "get_weather");
		JSON.parse(call.function.arguments);
	});

	await test("a streamed tool call comes in deltas", async () => {
		const got = await collect(client.chat.completions.create(
			{ ...body, stream: true }));
		assert.equal(got.finish, "tool_calls");
		assert.equal(got.calls[0].name, "get_weather");
		assert.ok(got.calls[0].id.length > 0);
		JSON.parse(got.calls[0].arguments);
	});

	await test("parallel tool calls keep their order", async () => {
		const got = await collect(client.chat.completions.create({
			...body, stream: true, messages: says("@@tools=3") }));
		assert.equal(got.calls.length, 3);
		assert.equal(new Set(got.calls.map((c) => c.id)).size, 3);
		for (const call of got.calls)
			JSON.parse(call.arguments);
	});

	await test("the answer of a tool goes back", async () => {
		const first = await chat(body);
		const { message } = first.choices[0];
		const answer = await chat({ tools: [WEATHER], messages: [
			...body.messages, message,
			{ role: "tool", tool_call_id: message.tool_calls[0].id,
				content: "sunny" }] });
		assert.equal(answer.choices[0].finish_reason, "stop");
	});
}

async function formats() {
	await test("a JSON schema is honoured and arrives untouched", async () => {
		const schema = { type: "object", additionalProperties: false,
			properties: { answer: { type: "string" } },
			required: ["answer"] };
		const answer = await chat({ messages: says("as JSON"),
			response_format: { type: "json_schema",
				json_schema: { name: "reply", strict: true, schema } } });
		JSON.parse(answer.choices[0].message.content);
		const last = await (await control("/_last")).text();
		assert.ok(last.includes(JSON.stringify(schema)));
	});

	await test("image parts arrive untouched", async () => {
		const part = { type: "image_url",
			image_url: { url: PNG, detail: "low" } };
		const answer = await chat({ messages: [{ role: "user", content: [
			{ type: "text", text: "what is this" }, part] }] });
		assert.ok(answer.choices[0].message.content.length > 0);
		const last = await (await control("/_last")).text();
		assert.ok(last.includes(JSON.stringify(part)));
	});

	await test("fields that nobody here knows pass through", async () => {
		await chat({ messages: says("hello"), seed: 7, user: "someone",
			metadata: { a: "b" }, x_new_field: [1, 2.50, "3"] });
		const last = await (await control("/_last")).text();
		assert.ok(last.includes('"x_new_field":[1,2.5,"3"]'));
	});
}

async function completions() {
	await test("a legacy completion is answered", async () => {
		const answer = await client.completions.create({
			model: MODEL, prompt: "once upon" });
		note(answer._request_id, answer.usage);
		assert.ok(answer.choices[0].text.length > 0);
	});
}

async function embeddings() {
	const input = ["first text", "second text"];
	let floats;

	await test("embeddings come as numbers", async () => {
		const answer = await client.embeddings.create({
			model: EMBED, input, encoding_format: "float" });
		note(answer._request_id, answer.usage);
		floats = answer.data.map((row) => row.embedding);
		assert.equal(floats.length, 2);
		assert.ok(floats[0].length > 0);
	});

	await test("embeddings come as base64, which the SDK asks for", async () => {
		const answer = await client.embeddings.create({ model: EMBED, input });
		note(answer._request_id, answer.usage);
		assert.equal(answer.data.length, 2);
		answer.data.forEach((row, i) => row.embedding.forEach((x, j) =>
			assert.ok(Math.abs(x - floats[i][j]) < 1e-6)));
	});
}

async function models() {
	await test("the models are listed", async () => {
		const names = [];
		for await (const model of client.models.list())
			names.push(model.id);
		for (const name of [MODEL, EMBED])
			assert.ok(names.includes(name), name);
	});

	await test("a model is retrieved", async () => {
		const model = await client.models.retrieve(MODEL);
		assert.equal(model.id, MODEL);
		assert.equal(model.object, "model");
	});
}

// What the upstream says of the request itself reaches the client as it is.
async function upstreamErrors() {
	const rows = [
		[400, OpenAI.BadRequestError],
		[404, OpenAI.NotFoundError],
		[422, OpenAI.UnprocessableEntityError],
	];
	for (const [status, type] of rows)
		await test(`an upstream's ${status} becomes ${type.name}`, async () => {
			const error = await failure(client.chat.completions.create({
				model: MODEL, messages: says(`@@status=${status}`) }));
			assert.ok(error instanceof type, String(error));
			assert.equal(error.status, status);
			assert.ok(error.message.length > 0);
		});

	await test("an upstream's 500 becomes InternalServerError", async () => {
		const error = await failure(client.chat.completions.create({
			model: MODEL, messages: says("@@status=500") }));
		assert.ok(error instanceof OpenAI.InternalServerError, String(error));
	});

	await test("an error inside a stream is thrown", async () => {
		const error = await failure(collect(client.chat.completions.create({
			model: ABORT, stream: true,
			messages: says("@@chunks=9 @@error=3") })));
		assert.ok(error instanceof OpenAI.APIError, String(error));
	});
}

async function ownErrors() {
	const ask = (key, model = MODEL) => as(key).chat.completions.create(
		{ model, messages: says("hello") });

	await test("an unknown key is AuthenticationError", async () => {
		const error = await failure(ask("unknown"));
		assert.ok(error instanceof OpenAI.AuthenticationError, String(error));
		assert.equal(error.status, 401);
		assert.equal(error.code, "invalid_api_key");
		assert.equal(error.type, "authentication_error");
	});

	await test("a model that the key may not use is PermissionDenied",
		async () => {
			const error = await failure(ask("restricted"));
			assert.ok(error instanceof OpenAI.PermissionDeniedError,
				String(error));
			assert.equal(error.code, "model_not_allowed");
		});

	await test("an unknown model is NotFound", async () => {
		const error = await failure(ask("main", "no-such-model"));
		assert.ok(error instanceof OpenAI.NotFoundError, String(error));
		assert.equal(error.code, "model_not_found");
	});

	await test("a field of a wrong type is BadRequest", async () => {
		const error = await failure(client.chat.completions.create({
			model: MODEL, messages: says("hello"), stream: "yes" }));
		assert.ok(error instanceof OpenAI.BadRequestError, String(error));
		assert.equal(error.type, "invalid_request_error");
		assert.equal(error.param, "stream");
	});

	await test("the rate limit is RateLimitError with retry-after", async () => {
		const answer = await ask("limited");
		note(answer._request_id, answer.usage);
		const error = await failure(ask("limited"));
		assert.ok(error instanceof OpenAI.RateLimitError, String(error));
		assert.equal(error.code, "rate_limit_exceeded");
		assert.ok(Number(error.headers.get("retry-after")) > 0);
		assert.equal(
			error.headers.get("x-ratelimit-remaining-requests"), "0");
	});

	await test("an empty account is 402", async () => {
		const error = await failure(ask("poor"));
		assert.ok(error instanceof OpenAI.APIError, String(error));
		assert.equal(error.status, 402);
		assert.equal(error.code, "insufficient_balance");
	});
}

async function headers() {
	await test("the answer names channel, model and attempts", async () => {
		const { data, response } = await client.chat.completions.create({
			model: MODEL, messages: says("hello") }).withResponse();
		note(data._request_id, data.usage);
		assert.equal(response.headers.get("x-tollgate-channel"), "mock");
		assert.equal(response.headers.get("x-tollgate-attempts"), "1");
		assert.ok(response.headers.get("x-tollgate-model"));
	});
}

async function aborts() {
	await test("an aborted stream stops the upstream, is charged for what " +
		"was read", async () => {
		const controller = new AbortController();
		const { data, request_id } = await client.chat.completions.create({
			model: ABORT, stream: true,
			messages: says("@@chunks=2000 @@delay=5 @@tag=abort") },
		{ signal: controller.signal }).withResponse();
		let text = "";
		for await (const chunk of data) {
			text += chunk.choices[0]?.delta?.content ?? "";
			if (text.length > 40)
				break;
		}
		controller.abort();
		const record = await until(async () => {
			const found = await (await control(
				"/_tally?last=100&tag=abort")).json();
			return found.last.find((r) => r.end === "aborted");
		});
		assert.ok(record.chunks < 1000, `${record.chunks} chunks were sent`);
		if (!direct)
			await abortCharge(request_id, text.length, record.content_bytes);
	});
}

async function abortCharge(id, read, sent) {
	const row = await until(() =>
		books.requests().find((r) => r.request_id === id));
	const output = BigInt(row.output_tokens);
	assert.equal(row.error_type, "caller_cancelled");
	assert.equal(books.decimal(row.charge_usd, 9), books.charge(row, prices));
	// Four bytes a token, as the configuration says.
	assert.ok(output * 4n + 4n > BigInt(read), "what was read is charged");
	assert.ok(output * 4n < BigInt(sent) + 4n, "no more than was sent");
}

async function parallel() {
	await test("200 parallel streams each get their own answer", async () => {
		const run = async (n) => {
			const got = await collect(client.chat.completions.create({
				model: MODEL, stream: true,
				messages: says(`@@chunks=${5 + (n % 40)} @@delay=2`),
				stream_options: { include_usage: true } }));
			assert.equal(got.finish, "stop");
			assert.ok(got.chunks >= 5 + (n % 40), `${got.chunks} chunks`);
			assert.ok(got.usage.completion_tokens > 0);
		};
		await Promise.all(Array.from({ length: 200 }, (_, n) => run(n)));
	});
}

// ---- the books ----

// The mock's own sums over the models that were not aborted.
async function mockTotals() {
	const { models: by_model } = await tally();
	const sum = { prompt: 0n, completion: 0n, cached: 0n, reasoning: 0n };
	for (const name of [MODEL, EMBED])
		for (const part of Object.keys(sum))
			sum[part] += BigInt(by_model[name][`${part}_tokens`]);
	return sum;
}

function checkRow(row, usage) {
	if (!usage)
		return;
	const sum = books.totals([row]);
	assert.equal(sum.prompt, BigInt(usage.prompt_tokens));
	assert.equal(sum.completion, BigInt(usage.completion_tokens ?? 0));
	assert.equal(Number(row.charge_usd), usage.cost, "usage.cost");
}

async function ledger() {
	let rows = [];

	await test("every answered request is in the ledger once", async () => {
		await until(() => {
			rows = books.requests();
			const ids = new Set(rows.map((row) => row.request_id));
			return [...seen.keys()].every((id) => ids.has(id));
		});
		assert.equal(new Set(rows.map((row) => row.request_id)).size,
			rows.length);
		assert.ok(seen.size > 220, `${seen.size} answers were seen`);
	});

	await test("each row has the tokens and the cost that the client saw",
		() => {
			const byId = new Map(rows.map((row) => [row.request_id, row]));
			for (const [id, usage] of seen)
				checkRow(byId.get(id), usage);
		});

	await test("each charge is its recomputation to the nano-USD", () => {
		for (const row of rows)
			assert.equal(books.decimal(row.charge_usd, 9),
				books.charge(row, prices), row.request_id);
	});

	await test("the ledger's tokens are the mock's tally", async () => {
		const ours = books.totals(rows.filter((row) =>
			[MODEL, EMBED].includes(row.model_requested) &&
			row.status === "200"));
		const theirs = await mockTotals();
		for (const part of Object.keys(theirs))
			assert.equal(ours[part], theirs[part], part);
	});

	await test("what is left is what was topped up less the charges", () => {
		const [account] = books.csv(books.ledger("report", "accounts",
			"--account", "main", "--format", "csv"));
		const charged = rows.filter((row) => row.account_name === "main")
			.reduce((sum, row) => sum + books.decimal(row.charge_usd, 9), 0n);
		assert.ok(charged > 0n);
		assert.equal(books.decimal(account.closing_balance, 9),
			1000n * 10n ** 9n - charged);
		assert.equal(books.decimal(account.check, 9), 0n);
	});

	await test("the books balance", () => {
		const last = books.ledger("verify").trim().split("\n").at(-1);
		assert.match(last, /^balanced: \d+ entries, sum 0, chain ok$/);
	});
}

await chats();
await streams();
await tools();
await formats();
await completions();
await embeddings();
await upstreamErrors();
await aborts();
await parallel();
if (!direct) {
	await models();
	await ownErrors();
	await headers();
	await ledger();
}
done();
