// What the tests know about money: the usage that each answer reported, the
// mock's tally, the ledger's report, and the prices of run's configuration.
// All sums are BigInt: tokens, and nano-USD.

import { execFileSync } from "node:child_process";

const TOKENS = ["input_tokens", "cached_input_tokens", "cache_write_tokens",
	"output_tokens", "reasoning_tokens"];

// A decimal text in units of 10^-digits, exactly.
export function decimal(text, digits) {
	const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
	if (!match || (match[3] ?? "").length > digits)
		throw new Error(`not a decimal of ${digits} digits: ${text}`);
	const value = BigInt(match[2] + (match[3] ?? "").padEnd(digits, "0"));
	return match[1] ? -value : value;
}

// RFC 4180, header row; every row as an object.
export function csv(text) {
	const rows = [];
	let row = [];
	let cell = "";
	let quoted = false;
	for (let i = 0; i < text.length; i += 1) {
		const c = text[i];
		if (quoted && c === '"' && text[i + 1] === '"') {
			cell += '"';
			i += 1;
		} else if (c === '"') {
			quoted = !quoted;
		} else if (!quoted && c === ",") {
			row.push(cell);
			cell = "";
		} else if (!quoted && c === "\n") {
			row.push(cell.replace(/\r$/, ""));
			rows.push(row);
			row = [];
			cell = "";
		} else {
			cell += c;
		}
	}
	const [names, ...values] = rows;
	return values.map((line) => Object.fromEntries(
		names.map((name, i) => [name, line[i]])));
}

// Runs tollgate-ledger on the gateway's books.
export function ledger(...args) {
	return execFileSync(process.env.LEDGER,
		["-p", process.env.PREFIX, ...args], { encoding: "utf8" });
}

export function requests() {
	return csv(ledger("report", "requests", "--format", "csv"));
}

// The charge of a ledger row in nano-USD, computed here from its tokens: the
// price book is in pico-USD per token, the multiplier in parts per million,
// and there is one rounding, up.
export function charge(row, prices) {
	const price = prices[row.model_requested];
	const [input, cached, written, output, reasoning] =
		TOKENS.map((name) => BigInt(row[name]));
	const pico = (name, otherwise) =>
		decimal(price[name] ?? price[otherwise] ?? "0", 6);
	const sum = input * pico("input") + cached * pico("cache_read", "input") +
		written * pico("cache_write", "input") +
		output * pico("output") + reasoning * pico("reasoning", "output");
	const scaled = sum * decimal(row.multiplier, 6);
	const unit = 1000n * 1000000n;
	return (scaled + unit - 1n) / unit;
}

// Sums of the ledger's rows: as a provider counts, input with cached input
// and output with reasoning.
export function totals(rows) {
	const sum = { requests: 0n, prompt: 0n, completion: 0n, cached: 0n,
		reasoning: 0n };
	for (const row of rows) {
		const [input, cached, written, output, reasoning] =
			TOKENS.map((name) => BigInt(row[name]));
		sum.requests += 1n;
		sum.prompt += input + cached + written;
		sum.completion += output + reasoning;
		sum.cached += cached;
		sum.reasoning += reasoning;
	}
	return sum;
}
