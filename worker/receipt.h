#pragma once
/* Receipts, for the requests that ask for one. Private to worker/. */
#include "http/msg.h"
#include "worker/request.h"

/* On the head: x-tollgate-receipt: 1 */
void receipt_head(struct request *req, const struct http_head *head);
