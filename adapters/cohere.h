#pragma once
/* Cohere's chat, between its units: cohere.c reads, cohere_write.c writes. */
#include "adapters/wires.h"

enum err cohere_write(struct writing *w);
