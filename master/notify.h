#pragma once
/* The service manager: sd_notify(3) by hand. Without NOTIFY_SOCKET nothing
 * happens. */
#include <stdint.h>

/* "READY=1", "STOPPING=1", ...; several lines are allowed. */
void notify_send(const char *state);
/* "RELOADING=1" with the time that it must carry. */
void notify_reloading(void);
/* "MAINPID=" and this process, ready. */
void notify_main_pid(void);
/* How often "WATCHDOG=1" is due, half the manager's limit; 0 = never. */
uint64_t notify_watchdog_ns(void);
