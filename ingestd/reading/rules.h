/*
 * The rule table as data, and the platform facts that rules need. Private to the envelope reader
 * and its tests.
 */
#ifndef INGESTD_RULES_H
#define INGESTD_RULES_H

#include "ingestd/reading/envelope.h"
#include "ingestd/reading/scan.h"

/* A source's value. Not null, and there. */
struct rule_value {
	const char *source; /* as the rule names it */
	enum scan_kind kind;
	struct slice text;   /* a string's inside; of others, the JSON text */
	bool escaped;        /* a string that must be unescaped */
	bool from_transport; /* a string whose bytes nobody has validated */
};

struct rule {
	size_t offset; /* of the member of struct event that it fills */
	size_t text_max;
	/* Fills the member if the value is right, else returns false and leaves it alone. */
	bool (*take)(struct event *ev, const struct rule *rule, const struct rule_value *v);
	const char *sources[8]; /* unused ones NULL */
};

enum rule_id {
#define RULE(id, ...) RULE_##id,
#include "ingestd/reading/rules.def"
#undef RULE
	RULE_COUNT,
};

extern const struct rule rules[RULE_COUNT];

/* May an event of this subject be without a tenant: with an explicit null, with none at all? */
bool rules_tenant_may_be_null(struct slice subject);
bool rules_tenant_may_be_absent(struct slice subject);

/* Does the producer behind this domain give a new id to each delivery of one event? */
bool rules_unstable_ids(struct slice domain);

/* The spelling that the rules use for an attribute whose name came without its case, as headers do;
 * NULL when no rule looks at it. */
const char *rules_attribute(struct slice name);

/* The segment of a valid subject: 1 is the domain; -1 the version `v<n>`, -2 the verb. */
struct slice rules_subject_segment(struct slice subject, int at);

#endif
