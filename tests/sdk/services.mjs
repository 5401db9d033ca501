// OpenAI's SDK at the endpoints that are passed on: pictures, sound,
// moderations. $CELL: {"base", "key"}; models as tests/sdk/run sells them.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";
import { done, test } from "./tap.mjs";

const { base, key } = JSON.parse(process.env.CELL);
const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`,
	maxRetries: 0 });
const charge = (response) =>
	Number(response.headers.get("x-tollgate-charge-usd"));
const sound = () => toFile(Buffer.alloc(4000, 7), "a.mp3");
const picture = () => toFile(Buffer.from("\x89PNG"), "a.png",
	{ type: "image/png" });

await test("images.generate: each is paid", async () => {
	const { data, response } = await client.images.generate(
		{ model: "picture", prompt: "a cat", n: 3 }).withResponse();
	assert.equal(data.data.length, 3);
	assert.equal(charge(response), 0.12);
});

await test("images.generate with stream: usage at the end", async () => {
	const kinds = [];
	let usage = null;
	for await (const event of await client.images.generate({
		model: "painter", prompt: "a cat", stream: true,
		partial_images: 3 })) {
		kinds.push(event.type);
		usage = event.usage ?? usage;
	}
	assert.equal(kinds.at(-1), "image_generation.completed");
	assert.equal(usage.output_tokens, 272);
});

await test("images.edit: the form goes as it is", async () => {
	const { data, response } = await client.images.edit({ model: "picture",
		image: await picture(), prompt: "a hat" }).withResponse();
	assert.equal(data.data.length, 1);
	assert.equal(charge(response), 0.04);
});

await test("audio.transcriptions: paid by its seconds", async () => {
	const { data, response } = await client.audio.transcriptions.create(
		{ model: "listener", file: await sound() }).withResponse();
	assert.equal(data.text, "hello");
	assert.equal(charge(response), 0.001234);
});

await test("audio.transcriptions with stream", async () => {
	let text = "";
	for await (const event of await client.audio.transcriptions.create({
		model: "scribe", file: await sound(), stream: true }))
		text += event.delta ?? "";
	assert.equal(text, "hello you!");
});

await test("audio.transcriptions as text", async () => {
	const text = await client.audio.transcriptions.create({ model: "listener",
		file: await sound(), response_format: "srt" });
	assert.match(text, /hello/);
});

await test("audio.translations", async () => {
	const got = await client.audio.translations.create(
		{ model: "listener", file: await sound() });
	assert.equal(got.text, "hello");
});

await test("audio.speech: bytes", async () => {
	const response = await client.audio.speech.create(
		{ model: "voice", voice: "alloy", input: "good day" });
	assert.match(response.headers.get("content-type"), /^audio\//);
	assert.ok((await response.arrayBuffer()).byteLength > 10000);
});

await test("moderations.create", async () => {
	const got = await client.moderations.create(
		{ model: "judge", input: "nice" });
	assert.equal(got.results[0].flagged, false);
});

await test("a model without a price for it is a typed error", async () => {
	await assert.rejects(
		client.images.generate({ model: "voice", prompt: "a cat" }),
		(error) => error instanceof OpenAI.BadRequestError &&
			error.code === "model_not_priced");
});

await test("a model that nobody sells is a typed error", async () => {
	await assert.rejects(
		client.audio.transcriptions.create({ model: "nobody",
			file: await sound() }), OpenAI.NotFoundError);
});

done();
