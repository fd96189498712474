/*
 * L3: what we publish. An event is one row of analytics_run.outbox, written in the transaction of
 * what it tells about; a relay sends the rows of a key in their order, at least once. This makes
 * the envelope (shape E1) around a payload.
 */
#ifndef COMMON_OUTBOX_H
#define COMMON_OUTBOX_H

#include "common/base/strbuf.h"

struct outbox_event {
	const char *id;        /* "evt_<ULID>"; NULL: a new one */
	const char *subject;   /* "melmastoon.analytics.data_quality.alert.v1" */
	const char *tenant_id; /* NULL: the platform */
	const char *ordering_key;
	const char *correlation_id; /* NULL: a new one */
	const char *traceparent;    /* NULL: none */
	const char *instance;
	const char *retention_class; /* "operational_2y" */
	struct slice payload;        /* JSON object */
};

/* Appends the envelope; its time is now. */
void outbox_envelope(const struct outbox_event *ev, struct strbuf *out);

#endif
