// The SDKs of Anthropic (both major versions), Google and Vercel.

import Anthropic1 from "@anthropic-ai/sdk";
import Anthropic0 from "anthropic-0";
import { ApiError, GoogleGenAI } from "@google/genai";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, generateText, jsonSchema, streamText, tool }
	from "ai";
import * as s from "./shared.mjs";

function anthropic(Anthropic, { base, key, model }) {
	const client = new Anthropic({ apiKey: key, baseURL: base,
		maxRetries: 0 });
	const body = (content, more) => ({ model, max_tokens: 1024,
		messages: [{ role: "user", content }], ...more });
	const tools = s.TOOLS.map(({ name, description, schema }) => ({
		name, description, input_schema: schema }));
	const text = (got) => got.content.filter((block) =>
		block.type === "text").map((block) => block.text).join("");
	const made = (got) => got.content.filter((block) =>
		block.type === "tool_use");
	const calls = (got) => made(got).map(({ name, input }) =>
		({ name, args: input }));
	const ask = (...args) => client.messages.create(body(...args));
	return {
		create: async () => text(await ask(s.HELLO)),
		stream: async () => text(await client.messages.stream(
			body(s.HELLO)).finalMessage()),
		async tools() {
			const got = await ask(s.ONE_CALL, { tools });
			const last = await ask(s.ONE_CALL, { tools, messages: [
				{ role: "user", content: s.ONE_CALL },
				{ role: "assistant", content: got.content },
				{ role: "user", content: made(got).map((block, i) => ({
					type: "tool_result", tool_use_id: block.id,
					content: s.result(i) })) }] });
			return [calls(got), text(last)];
		},
		parallel: async () => calls(await client.messages.stream(
			body(s.CALLS, { tools })).finalMessage()),
		structured: async () => JSON.parse(text(await ask("as JSON", {
			output_config: { format: { type: "json_schema",
				schema: s.PERSON } } }))),
		image: () => ask([{ type: "text", text: "what" },
			{ type: "image", source: { type: "base64",
				media_type: "image/png", data: s.PNG } }]),
		count: async () => (await client.messages.countTokens({ model,
			messages: [{ role: "user", content: "hello" }] }))
			.input_tokens,
		error: () => ask(s.FAILURE),
		isBadRequest: (error) => error instanceof Anthropic.BadRequestError,
	};
}

export const anthropic1 = (how) => anthropic(Anthropic1, how);
export const anthropic0 = (how) => anthropic(Anthropic0, how);

export function genai({ base, key, model }) {
	const client = new GoogleGenAI({ apiKey: key,
		httpOptions: { baseUrl: base } });
	const ask = (contents, config) => client.models.generateContent({
		model, contents, config });
	const tools = [{ functionDeclarations: s.TOOLS.map(
		({ name, description, schema }) => ({ name, description,
			parametersJsonSchema: schema })) }];
	const calls = (list) => (list ?? []).map(({ name, args }) =>
		({ name, args }));
	const drain = async (contents, config) => {
		const all = { text: "", calls: [] };
		for await (const chunk of await client.models.generateContentStream(
			{ model, contents, config })) {
			all.text += chunk.text ?? "";
			all.calls.push(...chunk.functionCalls ?? []);
			all.usage = chunk.usageMetadata;
		}
		if (!all.usage?.totalTokenCount)
			throw new Error("no usage");
		return all;
	};
	return {
		create: async () => (await ask(s.HELLO)).text,
		stream: async () => (await drain(s.HELLO)).text,
		async tools() {
			const contents = [{ role: "user",
				parts: [{ text: s.ONE_CALL }] }];
			const got = await ask(contents, { tools });
			contents.push(got.candidates[0].content, { role: "user",
				parts: got.functionCalls.map(({ id, name }, i) => ({
					functionResponse: { id, name,
						response: { result: s.result(i) } } })) });
			return [calls(got.functionCalls),
				(await ask(contents, { tools })).text];
		},
		parallel: async () => calls((await drain(s.CALLS,
			{ tools })).calls),
		structured: async () => JSON.parse((await ask("as JSON", {
			responseMimeType: "application/json",
			responseJsonSchema: s.PERSON })).text),
		image: () => ask([{ role: "user", parts: [{ text: "what" },
			{ inlineData: { mimeType: "image/png", data: s.PNG } }] }]),
		count: async () => (await client.models.countTokens({ model,
			contents: "hello" })).totalTokens,
		error: () => ask(s.FAILURE),
		isBadRequest: (error) => error instanceof ApiError &&
			error.status === 400,
	};
}

function vercel(model, providerOptions) {
	const tools = Object.fromEntries(s.TOOLS.map(
		({ name, description, schema }) => [name, tool({ description,
			inputSchema: jsonSchema(schema) })]));
	const ask = (more) => generateText({ model, maxRetries: 0,
		providerOptions, ...more });
	const calls = (list) => list.map(({ toolName, input }) =>
		({ name: toolName, args: input }));
	const streamed = (more) => {
		let failure = null;
		const got = streamText({ model, maxRetries: 0, providerOptions,
			...more,
			onError: ({ error }) => { failure = error; } });
		return { got, failure: () => failure };
	};
	return {
		create: async () => (await ask({ prompt: s.HELLO })).text,
		async stream() {
			const { got, failure } = streamed({ prompt: s.HELLO });
			const text = await got.text;
			if (failure())
				throw failure();
			return text;
		},
		async tools() {
			const messages = [{ role: "user", content: s.ONE_CALL }];
			const got = await ask({ messages, tools });
			messages.push(...got.response.messages, { role: "tool",
				content: got.toolCalls.map((call, i) => ({
					type: "tool-result", toolCallId: call.toolCallId,
					toolName: call.toolName,
					output: { type: "text", value: s.result(i) } })) });
			const last = await ask({ messages, tools });
			return [calls(got.toolCalls), last.text];
		},
		async parallel() {
			const { got, failure } = streamed({ prompt: s.CALLS, tools });
			const list = await got.toolCalls;
			if (failure())
				throw failure();
			return calls(list);
		},
		structured: async () => (await ask({ prompt: "as JSON",
			output: Output.object({ schema: jsonSchema(s.PERSON) }) }))
			.output,
		image: () => ask({ messages: [{ role: "user", content: [
			{ type: "text", text: "what" },
			{ type: "image", image: s.PNG,
				mediaType: "image/png" }] }] }),
		error: () => ask({ prompt: s.FAILURE }),
		isBadRequest: (error) => APICallError.isInstance(error) &&
			error.statusCode === 400,
	};
}

export const aiChat = ({ base, key, model }) => vercel(
	createOpenAI({ apiKey: key, baseURL: `${base}/v1` }).chat(model));
export const aiResponses = ({ base, key, model }) => vercel(
	createOpenAI({ apiKey: key, baseURL: `${base}/v1` })(model),
	// nothing is stored here: items of earlier answers come whole
	{ openai: { store: false } });
export const aiAnthropic = ({ base, key, model }) => vercel(
	createAnthropic({ apiKey: key, baseURL: `${base}/v1` })(model));
export const aiGoogle = ({ base, key, model }) => vercel(
	createGoogleGenerativeAI({ apiKey: key,
		baseURL: `${base}/v1beta` })(model));
export const aiCompatible = ({ base, key, model }) => vercel(
	createOpenAICompatible({ name: "tollgate", apiKey: key,
		baseURL: `${base}/v1`, includeUsage: true,
		supportsStructuredOutputs: true })(model));
