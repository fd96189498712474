/*
 * What could not become an event, kept with its exact bytes, the reason and the place of the fault,
 * so that an operator can look at it and replay it after a fix. Landed in the same transaction as
 * the batch it came with: the bus is acknowledged, nothing loops and nothing is lost.
 */
#ifndef INGESTD_DEAD_LETTER_H
#define INGESTD_DEAD_LETTER_H

#include "common/base/strbuf.h"
#include "ingestd/reading/fault.h"

/* All slices borrowed; empty = unknown. */
struct dead_letter {
	const char *reason;   /* code, e.g. "missing_tenant"; a literal */
	const char *severity; /* "warning" or "critical"; a literal */
	const char *source;   /* the door: "events", "pubsub_push" */
	struct slice place;   /* what and where, in one sentence */
	struct slice tenant_id, event_id, subject, producer;
	struct slice body, attributes;
	struct slice transport; /* what else a replay must know: transport_record.h */
};

/* "critical" for faults that mean a producer is broken for good, else "warning". */
const char *dead_letter_severity(enum fault_code code);

/* Appends its tuple in the column order of land_batch_dead.sql. */
void dead_letter_encode(const struct dead_letter *d, struct strbuf *out);

#endif
