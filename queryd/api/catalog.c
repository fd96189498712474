/* Lists of metrics and projections; see catalog.h. */
#include "queryd/api/catalog.h"

#include <errno.h>

#include "common/base/json.h"
#include "common/base/num.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "queryd/compute/compute.h"
#include "sql_gen.h"

#define CURSOR_SEPARATOR '.'

int catalog_limit(const struct call *c, int64_t *ret)
{
	const char *text = httpd_query(c->http, "limit");

	*ret = PAGE_DEFAULT;
	if (text == NULL || num_i64(slice_of(text), 1, PAGE_MAX, ret) == 0)
		return 0;
	httpd_reply_violations(
		c->http, &(struct problem_violation){"limit", "must be an integer from 1 to 100"},
		1);
	return -EINVAL;
}

static void refuse_cursor(const struct call *c)
{
	httpd_reply_violations(c->http,
			       &(struct problem_violation){
				       "cursor", "must be the nextCursor of an earlier answer"},
			       1);
}

/* ---- metrics */

static void write_names(struct json_writer *w, const struct metric_def *m)
{
	jw_key(w, "dimensions");
	jw_array(w);
	jw_str(w, "date");
	for (int d = 0; d < DIM_FILTERS; d++) {
		if ((m->dimensions & DIM_BIT(d)) != 0)
			jw_str(w, dimension_name((enum dimension)d));
	}
	jw_end(w);
	jw_key(w, "granularities");
	jw_array(w);
	for (int g = GRANULARITY_DAY; g < GRANULARITY_COUNT; g++)
		jw_str(w, granularity_name((enum granularity)g));
	jw_end(w);
	jw_key(w, "sources");
	jw_array(w);
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		for (size_t t = 0; metric_uses_source(m, i) && sources[i].tables[t] != NULL; t++)
			jw_str(w, sources[i].tables[t]);
	}
	jw_end(w);
}

static void write_parts(struct json_writer *w, const struct metric_def *m)
{
	jw_key(w, "parts");
	jw_object(w);
	jw_key(w, "numerator");
	jw_str(w, m->numerator->name);
	jw_key(w, "denominator");
	jw_str(w, m->denominator != NULL ? m->denominator->name : NULL);
	jw_key(w, "shareOf");
	jw_str(w, m->share ? dimension_name(DIM_CHANNEL) : NULL);
	jw_end(w);
}

static void write_metric(struct json_writer *w, const struct metric_def *m, const char *publisher)
{
	jw_object(w);
	jw_key(w, "key");
	jw_str(w, m->key);
	jw_key(w, "version");
	jw_i64(w, m->version);
	jw_key(w, "display");
	jw_raw(w, slice_of(m->display));
	jw_key(w, "unit");
	jw_object(w);
	jw_key(w, "kind");
	jw_str(w, unit_name(m->unit));
	jw_end(w);
	write_names(w, m);
	jw_key(w, "freshnessSloSeconds");
	jw_i64(w, m->freshness_slo_s);
	jw_key(w, "definitionHash");
	jw_str(w, m->hash);
	jw_key(w, "publisher");
	jw_str(w, publisher);
	write_parts(w, m);
	jw_key(w, "archived");
	jw_bool(w, m->archived);
	jw_key(w, "archivedAt");
	jw_str(w, m->archived_at);
	jw_end(w);
}

/* "<key>.<version>" of the last one shown: the list goes on after it, whatever was published since.
 */
static bool read_cursor(const struct call *c, char *key, size_t size, int64_t *version)
{
	const char *text = httpd_query(c->http, "cursor");
	const char *dot = text != NULL ? strrchr(text, CURSOR_SEPARATOR) : NULL;

	key[0] = '\0';
	*version = 0;
	if (text == NULL)
		return true;
	if (dot == NULL || (size_t)(dot - text) >= size ||
	    num_i64(slice_of(dot + 1), 1, INT32_MAX, version) < 0) {
		refuse_cursor(c);
		return false;
	}
	memcpy(key, text, (size_t)(dot - text));
	key[dot - text] = '\0';
	return true;
}

static void write_cursor(struct json_writer *w, const struct metric_def *last)
{
	char text[160];

	jw_key(w, "nextCursor");
	if (last == NULL) {
		jw_null(w);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%c%d", last->key, CURSOR_SEPARATOR, last->version);
	jw_str(w, text);
}

/* The platform's and the tenant's own as one list in order. */
struct merged {
	const struct metric_set *sets[2]; /* NULL: none */
	size_t at[2];
};

static int compare_metrics(const struct metric_def *x, const struct metric_def *y)
{
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x->version > y->version) - (x->version < y->version);
}

/* NULL at the end. */
static const struct metric_def *next_metric(struct merged *m)
{
	const struct metric_def *first = NULL;
	size_t from = 0;

	for (size_t i = 0; i < ARRAY_SIZE(m->sets); i++) {
		const struct metric_def *d;

		if (m->sets[i] == NULL || m->at[i] == metric_set_count(m->sets[i]))
			continue;
		d = metric_set_at(m->sets[i], m->at[i]);
		if (first == NULL || compare_metrics(d, first) < 0) {
			first = d;
			from = i;
		}
	}
	if (first != NULL)
		m->at[from]++;
	return first;
}

void catalog_list_metrics(const struct call *c)
{
	struct merged all = {{registry_metrics(c->st->registry), tenant_metrics(c->tenant)},
			     {0, 0}};
	const struct metric_def *last = NULL, *m;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	char after[128];
	int64_t limit, version, shown = 0;
	bool more = false;

	if (catalog_limit(c, &limit) < 0 || !read_cursor(c, after, sizeof(after), &version))
		return;
	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "items");
	jw_array(&w);
	while (!more && (m = next_metric(&all)) != NULL) {
		int order = strcmp(m->key, after);

		if (order < 0 || (order == 0 && m->version <= version))
			continue;
		more = shown == limit;
		if (more)
			break;
		write_metric(&w, m, metric_has_key(all.sets[0], m->key) ? "platform" : "tenant");
		shown++;
		last = m;
	}
	jw_end(&w);
	write_cursor(&w, more ? last : NULL);
	jw_end(&w);
	httpd_reply_json(c->http, 200, &out);
	strbuf_clear(&out);
}

/* ---- projections */

struct listing {
	struct queryd *st;
	struct httpd_request *http;
	bool all_properties; /* of the caller */
	int64_t limit;
	struct pgstmt stmts[2];
};

static const char *find_row(const struct pgresult *r, size_t i, const char *name, size_t column,
			    size_t *ret_row)
{
	for (size_t row = 0; row < pgresult_rows(r, i); row++) {
		if (strcmp(pgresult_text(r, i, row, 0), name) == 0) {
			*ret_row = row;
			return pgresult_text(r, i, row, column);
		}
	}
	return NULL;
}

static void write_last_run(struct json_writer *w, const struct pgresult *r, size_t row, bool found)
{
	jw_key(w, "lastRun");
	if (!found) {
		jw_null(w);
		return;
	}
	jw_object(w);
	jw_key(w, "finishedAt");
	jw_str(w, pgresult_text(r, QUERY_RESULT, row, 2));
	jw_key(w, "rowsUpserted");
	jw_i64(w, pgresult_i64(r, QUERY_RESULT, row, 3));
	jw_key(w, "rowsDeleted");
	jw_i64(w, pgresult_i64(r, QUERY_RESULT, row, 4));
	jw_end(w);
}

static void write_progress(struct json_writer *w, const struct projection *p,
			   const struct pgresult *r)
{
	size_t row = 0, pending = 0;
	const char *watermark = find_row(r, QUERY_RESULT, p->table, 1, &row);
	int64_t age = 0;

	if (find_row(r, QUERY_RESULT + 1, p->consumer, 1, &pending) != NULL)
		age = pgresult_i64(r, QUERY_RESULT + 1, pending, 1);
	jw_key(w, "watermark");
	jw_str(w, watermark);
	jw_key(w, "freshnessSeconds");
	jw_i64(w, age);
	jw_key(w, "withinSlo");
	jw_bool(w, age <= p->freshness_slo_s);
	write_last_run(w, r, row, watermark != NULL);
}

static void write_no_progress(struct json_writer *w)
{
	static const char *const hidden[] = {"watermark", "freshnessSeconds", "withinSlo",
					     "lastRun"};

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		jw_key(w, hidden[i]);
		jw_null(w);
	}
}

static void write_projection(struct json_writer *w, const struct projection *p,
			     const struct listing *l, const struct pgresult *r)
{
	jw_object(w);
	jw_key(w, "key");
	jw_str(w, p->key);
	jw_key(w, "version");
	jw_i64(w, p->version);
	jw_key(w, "status");
	jw_str(w, p->status);
	jw_key(w, "freshnessSloSeconds");
	jw_i64(w, p->freshness_slo_s);
	if (l->all_properties)
		write_progress(w, p, r);
	else
		write_no_progress(w);
	jw_end(w);
}

/* The page after the cursor, which is the key of the last one shown; the list is in their order. */
static void write_page(struct json_writer *w, const struct listing *l, const struct pgresult *r)
{
	const char *after = httpd_query(l->http, "cursor"), *last = NULL;
	const struct registry *g = l->st->registry;
	bool more = false;
	int64_t shown = 0;

	jw_key(w, "items");
	jw_array(w);
	for (size_t i = 0; i < registry_projection_count(g); i++) {
		const struct projection *p = registry_projection_at(g, i);

		if (after != NULL && strcmp(p->key, after) <= 0)
			continue;
		more = shown++ == l->limit;
		if (more)
			break;
		write_projection(w, p, l, r);
		last = p->key;
	}
	jw_end(w);
	jw_key(w, "nextCursor");
	jw_str(w, more ? last : NULL);
}

static void on_states(void *arg, const struct pgresult *r, const struct err *e)
{
	struct listing *l = arg;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (e != NULL) {
		httpd_reply_problem(l->http, query_problem(e),
				    "The projections could not be read.");
		return;
	}
	jw_init(&w, &out);
	jw_object(&w);
	write_page(&w, l, r);
	jw_end(&w);
	httpd_reply_json(l->http, 200, &out);
	strbuf_clear(&out);
}

void catalog_list_projections(const struct call *c)
{
	struct listing *l = arena_alloc(httpd_arena(c->http), sizeof(*l));
	const char *after = httpd_query(c->http, "cursor");

	*l = (struct listing){.st = c->st,
			      .http = c->http,
			      .all_properties = c->principal->all_properties,
			      .stmts = {{&SQL_queryd_list_table_states, NULL},
					{&SQL_queryd_list_consumers_pending, NULL}}};
	if (catalog_limit(c, &l->limit) < 0)
		return;
	if (after != NULL && registry_projection(c->st->registry, after) == NULL) {
		refuse_cursor(c);
		return;
	}
	(void)tenant_query(c->tenant, c->principal->scope, l->stmts, 2, on_states, l);
}
