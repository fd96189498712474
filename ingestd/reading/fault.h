/*
 * What is wrong with an event, and where. The scanner, the envelope rules and the doors report
 * their findings in this one form; the batcher turns it into a dead letter or an entry of the
 * answer's `errors`. Holds static text and numbers only: nothing to free, valid for ever.
 */
#ifndef INGESTD_FAULT_H
#define INGESTD_FAULT_H

#include "common/base/base.h"

enum fault_code {
#define FAULT(id, name, meaning) FAULT_##id,
#include "ingestd/reading/fault.def"
#undef FAULT
	FAULT_COUNT,
};

struct fault {
	enum fault_code code;
	const char *what;   /* the finding, e.g. "expected ':'"; never NULL once code is set */
	const char *source; /* rule source ("envelope.tenantId", "@tenantId"); NULL: see offset */
	size_t offset;      /* byte of the text at which it was found, when source is NULL */
};

/* Sets f (which may be NULL) and returns -EINVAL. */
int fault_at_byte(struct fault *f, enum fault_code code, size_t offset, const char *what);
int fault_at_source(struct fault *f, enum fault_code code, const char *source, const char *what);

const char *fault_name(enum fault_code code);    /* "missing_tenant" */
const char *fault_meaning(enum fault_code code); /* for people */

#define FAULT_PLACE_MAX 64
/* "byte 17", "$.envelope.tenantId", "attributes.tenantId" or "message.messageId". */
void fault_place(const struct fault *f, char out[FAULT_PLACE_MAX]);

#endif
