#pragma once
/* Cohere's chat, between its units: cohere.c reads, cohere_write.c writes. */
#include "adapters/names.h"
#include "adapters/wires.h"

/* Of tools. */
extern const struct name_rule cohere_names;

enum err cohere_write(struct writing *w);
