/* Writing results; see result.h. */
#include "queryd/compute/result.h"

/* One number that grows whenever one of the tables changes. */
static int64_t data_version(const struct run *run, const struct run_report *report)
{
	int64_t total = 0;

	for (size_t i = 0; report != NULL && i < run->ntables; i++)
		total += report->versions[i];
	return total;
}

static void write_windows(const struct run *run, struct json_writer *w)
{
	jw_key(w, "dateRange");
	window_write(run->windows[WINDOW_ASKED], w);
	if (run->nwindows == 1)
		return;
	jw_key(w, "comparedTo");
	window_write(run->windows[WINDOW_COMPARED], w);
}

static void write_definitions(const struct request *r, struct json_writer *w)
{
	jw_key(w, "metricVersions");
	jw_object(w);
	for (size_t i = 0; i < r->nmetrics; i++) {
		jw_key(w, r->metrics[i]->key);
		jw_i64(w, r->metrics[i]->version);
	}
	jw_end(w);
	jw_key(w, "definitionHashes");
	jw_object(w);
	for (size_t i = 0; i < r->nmetrics; i++) {
		jw_key(w, r->metrics[i]->key);
		jw_str(w, r->metrics[i]->hash);
	}
	jw_end(w);
}

void result_write(const struct run *run, const struct table *t, const struct run_report *report,
		  struct strbuf *out)
{
	const char *next = table_next_cursor(t);
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	jw_key(&w, "columns");
	table_write_columns(t, &w);
	jw_key(&w, "rows");
	table_write_rows(t, &w);
	jw_key(&w, "totals");
	if (report != NULL)
		table_write_totals(t, &w);
	else
		jw_null(&w);
	jw_key(&w, "truncated");
	jw_bool(&w, next != NULL);
	jw_key(&w, "nextCursor");
	jw_str(&w, next);
	write_windows(run, &w);
	write_definitions(run->request, &w);
	jw_key(&w, "dataVersion");
	jw_i64(&w, data_version(run, report));
	jw_end(&w);
}
