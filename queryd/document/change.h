/*
 * One change of what users make, as one transaction:
 *
 *	the caller; the idempotency key, locked and looked up; what must be locked; the effect;
 *	the revision as it is now; the event; the answer, kept under the key
 *
 * Either all of it is there afterwards or nothing, wherever a crash came. The same request again
 * finds the kept answer and has no effect: same status, body, ETag and Location for 24 hours. A
 * request that is refused leaves no trace, and its key is free. While one is being answered another
 * with its key does not wait: 409 with Retry-After.
 *
 * Who changed a dashboard is answered once Redis knows its version (or is away), so that whichever
 * process he asks next does not show what it remembers (widget_list.h).
 *
 * A statement that has an effect says so to the ones after it in settings of the transaction:
 * analytics.effect (the document that answers) and analytics.dashboard (what is revised and told).
 */
#ifndef QUERYD_DOCUMENT_CHANGE_H
#define QUERYD_DOCUMENT_CHANGE_H

#include "queryd/document/documents.h"

/* What the effect's first column may say instead of null. */
struct change_refusal {
	const char *name;
	const struct document_absence *absence; /* else: */
	enum problem_code code;
	const char *field;  /* of its violation; NULL: it has none */
	const char *detail; /* NULL: the effect's second column says it */
};

struct change {
	const char *operation; /* "dashboards.create": POST, with a key; NULL: PUT and DELETE */
	int status;
	const char *location; /* path before the id; NULL: no Location */
	struct pgstmt lock;   /* no statement: nothing is locked first */
	struct pgstmt effect;
	const struct sql_stmt *revision; /* keep_*_revision; NULL: none */
	const char *action;              /* in the history: "created" */
	const char *subject, *more; /* of the event, and members of its payload; NULL: no event */
	const struct change_refusal *refusals; /* ended by name NULL */
	/* Answers with the kept document; NULL: as it is. */
	void (*reply)(const struct call *c, int status, struct slice document);
};

/* The key of the request, in its arena; false: answered 400. Before anything else of a POST. */
bool change_key(const struct call *c, const char **ret);
/* Everything in `how` lives as long as the request, or is constant. */
void change_start(const struct call *c, const struct change *how);
/* Up to three parameters of a statement, which live as long as the request; the texts do already.
 */
const char *const *change_params(const struct call *c, const char *first, const char *second,
				 const char *third);
/* A new "<prefix>_<ULID>" in the request's arena. */
const char *change_new_id(const struct call *c, const char *prefix);

#endif
