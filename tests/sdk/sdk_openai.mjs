// The SDK openai: chat completions and responses; and LangChain upon it.

import OpenAI from "openai";
import { ChatOpenAI } from "@langchain/openai";
import { AIMessageChunk, HumanMessage, ToolMessage }
	from "@langchain/core/messages";
import * as s from "./shared.mjs";

const DATA = `data:image/png;base64,${s.PNG}`;
const parsed = (name, text) => ({ name, args: JSON.parse(text) });

export function chat({ base, key, model }) {
	const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`,
		maxRetries: 0 });
	const ask = (more) => client.chat.completions.create({ model, ...more });
	const user = (content) => [{ role: "user", content }];
	const tools = s.TOOLS.map(({ name, description, schema }) => ({
		type: "function",
		function: { name, description, parameters: schema } }));
	const calls = (message) => (message.tool_calls ?? []).map((call) =>
		parsed(call.function.name, call.function.arguments));
	return {
		async create() {
			const got = await ask({ messages: user(s.HELLO) });
			return got.choices[0].message.content;
		},
		async stream() {
			const runner = client.chat.completions.stream({ model,
				messages: user(s.HELLO),
				stream_options: { include_usage: true } });
			const got = await runner.finalChatCompletion();
			if (!got.usage.total_tokens)
				throw new Error("no usage");
			return got.choices[0].message.content;
		},
		async tools() {
			const messages = user(s.ONE_CALL);
			const { message } = (await ask({ messages, tools })).choices[0];
			messages.push(message, ...message.tool_calls.map(
				(call, i) => ({ role: "tool", tool_call_id: call.id,
					content: s.result(i) })));
			const last = await ask({ messages, tools });
			return [calls(message), last.choices[0].message.content];
		},
		async parallel() {
			const runner = client.chat.completions.stream({ model, tools,
				messages: user(s.CALLS) });
			const got = await runner.finalChatCompletion();
			return calls(got.choices[0].message);
		},
		async structured() {
			const got = await client.chat.completions.parse({ model,
				messages: user("as JSON"),
				response_format: { type: "json_schema", json_schema: {
					name: "person", strict: true, schema: s.PERSON } } });
			return JSON.parse(got.choices[0].message.content);
		},
		async image() {
			await ask({ messages: user([{ type: "text", text: "what" },
				{ type: "image_url", image_url: { url: DATA } }]) });
		},
		error: () => ask({ messages: user(s.FAILURE) }),
		isBadRequest: (error) => error instanceof OpenAI.BadRequestError,
	};
}

export function responses({ base, key, model }) {
	const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`,
		maxRetries: 0 });
	const ask = (more) => client.responses.create({ model, store: false,
		...more });
	const tools = s.TOOLS.map(({ name, description, schema }) => ({
		type: "function", name, description, parameters: schema,
		strict: false }));
	const made = (got) => got.output.filter((item) =>
		item.type === "function_call");
	const calls = (got) => made(got).map((item) =>
		parsed(item.name, item.arguments));
	return {
		async create() {
			return (await ask({ input: s.HELLO })).output_text;
		},
		async stream() {
			const runner = client.responses.stream({ model, input: s.HELLO });
			return (await runner.finalResponse()).output_text;
		},
		async tools() {
			const input = [{ role: "user", content: s.ONE_CALL }];
			const got = await ask({ input, tools });
			input.push(...got.output, ...made(got).map((item, i) => ({
				type: "function_call_output", call_id: item.call_id,
				output: s.result(i) })));
			return [calls(got), (await ask({ input, tools })).output_text];
		},
		async parallel() {
			const runner = client.responses.stream({ model, tools,
				input: s.CALLS });
			return calls(await runner.finalResponse());
		},
		async structured() {
			const got = await client.responses.parse({ model,
				input: "as JSON", text: { format: { type: "json_schema",
					name: "person", strict: true, schema: s.PERSON } } });
			return JSON.parse(got.output_text);
		},
		async image() {
			await ask({ input: [{ role: "user", content: [
				{ type: "input_text", text: "what" },
				{ type: "input_image", image_url: DATA,
					detail: "auto" }] }] });
		},
		error: () => ask({ input: s.FAILURE }),
		isBadRequest: (error) => error instanceof OpenAI.BadRequestError,
	};
}

export function langchain({ base, key, model }) {
	const client = new ChatOpenAI({ model, apiKey: key, maxRetries: 0,
		configuration: { baseURL: `${base}/v1` } });
	const tools = s.TOOLS.map(({ name, description, schema }) => ({
		type: "function",
		function: { name, description, parameters: schema } }));
	const calls = (message) => message.tool_calls.map(({ name, args }) =>
		({ name, args }));
	const drain = async (stream) => {
		let all = new AIMessageChunk("");
		for await (const chunk of stream)
			all = all.concat(chunk);
		return all;
	};
	return {
		create: async () => (await client.invoke(s.HELLO)).content,
		stream: async () => (await drain(await client.stream(s.HELLO)))
			.content,
		async tools() {
			const bound = client.bindTools(tools);
			const messages = [new HumanMessage(s.ONE_CALL)];
			const got = await bound.invoke(messages);
			messages.push(got, ...got.tool_calls.map((call, i) =>
				new ToolMessage({ content: s.result(i),
					tool_call_id: call.id })));
			return [calls(got), (await bound.invoke(messages)).content];
		},
		parallel: async () => calls(await drain(
			await client.bindTools(tools).stream(s.CALLS))),
		structured: () => client.withStructuredOutput(
			{ title: "person", ...s.PERSON },
			{ method: "jsonSchema", name: "person" }).invoke("as JSON"),
		image: () => client.invoke([new HumanMessage({ content: [
			{ type: "text", text: "what" },
			{ type: "image_url", image_url: { url: DATA } }] })]),
		error: () => client.invoke(s.FAILURE),
		isBadRequest: (error) => error.status === 400,
	};
}
