#pragma once
/*
 * Endpoints that are passed through: pictures, speech, moderations, reranks.
 * Requests and answers are the upstream's and the client's own bytes, but for
 * the model's name; here is what they mean for the bill. A new one is a row
 * of the table. Pure.
 */
#include "adapters/chat.h"
#include "base/units.h"

/* What a service is counted in besides tokens, and what that says. */
enum service_counts {
	COUNTS_NOTHING,
	COUNTS_IMAGES,	   /* of the answer */
	COUNTS_SOUND,	   /* of the request: milliseconds */
	COUNTS_CHARACTERS, /* of the request's text */
	COUNTS_SEARCHES,   /* of the answer */
};

struct service {
	const char *path; /* as OpenAI has it, with its version */
	enum service_counts counts;
	bool json; /* the request may be JSON */
	bool form; /* or a form (multipart/form-data) */
	bool any;  /* answers may be something else than JSON */
	bool events;
};

extern const struct service service_images;
extern const struct service service_image_edits;
extern const struct service service_image_variations;
extern const struct service service_transcriptions;
extern const struct service service_translations;
extern const struct service service_speech;
extern const struct service service_moderations;
extern const struct service service_rerank;
extern const struct service service_rerank_v2;

/* Below a base_url that has the version already, or not. */
struct str service_path(const struct service *s, bool version);

/* Reads a JSON body; on an error *detail names the field or the place. */
NODISCARD enum err service_parse(struct arena *a, struct ask *ask,
				 const char **detail);
/* A field of a form, not a file; unknown ones are not the gateway's. */
NODISCARD enum err service_field(struct arena *a, struct ask *ask,
				 struct str name, struct str value,
				 const char **detail);
/* Is that a field the gateway acts on: *known is its name. */
bool service_knows(struct str name, const char **known);
/* The file of a form. */
void service_file(struct ask *ask, struct str content);
/* Behind the last field: what is missing, and what can be counted now. */
NODISCARD enum err service_fields_end(struct ask *ask, const char **detail);

/* Estimates: tokens of the request's text, files and sound; `most`: hardly ever
 * more. */
uint64_t service_input(const struct ask *ask, uint32_t bytes_per_token_milli,
		       bool most);
/* Tokens of one picture of the answer. */
uint64_t service_image_tokens(const struct ask *ask, bool most);

/* The body with the upstream's name of the model in its place. */
void service_patch(const struct ask *ask, struct str model,
		   struct str model_json, struct pieces *out);

/*
 * What an answer says for the bill: usage.present where it has tokens, units
 * where it has them. E_UP_SERVER_ERROR: an error inside a 200.
 */
NODISCARD enum err service_answer(const struct ask *ask, struct str body,
				  struct answer *out);
/* An event of its stream: last, usage and units of this one. */
NODISCARD enum err service_event(const struct ask *ask, struct str data,
				 struct delta *out);
