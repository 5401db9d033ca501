// The smallest TAP producer: cases run one after the other; a case that
// throws is "not ok" and the next one runs.

let count = 0;
let failed = 0;

export async function test(name, body) {
	let error = null;
	try {
		await body();
	} catch (caught) {
		error = caught;
	}
	count += 1;
	if (error) {
		failed += 1;
		console.log(`not ok ${count} - ${name}`);
		const text = String(error.stack ?? error);
		console.log(text.split("\n").map((line) => `# ${line}`).join("\n"));
	} else {
		console.log(`ok ${count} - ${name}`);
	}
	return !error;
}

export function skipped(name, reason) {
	count += 1;
	console.log(`ok ${count} - ${name} # SKIP ${reason}`);
}

export function done() {
	console.log(`1..${count}`);
	process.exit(failed ? 1 : 0);
}
