#pragma once
/* What /proc says about other processes. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attrs.h"

/* In an uninterruptible system call. */
bool proc_waits_for_disk(pid_t pid);
/* By SIGSTOP, or a debugger. */
bool proc_is_stopped(pid_t pid);
/* A process of this program (by its name) that was started at about
 * `started_ms` (wall clock): so a pid that was used again is not taken for
 * the one that was written down. */
bool proc_is_ours(pid_t pid, uint64_t started_ms);
/* Certainly alive and of this program. */
bool proc_is_tollgate(pid_t pid);
/* Alive, and of this program or not to be seen. */
bool proc_lives(pid_t pid);
