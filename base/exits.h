#pragma once
/* Exit codes of all programs: part of what service managers and scripts
 * build on. */

enum exit_code {
	EXIT_FINE = 0,
	EXIT_RUNTIME = 1,     /* failed while running */
	EXIT_USAGE = 2,	      /* command line */
	EXIT_CONFIG = 3,      /* configuration invalid */
	EXIT_BIND = 4,	      /* cannot bind an address */
	EXIT_DAMAGED = 5,     /* the ledger is damaged */
	EXIT_UNREACHABLE = 6, /* tools: no server answers */
	EXIT_DIFFERS = 7,     /* tools: verification found a difference */
};
