#pragma once
/*
 * What a conversation needs of the one who answers it, whatever the dialect:
 * a look at the fields and parts that say so.
 */
#include "adapters/chat.h"

enum need {
	NEED_TOOLS = 1,	      /* tools that the model may call */
	NEED_VISION = 2,      /* images in the input */
	NEED_JSON_SCHEMA = 4, /* an answer by a schema */
	NEED_AUDIO = 8,	      /* sound in the input or wanted */
	NEED_FILE = 16,	      /* documents in the input */
};

/* After parse(); 0 for what is no conversation. */
unsigned ask_needs(const struct ask *ask);
