#pragma once
/* The child's side of a fork. */
#include "master/master.h"

/* Becomes the role; never returns. */
__attribute__((noreturn)) void role_enter(const struct child *c);
