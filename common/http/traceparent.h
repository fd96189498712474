/*
 * L1: the W3C trace context of a request, `traceparent`: version, trace id, parent id, flags. Pure.
 * We carry it, as it came, to whatever we cause, and name its trace in our log lines; we make none.
 */
#ifndef COMMON_TRACEPARENT_H
#define COMMON_TRACEPARENT_H

#include "common/base/base.h"

#define TRACE_ID_LEN 32

/* NULL is not valid, nor is what a later version may have made of it beyond recognition. */
bool traceparent_valid(const char *text);
/* Of a valid one. */
void traceparent_trace_id(const char *text, char out[TRACE_ID_LEN + 1]);

#endif
