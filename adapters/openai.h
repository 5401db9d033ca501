#pragma once
/* The parts of OpenAI as an upstream; private to adapters/. */
#include "adapters/adapter.h"
#include "adapters/names.h"

/* openai.c: what wires of this dialect share, for chats and vectors. */
struct str openai_path(struct arena *a, const struct ask *ask,
		       const struct target *t);
/* Has base_url a segment like v1 or v1beta: the version is there already. */
bool openai_has_version(struct str path);
enum err openai_parse_answer(const struct ask *ask, struct str body,
			     struct answer *out);
void openai_parse_error(int status, struct str type, struct str body,
			struct upstream_error *out);
/* Where Azure has its deployments. */
struct str openai_azure_path(struct arena *a, const struct ask *ask,
			     const struct target *t);

/* openai_patch.c: the client's own bytes, patched. */
enum err openai_patch(struct arena *a, const struct ask *ask,
		      const struct target *t, struct pieces *out);

/* openai_chat.c: a conversation as a chat request. */
enum err openai_write(struct writing *w);

/* Of tools and functions. */
extern const struct name_rule openai_names;

/* openai_messages.c: its "messages". A cache mark is for any object. */
void openai_put_messages(struct writing *w);
void openai_put_mark(struct writing *w, bool cached, struct str ttl);
void openai_put_member(struct json_out *o, const char *name, struct str raw);
void openai_put_name(struct writing *w, struct str raw);
void openai_put_word(struct json_out *o, const char *name, const char *word);

#define QUIRK(w, name) (((w)->target->quirks & QUIRK_##name) != 0)

/* openai_thoughts.c: thinking, of clients' messages as well. */
struct openai_thought {
	bool redacted;
	bool has_text;
	bool whole; /* in our own words: all of a thought, signed */
	struct str text, signature, data; /* raw */
};
void openai_read_thought(struct json_value detail, struct openai_thought *out);
/* A string, or something else: there is none. */
struct json_value openai_thought_text(struct json_value message);
/* An array, or something else. */
struct json_value openai_thought_details(struct json_value message);
/* All of a message, to the end of a list of parts. */
enum err openai_read_thoughts(struct arena *a, struct json_value message,
			      struct part ***tail);

/* openai_pieces.c: answers for conversion. */
struct openai_call;
struct openai_source {
	bool begun;
	bool thought;		   /* its words came, not yet its signature */
	struct openai_call *calls; /* the newest first */
};
/* What an event says, by source_put(). */
struct openai_event {
	struct json_value id, model, choices;
};
enum err openai_put_pieces(struct source *s, const struct openai_event *e);
enum err openai_read_answer(struct arena *a, const struct ask *ask,
			    struct str body, struct reply *out);
enum finish openai_finish(struct json_value reason);
