/* Where a tenant's data was when; see residency.h. */
#include "queryd/tenant/residency.h"

#include "common/base/timestamp.h"
#include "common/base/xalloc.h"

struct period {
	char *region;     /* NULL: it was not said */
	int32_t from, to; /* inclusive; INT32_MIN, INT32_MAX: open */
	bool readable;
};

struct residency {
	struct period *periods; /* in order, without gaps */
	size_t n;
};

static int32_t day_at(const struct pgresult *r, size_t result, size_t row, size_t column,
		      int32_t open)
{
	if (pgresult_text(r, result, row, column) == NULL)
		return open;
	return (int32_t)pgresult_i64(r, result, row, column);
}

struct residency *residency_new(const struct pgresult *r, size_t result)
{
	struct residency *s = xcalloc(1, sizeof(*s));
	bool all = true;

	s->n = pgresult_rows(r, result);
	s->periods = xcalloc(s->n, sizeof(*s->periods));
	for (size_t i = 0; i < s->n; i++) {
		const char *region = pgresult_text(r, result, i, 0);

		s->periods[i] = (struct period){
			region != NULL ? xstrdup(region) : NULL, day_at(r, result, i, 1, INT32_MIN),
			day_at(r, result, i, 2, INT32_MAX), pgresult_bool(r, result, i, 3)};
		all &= s->periods[i].readable;
	}
	if (!all)
		return s;
	residency_free(s);
	return NULL;
}

void residency_free(struct residency *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->periods[i].region);
	free(s->periods);
	free(s);
}

/* "from 2026-05-01 on", "until 2026-04-30", "2026-05-01 to 2026-05-31", "of all dates" */
static const char *span(int32_t from, int32_t to, struct arena *a)
{
	char first[TIMESTAMP_TEXT_MAX], last[TIMESTAMP_TEXT_MAX];

	if (from != INT32_MIN)
		timestamp_format_date(from, first);
	if (to != INT32_MAX)
		timestamp_format_date(to, last);
	if (from == INT32_MIN && to == INT32_MAX)
		return "of all dates";
	if (to == INT32_MAX)
		return arena_printf(a, "from %s on", first);
	if (from == INT32_MIN)
		return arena_printf(a, "until %s", last);
	return arena_printf(a, "%s to %s", first, last);
}

/* Adjacent regions that can be read are one span. */
static const char *readable_spans(const struct residency *s, struct arena *a)
{
	const char *spans = "";

	for (size_t i = 0; i < s->n; i++) {
		int32_t from = s->periods[i].from;

		if (!s->periods[i].readable)
			continue;
		while (i + 1 < s->n && s->periods[i + 1].readable)
			i++;
		spans = arena_printf(a, "%s%s%s", spans, spans[0] != '\0' ? ", " : "",
				     span(from, s->periods[i].to, a));
	}
	return spans[0] != '\0' ? spans : "nothing";
}

const char *residency_refusal(const struct residency *s, int32_t from, int32_t to, struct arena *a)
{
	for (size_t i = 0; s != NULL && from <= to && i < s->n; i++) {
		const struct period *p = &s->periods[i];

		if (p->readable || p->from > to || p->to < from)
			continue;
		return arena_printf(
			a,
			"The window %s is not all readable here: %s the tenant's data lies in %s. "
			"Readable: %s.",
			span(from, to, a), span(p->from, p->to, a),
			p->region != NULL ? p->region : "another region", readable_spans(s, a));
	}
	return NULL;
}
