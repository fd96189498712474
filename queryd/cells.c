/* Groups, periods and their sums; see cells.h. */
#include "queryd/cells.h"

#include <errno.h>

#include "common/hash.h"
#include "common/timestamp.h"
#include "common/xalloc.h"
#include "queryd/i128.h"

#define SLOTS_FIRST 64

struct sums {
	i128 numerator, denominator;
};

struct group {
	const char *dimension[DIM_COUNT]; /* NULL: not grouped by, or no currency */
	struct sums *sums;                /* by period */
	bool has_denominator;             /* its source had a row of this group */
	bool dropped;
};

struct cells {
	const struct request *request;
	const struct metric_def *metric;
	struct arena *arena;
	unsigned dimensions; /* of the groups: asked for and implied */
	size_t max;
	int32_t *periods; /* first days, ascending */
	size_t nperiods;
	struct group **groups; /* in order of appearance until cells_finish() */
	size_t ngroups;
	uint32_t *slots; /* hash table of groups: index + 1, 0 = free; a power of two, at most half
			    full */
	size_t nslots;
	i128 whole; /* of shares: all periods and groups */
	int64_t facts;
	bool overflow;
};

/* ---- periods */

static void make_periods(struct cells *c)
{
	const struct request *r = c->request;
	int32_t first = granularity_floor(r->granularity, r->from);
	size_t n = 0;

	if (r->granularity == GRANULARITY_NONE) {
		c->nperiods = 1;
		return;
	}
	for (int32_t day = first; day <= r->to; day = granularity_next(r->granularity, day))
		n++;
	c->periods = arena_alloc(c->arena, n * sizeof(*c->periods));
	for (int32_t day = first; day <= r->to; day = granularity_next(r->granularity, day))
		c->periods[c->nperiods++] = day;
}

static int compare_days(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static size_t period_of(const struct cells *c, const char *text)
{
	const int32_t *found;
	int32_t day;

	if (c->periods == NULL)
		return 0;
	ASSERT(text != NULL && timestamp_parse_date(slice_of(text), &day) == 0);
	found = bsearch(&day, c->periods, c->nperiods, sizeof(*c->periods), compare_days);
	ASSERT(found != NULL);
	return (size_t)(found - c->periods);
}

/* ---- groups */

struct cells *cells_new(const struct request *r, size_t max, struct arena *a)
{
	struct cells *c = arena_alloc(a, sizeof(*c));

	*c = (struct cells){.request = r, .metric = r->metric, .arena = a, .max = max};
	c->dimensions = r->dimensions | metric_implied_dimensions(r->metric);
	make_periods(c);
	c->nslots = SLOTS_FIRST;
	c->slots = arena_alloc(a, c->nslots * sizeof(*c->slots));
	c->groups = arena_alloc(a, c->nslots / 2 * sizeof(struct group *));
	return c;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static uint64_t hash_of(const char *const *dimension)
{
	uint64_t h = 0;

	for (int d = 0; d < DIM_COUNT; d++)
		h = h * 31 + (dimension[d] != NULL ? hash_fast(slice_of(dimension[d])) : 1);
	return h ^ h >> 32;
}

/* The slot of the group, or the free one where it belongs. */
static uint32_t *slot_of(const struct cells *c, const char *const *dimension)
{
	for (size_t i = hash_of(dimension) & (c->nslots - 1);; i = (i + 1) & (c->nslots - 1)) {
		const struct group *g = c->slots[i] != 0 ? c->groups[c->slots[i] - 1] : NULL;
		bool same = true;

		for (int d = 0; g != NULL && d < DIM_COUNT; d++)
			same &= same_text(g->dimension[d], dimension[d]);
		if (same)
			return &c->slots[i];
	}
}

static void grow(struct cells *c)
{
	struct group **groups = c->groups;

	c->nslots *= 2;
	c->slots = arena_alloc(c->arena, c->nslots * sizeof(*c->slots));
	c->groups = arena_alloc(c->arena, c->nslots / 2 * sizeof(struct group *));
	memcpy(c->groups, groups, c->ngroups * sizeof(struct group *));
	for (size_t i = 0; i < c->ngroups; i++)
		*slot_of(c, c->groups[i]->dimension) = (uint32_t)i + 1;
}

/* NULL when there would be too many cells. */
static struct group *group_of(struct cells *c, const char *const *dimension)
{
	uint32_t *slot = slot_of(c, dimension);
	struct group *g;

	if (*slot != 0)
		return c->groups[*slot - 1];
	if ((c->ngroups + 1) * c->nperiods > c->max)
		return NULL;
	if (c->ngroups == c->nslots / 2) {
		grow(c);
		slot = slot_of(c, dimension);
	}
	g = arena_alloc(c->arena, sizeof(*g));
	for (int d = 0; d < DIM_COUNT; d++)
		g->dimension[d] = dimension[d] != NULL ? arena_strdup(c->arena, dimension[d])
						       : NULL;
	g->sums = arena_alloc(c->arena, c->nperiods * sizeof(*g->sums));
	c->groups[c->ngroups++] = g;
	*slot = (uint32_t)c->ngroups;
	return g;
}

static i128 number(const char *text)
{
	i128 v;

	ASSERT(text != NULL && i128_parse(text, &v) == 0);
	return v;
}

int cells_add(struct cells *c, const struct source *s, const char *const *row)
{
	const struct part *n = c->metric->numerator, *d = c->metric->denominator;
	struct group *g = c->overflow ? NULL : group_of(c, row + 1);
	struct sums *sums;

	if (g == NULL) {
		c->overflow = true;
		return -E2BIG;
	}
	sums = &g->sums[period_of(c, row[0])];
	if (n->source == s)
		sums->numerator += number(row[SOURCE_PART_COLUMN + n->column]);
	if (d != NULL && d->source == s) {
		sums->denominator += number(row[SOURCE_PART_COLUMN + d->column]);
		g->has_denominator = true;
	}
	c->facts += (int64_t)number(row[SOURCE_PART_COLUMN + s->nparts]);
	return 0;
}

/* ---- completing denominators */

static int compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL); /* last */
	return strcmp(a, b);
}

/* Order by all dimensions, the one at `arg` last. */
static int compare_groups(const void *a, const void *b, void *arg)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	enum dimension last = *(const enum dimension *)arg;
	int r = 0;

	for (int d = 0; d < DIM_COUNT && r == 0; d++) {
		if (d != (int)last)
			r = compare_texts(x->dimension[d], y->dimension[d]);
	}
	return r != 0 ? r : compare_texts(x->dimension[last], y->dimension[last]);
}

static bool same_but(const struct group *x, const struct group *y, enum dimension ignored)
{
	for (int d = 0; d < DIM_COUNT; d++) {
		if (d != (int)ignored && !same_text(x->dimension[d], y->dimension[d]))
			return false;
	}
	return true;
}

/* The share's whole: the same period of all groups that differ in the channel only. */
static void complete_shares(struct cells *c, struct group **run, size_t n)
{
	for (size_t p = 0; p < c->nperiods; p++) {
		i128 whole = 0;

		for (size_t i = 0; i < n; i++)
			whole += run[i]->sums[p].numerator;
		for (size_t i = 0; i < n; i++)
			run[i]->sums[p].denominator = whole;
		c->whole += whole;
	}
}

static bool without_amounts(const struct cells *c, const struct group *g)
{
	bool other_source = c->metric->denominator != NULL &&
			    c->metric->denominator->source != c->metric->numerator->source;

	for (size_t p = 0; p < c->nperiods; p++) {
		if (g->sums[p].numerator != 0 || (!other_source && g->sums[p].denominator != 0))
			return false;
	}
	return true;
}

/* A currency without rooms of its own has the rooms of all; rooms (or free nights) without a
 * currency are no row beside those with one. */
static void complete_currencies(struct cells *c, struct group **run, size_t n)
{
	const struct part *d = c->metric->denominator;

	for (size_t p = 0;
	     d != NULL && d->source != c->metric->numerator->source && p < c->nperiods; p++) {
		i128 all = 0;

		for (size_t i = 0; i < n; i++)
			all += run[i]->sums[p].denominator;
		for (size_t i = 0; i < n; i++) {
			if (!run[i]->has_denominator)
				run[i]->sums[p].denominator = all;
		}
	}
	for (size_t i = 0; i < n && n > 1; i++)
		run[i]->dropped = run[i]->dimension[DIM_CURRENCY] == NULL &&
				  without_amounts(c, run[i]);
}

/* Calls fn for each run of groups that differ in `last` only. */
static void for_runs(struct cells *c, enum dimension last,
		     void (*fn)(struct cells *, struct group **, size_t))
{
	size_t from = 0;

	qsort_r(c->groups, c->ngroups, sizeof(struct group *), compare_groups, &last);
	for (size_t i = 1; i <= c->ngroups; i++) {
		if (i < c->ngroups && same_but(c->groups[from], c->groups[i], last))
			continue;
		fn(c, c->groups + from, i - from);
		from = i;
	}
}

/* The whole of a share is all channels: a filter on them chooses rows, it does not change shares.
 */
static bool shown(const struct cells *c, const struct group *g)
{
	const struct request *r = c->request;
	const char *channel = g->dimension[DIM_CHANNEL];

	return !c->metric->share ||
	       ((!r->in[DIM_CHANNEL].given || value_list_has(&r->in[DIM_CHANNEL], channel)) &&
		!value_list_has(&r->out[DIM_CHANNEL], channel));
}

void cells_finish(struct cells *c)
{
	static const char *const everything[DIM_COUNT] = {NULL};
	enum dimension last = DIM_CURRENCY;
	size_t kept = 0;

	/* without dimensions there is always one row */
	if (c->ngroups == 0 && (c->dimensions & ~DIM_BIT(DIM_CURRENCY)) == 0)
		(void)group_of(c, everything);
	if (c->metric->share)
		for_runs(c, DIM_CHANNEL, complete_shares);
	if (c->metric->numerator->money)
		for_runs(c, DIM_CURRENCY, complete_currencies);
	qsort_r(c->groups, c->ngroups, sizeof(struct group *), compare_groups, &last);
	for (size_t i = 0; i < c->ngroups; i++) {
		if (!c->groups[i]->dropped && shown(c, c->groups[i]))
			c->groups[kept++] = c->groups[i];
	}
	c->ngroups = kept;
}

size_t cells_count(const struct cells *c)
{
	return c->ngroups * c->nperiods;
}

int64_t cells_facts(const struct cells *c)
{
	return c->facts;
}

/* ---- writing */

static const char *const value_types[UNIT_KIND_COUNT] = {
	[UNIT_COUNT] = "integer",
	[UNIT_PERCENT] = "number",
	[UNIT_CURRENCY] = "micro",
	[UNIT_RATIO] = "number",
};

static void write_column(struct json_writer *w, const char *name, const char *type,
			 const char *unit)
{
	jw_object(w);
	jw_key(w, "name");
	jw_str(w, name);
	jw_key(w, "type");
	jw_str(w, type);
	if (unit != NULL) {
		jw_key(w, "unit");
		jw_str(w, unit);
	}
	jw_end(w);
}

void cells_write_columns(const struct cells *c, struct json_writer *w)
{
	jw_array(w);
	if (c->periods != NULL)
		write_column(w, "date", "date", NULL);
	for (int d = 0; d < DIM_COUNT; d++) {
		if ((c->dimensions & DIM_BIT(d)) != 0)
			write_column(w, dimension_name((enum dimension)d), "string", NULL);
	}
	write_column(w, c->metric->key, value_types[c->metric->unit], unit_name(c->metric->unit));
	jw_end(w);
}

static void write_integer(struct json_writer *w, i128 v, bool quoted)
{
	struct strbuf text = STRBUF_INIT;

	if (quoted)
		strbuf_append_char(&text, '"');
	i128_append(&text, v);
	if (quoted)
		strbuf_append_char(&text, '"');
	jw_raw(w, strbuf_slice(&text));
	strbuf_clear(&text);
}

static void write_value(const struct cells *c, struct json_writer *w, const struct sums *s)
{
	bool money = c->metric->unit == UNIT_CURRENCY;

	if (c->metric->denominator == NULL && !c->metric->share)
		write_integer(w, s->numerator, money);
	else if (s->denominator == 0)
		jw_null(w);
	else if (money)
		write_integer(w, i128_divide_half_even(s->numerator, s->denominator), true);
	else
		jw_double(w, i128_ratio(s->numerator, s->denominator));
}

static void write_parts(const struct cells *c, struct json_writer *w, const struct sums *s)
{
	jw_key(w, "numerator");
	write_integer(w, s->numerator, true);
	jw_key(w, "denominator");
	if (c->metric->denominator != NULL || c->metric->share)
		write_integer(w, s->denominator, true);
	else
		jw_null(w);
}

static void write_members(const struct cells *c, struct json_writer *w, const struct group *g,
			  size_t p)
{
	char date[TIMESTAMP_TEXT_MAX];

	if (c->periods != NULL) {
		timestamp_format_date(c->periods[p], date);
		jw_key(w, "date");
		jw_str(w, date);
	}
	for (int d = 0; d < DIM_COUNT; d++) {
		if ((c->dimensions & DIM_BIT(d)) != 0) {
			jw_key(w, dimension_name((enum dimension)d));
			jw_str(w, g->dimension[d]);
		}
	}
}

static void write_all(const struct cells *c, struct json_writer *w, bool parts)
{
	jw_array(w);
	for (size_t p = 0; p < c->nperiods; p++) {
		for (size_t i = 0; i < c->ngroups; i++) {
			const struct group *g = c->groups[i];

			jw_object(w);
			write_members(c, w, g, p);
			if (parts) {
				write_parts(c, w, &g->sums[p]);
			} else {
				jw_key(w, c->metric->key);
				write_value(c, w, &g->sums[p]);
			}
			jw_end(w);
		}
	}
	jw_end(w);
}

void cells_write_rows(const struct cells *c, struct json_writer *w)
{
	write_all(c, w, false);
}

void cells_write_parts(const struct cells *c, struct json_writer *w)
{
	write_all(c, w, true);
}

/* Null over several currencies: their sum would mean nothing. */
void cells_write_totals(const struct cells *c, struct json_writer *w)
{
	const char *currency = c->ngroups > 0 ? c->groups[0]->dimension[DIM_CURRENCY] : NULL;
	struct sums total = {0, 0};

	for (size_t i = 0; i < c->ngroups; i++) {
		const struct group *g = c->groups[i];

		if (!same_text(g->dimension[DIM_CURRENCY], currency)) {
			jw_null(w);
			return;
		}
		for (size_t p = 0; p < c->nperiods; p++) {
			total.numerator += g->sums[p].numerator;
			total.denominator += g->sums[p].denominator;
		}
	}
	if (c->metric->share)
		total.denominator = c->whole;
	jw_object(w);
	if ((c->dimensions & DIM_BIT(DIM_CURRENCY)) != 0) {
		jw_key(w, dimension_name(DIM_CURRENCY));
		jw_str(w, currency);
	}
	jw_key(w, c->metric->key);
	write_value(c, w, &total);
	jw_end(w);
}
