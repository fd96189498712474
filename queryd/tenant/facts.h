/*
 * What is known of a tenant at one moment: where its properties are, which of its tables fail
 * checks, its own metrics, where its data lies, how much it is. Read from results; tenants.c says
 * when.
 */
#ifndef QUERYD_TENANT_FACTS_H
#define QUERYD_TENANT_FACTS_H

#include "queryd/tenant/extent.h"
#include "queryd/tenant/tenants.h"

struct place {
	char *property_id;
	int64_t utc_offset_s;
};

struct fault {
	char *table;
	enum quality quality;
};

struct facts {
	bool absent, deleted;
	int week_start; /* 0: not known, Monday */
	int64_t utc_offset_s;
	struct place *places; /* by property_id */
	size_t nplaces;
	struct fault *faults; /* tables with failing checks */
	size_t nfaults;
	struct metric_set *metrics; /* its own; NULL: none */
	struct residency *residency;
	struct extent *extent;
};

void facts_clear(struct facts *f);
/* Rows of read_places.sql. */
void facts_read_places(struct facts *f, const struct pgresult *r, size_t result);
/* Rows of list_quality.sql. */
void facts_read_quality(struct facts *f, const struct pgresult *r, size_t result);
/* Rows of list_own_metrics.sql. One that this binary cannot compute hides the tenant's others too:
 * it is said, and the metrics of the platform are served. */
void facts_read_metrics(struct facts *f, const struct pgresult *r, size_t result,
			const char *tenant_id);

/* Of the property, else (NULL, unknown) of the tenant. */
int64_t facts_utc_offset_s(const struct facts *f, const char *property_id);
enum quality facts_quality(const struct facts *f, const char *const *tables);

#endif
