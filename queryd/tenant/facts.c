/* What is known of a tenant; see facts.h. */
#include "queryd/tenant/facts.h"

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "queryd/compute/calendar.h"
#include "queryd/metric/metric.h"

void facts_clear(struct facts *f)
{
	for (size_t i = 0; i < f->nplaces; i++)
		free(f->places[i].property_id);
	for (size_t i = 0; i < f->nfaults; i++)
		free(f->faults[i].table);
	metric_set_unref(f->metrics);
	residency_free(f->residency);
	extent_free(f->extent);
	free(f->places);
	free(f->faults);
	*f = (struct facts){.places = NULL};
}

/* ---- reading */

/* weekend: an integer[] of ISO weekdays, or null. */
static int week_start_of(const char *weekend)
{
	unsigned days = 0;

	for (const char *p = weekend; p != NULL && *p != '\0'; p++)
		days |= *p >= '1' && *p <= '7' ? 1U << (*p - '0') : 0;
	return calendar_week_start(days);
}

void facts_read_places(struct facts *f, const struct pgresult *r, size_t result)
{
	size_t rows = pgresult_rows(r, result);

	f->places = xcalloc(rows, sizeof(*f->places));
	for (size_t i = 0; i < rows; i++) {
		const char *property = pgresult_text(r, result, i, 0);
		int64_t offset = pgresult_i64(r, result, i, 2);

		if (property == NULL) {
			f->week_start = week_start_of(pgresult_text(r, result, i, 3));
			f->deleted |= strcmp(pgresult_text(r, result, i, 1), "deleted") == 0;
			f->utc_offset_s = offset;
		} else {
			f->places[f->nplaces++] = (struct place){xstrdup(property), offset};
		}
	}
}

void facts_read_quality(struct facts *f, const struct pgresult *r, size_t result)
{
	size_t rows = pgresult_rows(r, result);

	f->faults = xcalloc(rows, sizeof(*f->faults));
	for (size_t i = 0; i < rows; i++) {
		bool failed = pgresult_bool(r, result, i, 1);

		f->faults[f->nfaults++] = (struct fault){xstrdup(pgresult_text(r, result, i, 0)),
							 failed ? QUALITY_FAILED : QUALITY_WARNING};
	}
}

void facts_read_metrics(struct facts *f, const struct pgresult *r, size_t result,
			const char *tenant_id)
{
	struct err bad = ERR_INIT;

	if (pgresult_rows(r, result) > 0 && metric_set_new(r, result, &f->metrics, &bad) < 0)
		log_error("metrics of the tenant not loaded", LOG_S("tenant_id", tenant_id),
			  LOG_S("error", bad.msg));
}

/* ---- questions */

static int compare_place(const void *key, const void *element)
{
	return strcmp(key, ((const struct place *)element)->property_id);
}

int64_t facts_utc_offset_s(const struct facts *f, const char *property_id)
{
	const struct place *p = NULL;

	if (property_id != NULL)
		p = bsearch(property_id, f->places, f->nplaces, sizeof(*p), compare_place);
	return p != NULL ? p->utc_offset_s : f->utc_offset_s;
}

enum quality facts_quality(const struct facts *f, const char *const *tables)
{
	enum quality worst = QUALITY_OK;

	for (; *tables != NULL; tables++) {
		for (size_t i = 0; i < f->nfaults; i++) {
			const struct fault *fault = &f->faults[i];

			if (strcmp(fault->table, *tables) == 0 && fault->quality > worst)
				worst = fault->quality;
		}
	}
	return worst;
}
