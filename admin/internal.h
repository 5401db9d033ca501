#pragma once
/*
 * What workers ask of the admin process for their clients, on the Unix socket
 * only: the worker has checked the client's key and says which one it is.
 * Pages answer for that key and for no other.
 */
#include "admin/process.h"

void internal_usage(struct page *p, struct str body);
void internal_idem(struct page *p, struct str body);
void internal_receipt(struct page *p, struct str body);
