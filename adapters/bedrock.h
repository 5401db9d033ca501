#pragma once
/*
 * Bedrock's Converse, between its units: bedrock.c reads and bills,
 * bedrock_write.c writes a request, bedrock_blocks.c its messages.
 */
#include "adapters/names.h"
#include "adapters/wires.h"

/* Of tools, and of calls' ids. */
extern const struct name_rule bedrock_names;

enum err bedrock_write(struct writing *w);
/* "system" and "messages". */
void bedrock_put_system(struct writing *w);
void bedrock_put_messages(struct writing *w);
/* A place up to which the model's provider keeps what it read, as a member
 * of a list; named as lost where the model cannot. */
void bedrock_put_mark(struct writing *w, bool cached, struct str ttl);
/* Has the conversation calls or results of tools. */
bool bedrock_used_tools(const struct conversation *c);
/* Whose model; what an id says that is an ARN of the customer's own is not
 * known: all of them are false. */
bool bedrock_is_claude(const struct writing *w);
bool bedrock_is_nova(const struct writing *w);
