/* Groups, periods and their sums; see cells.h. */
#include "queryd/compute/cells.h"

#include <errno.h>

#include "common/base/hash.h"
#include "common/base/num.h"

#define SLOTS_FIRST 64

struct group {
	const char *dimension[DIM_COUNT];      /* NULL: not grouped by, or no currency */
	struct sums *sums;                     /* [window][period][metric] */
	unsigned has_denominator[WINDOWS_MAX]; /* bit per metric: its source had a row of this
						  group */
	bool dropped;
};

struct cells {
	const struct request *request;
	struct arena *arena;
	unsigned dimensions; /* of the groups: asked for and implied */
	size_t max;
	int32_t *periods; /* first days of the window asked for; NULL: it is one period */
	size_t nperiods, nwindows;
	struct group **groups; /* in order of appearance until cells_finish() */
	size_t ngroups;
	uint32_t *slots; /* hash table of groups: index + 1, 0 = free; a power of two, at most half
			    full */
	size_t nslots;
	i128 whole[WINDOWS_MAX][REQUEST_METRICS_MAX]; /* of shares: all periods and groups */
	int64_t facts;
	bool overflow;
};

static void make_periods(struct cells *c)
{
	const struct calendar *calendar = &c->request->calendar;
	int32_t first = calendar_floor(calendar, c->request->from);
	size_t n = 0;

	c->nperiods = 1;
	if (calendar->granularity == GRANULARITY_NONE)
		return;
	for (int32_t day = first; day <= c->request->to; day = calendar_next(calendar, day))
		n++;
	c->periods = arena_alloc(c->arena, n * sizeof(*c->periods));
	c->nperiods = 0;
	for (int32_t day = first; day <= c->request->to; day = calendar_next(calendar, day))
		c->periods[c->nperiods++] = day;
}

struct cells *cells_new(const struct request *r, size_t max, struct arena *a)
{
	struct cells *c = arena_alloc(a, sizeof(*c));
	struct window windows[WINDOWS_MAX];

	*c = (struct cells){.request = r, .arena = a, .max = max};
	c->nwindows = request_windows(r, windows);
	c->dimensions = request_group_dimensions(r);
	make_periods(c);
	c->nslots = SLOTS_FIRST;
	c->slots = arena_alloc(a, c->nslots * sizeof(*c->slots));
	c->groups = arena_alloc(a, c->nslots / 2 * sizeof(struct group *));
	return c;
}

/* ---- groups */

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
	size_t cells = c->nperiods * c->request->nmetrics;
	uint32_t *slot = slot_of(c, dimension);
	struct group *g;

	if (*slot != 0)
		return c->groups[*slot - 1];
	if ((c->ngroups + 1) * cells > c->max)
		return NULL;
	if (c->ngroups == c->nslots / 2) {
		grow(c);
		slot = slot_of(c, dimension);
	}
	g = arena_alloc(c->arena, sizeof(*g));
	for (int d = 0; d < DIM_COUNT; d++)
		g->dimension[d] = dimension[d] != NULL ? arena_strdup(c->arena, dimension[d])
						       : NULL;
	g->sums = arena_alloc(c->arena, c->nwindows * cells * sizeof(*g->sums));
	c->groups[c->ngroups++] = g;
	*slot = (uint32_t)c->ngroups;
	return g;
}

static struct sums *sums_of(const struct cells *c, const struct group *g, size_t window,
			    size_t period, size_t metric)
{
	return &g->sums[(window * c->nperiods + period) * c->request->nmetrics + metric];
}

/* ---- rows */

static i128 number(const char *text)
{
	i128 v;

	ASSERT(text != NULL && i128_parse(text, &v) == 0);
	return v;
}

/* The number that the source gave the period, from 1 on. */
static size_t period_of(const struct cells *c, const char *text)
{
	int64_t n;

	if (c->periods == NULL)
		return 0;
	ASSERT(text != NULL && num_i64(slice_of(text), 1, (int64_t)c->nperiods, &n) == 0);
	return (size_t)n - 1;
}

static void add_metric(const struct metric_def *m, const struct source *s, const char *const *parts,
		       struct sums *sums, unsigned bit, unsigned *has_denominator)
{
	if (m->numerator->source == s)
		sums->numerator += number(parts[m->numerator->column]);
	if (m->denominator != NULL && m->denominator->source == s) {
		sums->denominator += number(parts[m->denominator->column]);
		*has_denominator |= bit;
	}
}

int cells_add(struct cells *c, size_t window, const struct source *s, const char *const *row)
{
	struct group *g = c->overflow ? NULL : group_of(c, row + 1);
	size_t period;

	if (g == NULL) {
		c->overflow = true;
		return -E2BIG;
	}
	period = period_of(c, row[0]);
	for (size_t m = 0; m < c->request->nmetrics; m++)
		add_metric(c->request->metrics[m], s, row + SOURCE_PART_COLUMN,
			   sums_of(c, g, window, period, m), 1U << m, &g->has_denominator[window]);
	c->facts += (int64_t)number(row[SOURCE_PART_COLUMN + s->nparts]);
	return 0;
}

/* ---- runs of groups */

static int compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL); /* last */
	return strcmp(a, b);
}

/* Of the dimensions in the mask, or of those outside of it. */
static int compare_masked(const struct group *x, const struct group *y, unsigned mask)
{
	int r = 0;

	for (int d = 0; d < DIM_COUNT && r == 0; d++) {
		if ((mask & DIM_BIT(d)) != 0)
			r = compare_texts(x->dimension[d], y->dimension[d]);
	}
	return r;
}

/* Order by all dimensions, those of the mask at `arg` last. */
static int compare_groups(const void *a, const void *b, void *arg)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	unsigned last = *(const unsigned *)arg;
	int r = compare_masked(x, y, ~last);

	return r != 0 ? r : compare_masked(x, y, last);
}

/* Groups that differ in some dimensions only. */
struct run {
	struct group **groups;
	size_t n, window, metric;
};

static void for_runs(struct cells *c, unsigned differing, size_t window, size_t metric,
		     void (*fn)(struct cells *, const struct run *))
{
	size_t from = 0;

	qsort_r(c->groups, c->ngroups, sizeof(struct group *), compare_groups, &differing);
	for (size_t i = 1; i <= c->ngroups; i++) {
		if (i < c->ngroups &&
		    compare_masked(c->groups[from], c->groups[i], ~differing) == 0)
			continue;
		fn(c, &(struct run){c->groups + from, i - from, window, metric});
		from = i;
	}
}

/* ---- completing what one source cannot know */

/* The share's whole: the same period of the whole run. */
static void complete_share(struct cells *c, const struct run *run)
{
	for (size_t p = 0; p < c->nperiods; p++) {
		i128 whole = 0;

		for (size_t i = 0; i < run->n; i++)
			whole += sums_of(c, run->groups[i], run->window, p, run->metric)->numerator;
		for (size_t i = 0; i < run->n; i++)
			sums_of(c, run->groups[i], run->window, p, run->metric)->denominator =
				whole;
		c->whole[run->window][run->metric] += whole;
	}
}

/* No amount: each currency's row has the figure of all. */
static void complete_figure(struct cells *c, const struct run *run)
{
	bool share = c->request->metrics[run->metric]->share;

	for (size_t p = 0; p < c->nperiods; p++) {
		struct sums all = {0, 0};

		for (size_t i = 0; i < run->n; i++) {
			const struct sums *s = sums_of(c, run->groups[i], run->window, p,
						       run->metric);

			all.numerator += s->numerator;
			all.denominator = share ? s->denominator : all.denominator + s->denominator;
		}
		for (size_t i = 0; i < run->n; i++)
			*sums_of(c, run->groups[i], run->window, p, run->metric) = all;
	}
}

/* An amount by rooms: a currency without rooms of its own has the rooms of all. */
static void complete_rooms(struct cells *c, const struct run *run)
{
	for (size_t p = 0; p < c->nperiods; p++) {
		i128 all = 0;

		for (size_t i = 0; i < run->n; i++)
			all += sums_of(c, run->groups[i], run->window, p, run->metric)->denominator;
		for (size_t i = 0; i < run->n; i++) {
			const struct group *g = run->groups[i];

			if ((g->has_denominator[run->window] & 1U << run->metric) == 0)
				sums_of(c, g, run->window, p, run->metric)->denominator = all;
		}
	}
}

static bool by_other_source(const struct metric_def *m)
{
	return m->denominator != NULL && m->denominator->source != m->numerator->source;
}

static void complete_metric(struct cells *c, size_t window, size_t metric)
{
	const struct metric_def *m = c->request->metrics[metric];
	const unsigned currency = DIM_BIT(DIM_CURRENCY);
	bool amount = m->numerator->money;

	if (m->share)
		for_runs(c, DIM_BIT(DIM_CHANNEL) | (amount ? 0 : currency), window, metric,
			 complete_share);
	if (amount && by_other_source(m))
		for_runs(c, currency, window, metric, complete_rooms);
	if (!amount && (c->dimensions & currency) != 0)
		for_runs(c, currency, window, metric, complete_figure);
}

static bool without_amounts(const struct cells *c, const struct group *g)
{
	for (size_t i = 0; i < c->nwindows * c->nperiods * c->request->nmetrics; i++) {
		const struct metric_def *m = c->request->metrics[i % c->request->nmetrics];

		if (m->numerator->money &&
		    (g->sums[i].numerator != 0 || (m->denominator != NULL && !by_other_source(m) &&
						   g->sums[i].denominator != 0)))
			return false;
	}
	return true;
}

/* What has no currency (rooms, free nights) is no row beside those with one. */
static void drop_currencyless(struct cells *c, const struct run *run)
{
	for (size_t i = 0; i < run->n && run->n > 1; i++)
		run->groups[i]->dropped = run->groups[i]->dimension[DIM_CURRENCY] == NULL &&
					  without_amounts(c, run->groups[i]);
}

/* The whole of a share is all channels: a filter on them chooses rows, it does not change shares.
 */
static bool shown(const struct cells *c, const struct group *g)
{
	const struct request *r = c->request;
	const char *channel = g->dimension[DIM_CHANNEL];

	return !request_has_share(r) ||
	       ((!r->in[DIM_CHANNEL].given || value_list_has(&r->in[DIM_CHANNEL], channel)) &&
		!value_list_has(&r->out[DIM_CHANNEL], channel));
}

void cells_finish(struct cells *c)
{
	const char *const everything[DIM_COUNT] = {[DIM_CURRENCY] = c->request->currency};
	unsigned last = DIM_BIT(DIM_CURRENCY);
	size_t kept = 0;

	/* without dimensions there is always one row */
	if (c->ngroups == 0 && (c->dimensions & ~last) == 0)
		(void)group_of(c, everything);
	for (size_t w = 0; w < c->nwindows; w++) {
		for (size_t m = 0; m < c->request->nmetrics; m++)
			complete_metric(c, w, m);
	}
	for_runs(c, last, 0, 0, drop_currencyless); /* leaves them in their final order */
	for (size_t i = 0; i < c->ngroups; i++) {
		if (!c->groups[i]->dropped && shown(c, c->groups[i]))
			c->groups[kept++] = c->groups[i];
	}
	c->ngroups = kept;
}

/* ---- reading them */

const struct request *cells_request(const struct cells *c)
{
	return c->request;
}

int64_t cells_facts(const struct cells *c)
{
	return c->facts;
}

unsigned cells_dimensions(const struct cells *c)
{
	return c->dimensions;
}

size_t cells_groups(const struct cells *c)
{
	return c->ngroups;
}

size_t cells_periods(const struct cells *c)
{
	return c->nperiods;
}

int32_t cells_period(const struct cells *c, size_t period)
{
	return c->periods[period];
}

const char *cells_dimension(const struct cells *c, size_t group, enum dimension d)
{
	return c->groups[group]->dimension[d];
}

const struct sums *cells_sums(const struct cells *c, size_t window, size_t group, size_t period,
			      size_t metric)
{
	return sums_of(c, c->groups[group], window, period, metric);
}

const char *cells_currency(const struct cells *c)
{
	return c->ngroups > 0 ? c->groups[0]->dimension[DIM_CURRENCY] : NULL;
}

bool cells_total(const struct cells *c, size_t window, size_t metric, struct sums *ret)
{
	struct sums total = {0, 0};

	for (size_t i = 0; i < c->ngroups; i++) {
		const struct group *g = c->groups[i];

		if (!same_text(g->dimension[DIM_CURRENCY], cells_currency(c)))
			return false;
		for (size_t p = 0; p < c->nperiods; p++) {
			total.numerator += sums_of(c, g, window, p, metric)->numerator;
			total.denominator += sums_of(c, g, window, p, metric)->denominator;
		}
	}
	if (c->request->metrics[metric]->share)
		total.denominator = c->whole[window][metric];
	*ret = total;
	return true;
}

struct value value_of(const struct metric_def *m, const struct sums *s)
{
	bool ratio = m->denominator != NULL || m->share;

	if (!ratio)
		return (struct value){.kind = VALUE_INTEGER, .integer = s->numerator};
	if (s->denominator == 0)
		return (struct value){.kind = VALUE_NULL};
	if (m->unit == UNIT_CURRENCY)
		return (struct value){
			.kind = VALUE_INTEGER,
			.integer = i128_divide_half_even(s->numerator, s->denominator)};
	return (struct value){.kind = VALUE_REAL, .real = i128_ratio(s->numerator, s->denominator)};
}
