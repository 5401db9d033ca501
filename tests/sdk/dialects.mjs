// Each official SDK against each upstream dialect: a TAP line a cell, and
// the matrix as comments. What to ask is in $CELLS:
// [{"speech", "upstream", "base", "key", "model", "missing"}]

import assert from "node:assert/strict";
import * as s from "./shared.mjs";
import { chat, langchain, responses } from "./sdk_openai.mjs";
import { aiAnthropic, aiChat, aiCompatible, aiGoogle, aiResponses,
	anthropic0, anthropic1, genai } from "./sdk_others.mjs";
import { done, skipped, test } from "./tap.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;
const cells = JSON.parse(process.env.CELLS);
const witness = process.env.WITNESS;

const SDKS = [
	["openai chat", "chat", chat],
	["openai responses", "responses", responses],
	["anthropic 1", "messages", anthropic1],
	["anthropic 0", "messages", anthropic0],
	["google genai", "gemini", genai],
	["ai openai", "responses", aiResponses],
	["ai openai chat", "chat", aiChat],
	["ai compatible", "chat", aiCompatible],
	["ai anthropic", "messages", aiAnthropic],
	["ai google", "gemini", aiGoogle],
	["langchain", "chat", langchain],
];

// What an SDK does by way of something that the upstream does not have.
const CANNOT = {
	"ai anthropic to ollama: structured": "forces a tool",
};

const call = (i) => ({ name: s.TOOLS[i % 2].name, args: {
	city: s.CITIES[i], days: i,
	opts: { deep: true, list: [1, 2.5, null] } } });

async function last(cell) {
	const answer = await fetch(`${witness}/_last?model=${cell.seen}`);
	return (await answer.json()).seen;
}

const SCENARIOS = {
	async create(sdk) {
		assert.equal(await sdk.create(), s.TEXT);
	},
	async stream(sdk) {
		assert.equal(await sdk.stream(), s.TEXT);
	},
	async tools(sdk) {
		const [calls, text] = await sdk.tools();
		assert.deepEqual(calls, [call(0)]);
		// One SDK wraps the result in an object.
		assert.ok(text.startsWith("RESULTS:") &&
			text.includes(s.result(0)), text);
	},
	async parallel(sdk) {
		assert.deepEqual(await sdk.parallel(), [0, 1, 2].map(call));
	},
	async structured(sdk) {
		assert.deepEqual(await sdk.structured(), s.ADA);
	},
	async image(sdk, cell) {
		await sdk.image();
		const { turns } = await last(cell);
		const part = turns[0].parts.find((one) => one.image);
		assert.equal(part.image.data, s.PNG);
	},
	async error(sdk) {
		let error = null;
		try {
			await sdk.error();
		} catch (caught) {
			error = caught;
		}
		assert.ok(error, "nothing was thrown");
		assert.ok(sdk.isBadRequest(error), String(error.stack ?? error));
	},
	async count(sdk) {
		assert.ok(await sdk.count() > 0);
	},
};

const rows = [];
for (const [name, speech, make] of SDKS) {
	for (const cell of cells.filter((one) => one.speech === speech)) {
		const sdk = make(cell);
		const marks = [];
		for (const [what, run] of Object.entries(SCENARIOS)) {
			if (!(what in sdk))
				continue;
			const title = `${name} to ${cell.upstream}: ${what}`;
			if (cell.missing ?? CANNOT[title]) {
				skipped(title, cell.missing ?? CANNOT[title]);
				marks.push("-");
			} else {
				marks.push(await test(title, () => run(sdk, cell)) ?
					"x" : "F");
			}
		}
		rows.push([name, cell.upstream, marks.join("")]);
	}
}

console.log(`# marks: ${Object.keys(SCENARIOS).join(" ")}; x = passed, ` +
	"F = failed, - = skipped");
const upstreams = [...new Set(rows.map((row) => row[1]))];
for (const [name] of SDKS) {
	const mine = rows.filter((row) => row[0] === name);
	console.log(`# ${name.padEnd(18)}` + upstreams.map((upstream) => {
		const row = mine.find((one) => one[1] === upstream);
		return ` ${upstream}:${row ? row[2] : ""}`;
	}).join(""));
}
done();
