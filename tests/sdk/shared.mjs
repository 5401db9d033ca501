// What every SDK is asked, and what the providers' program answers.

export const TEXT = 'Hello from the provider, a "quoted" word\nand a \\ ' +
	"backslash, a\ttab, </b> & Zürich, 日本語 face \u{1f600} and \u0001 " +
	"the end.";
export const CITIES = ['Zürich "HB"', "Tōkyō", "Ulm \\ Donau"];
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4" +
	"2mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const PERSON = {
	type: "object",
	properties: {
		name: { type: "string" },
		age: { type: "integer" },
		tags: { type: "array", items: { type: "string" } },
	},
	required: ["name", "age", "tags"],
	additionalProperties: false,
};
export const ADA = { name: "Ada", age: 36, tags: ["Ada"] };
export const PLACE = {
	type: "object",
	properties: {
		city: { type: "string", description: 'the "city"' },
		days: { type: "integer" },
		opts: { type: "object",
			properties: { deep: { type: "boolean" } } },
	},
	required: ["city"],
};
export const TOOLS = [
	{ name: "get_weather", description: "Weather", schema: PLACE },
	{ name: "get_time", description: "Time", schema: PLACE },
];

export const HELLO = "@@tag=sdk Say something.";
export const ONE_CALL = "@@tools=1 weather?";
export const CALLS = "@@tools=3 weather?";
export const FAILURE = "@@status=400 hello";
export const result = (i) => `sunny in ${i}`;
