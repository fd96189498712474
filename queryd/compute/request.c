/* What a request means once it is read; see request.h. */
#include "queryd/compute/request.h"

#include <stdarg.h>

#include "common/base/timestamp.h"

#define YEAR_OF_WEEKS 364 /* weekdays meet weekdays */
#define WEEK          7

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool value_list_has(const struct value_list *l, const char *value)
{
	return l->n > 0 && bsearch(&value, l->values, l->n, sizeof(*l->values), compare) != NULL;
}

void faults_add(struct faults *f, struct arena *a, const char *field, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (f->n == REQUEST_FAULTS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->v[f->n++] = (struct problem_violation){arena_strdup(a, field), arena_strdup(a, text)};
}

/* ---- dates */

static struct window of_preset(enum preset preset, int32_t today)
{
	const struct calendar month = {.granularity = GRANULARITY_MONTH};
	const struct calendar year = {.granularity = GRANULARITY_YEAR};

	switch (preset) {
	case PRESET_TODAY:
		return (struct window){today, today};
	case PRESET_YESTERDAY:
		return (struct window){today - 1, today - 1};
	case PRESET_LAST_7_DAYS:
		return (struct window){today - 6, today};
	case PRESET_LAST_30_DAYS:
		return (struct window){today - 29, today};
	case PRESET_MTD:
		return (struct window){calendar_floor(&month, today), today};
	case PRESET_YTD:
		return (struct window){calendar_floor(&year, today), today};
	case PRESET_NEXT_30_DAYS:
		return (struct window){today + 1, today + 30};
	case PRESET_NONE:
	case PRESET_COUNT:
		break;
	}
	ASSERT(!"a preset");
	return (struct window){0, 0};
}

void request_resolve(struct request *r, int32_t today, int week_start)
{
	if (r->preset != PRESET_NONE) {
		struct window w = of_preset(r->preset, today);

		r->from = w.from;
		r->to = w.to;
		r->preset = PRESET_NONE;
	}
	r->calendar.week_start = week_start;
}

static int months_of_window(const struct request *r)
{
	int months = 0;

	for (int32_t day = calendar_floor(&r->calendar, r->from); day <= r->to;
	     day = calendar_next(&r->calendar, day))
		months += calendar_months(&r->calendar);
	return months;
}

static struct window compared_with(const struct request *r)
{
	bool last_year = r->comparison == COMPARE_SAME_TIME_LAST_YEAR;
	int32_t days = r->to - r->from + 1;

	if (calendar_months(&r->calendar) > 0) {
		int months = last_year ? 12 : months_of_window(r);

		return (struct window){calendar_months_before(&r->calendar, r->from, months),
				       calendar_months_before(&r->calendar, r->to, months)};
	}
	if (last_year)
		days = YEAR_OF_WEEKS;
	else if (r->calendar.granularity == GRANULARITY_WEEK) /* from its first week to its last */
		days = calendar_floor(&r->calendar, r->to) + WEEK -
		       calendar_floor(&r->calendar, r->from);
	return (struct window){r->from - days, r->to - days};
}

size_t request_windows(const struct request *r, struct window ret[WINDOWS_MAX])
{
	ASSERT(r->preset == PRESET_NONE);
	ret[WINDOW_ASKED] = (struct window){r->from, r->to};
	if (r->comparison == COMPARE_NONE)
		return 1;
	ret[WINDOW_COMPARED] = compared_with(r);
	return 2;
}

void window_write(struct window w, struct json_writer *out)
{
	char date[TIMESTAMP_TEXT_MAX];

	jw_object(out);
	jw_key(out, "from");
	timestamp_format_date(w.from, date);
	jw_str(out, date);
	jw_key(out, "to");
	timestamp_format_date(w.to, date);
	jw_str(out, date);
	jw_end(out);
}

/* ---- metrics */

unsigned request_group_dimensions(const struct request *r)
{
	unsigned all = r->dimensions;

	for (size_t i = 0; i < r->nmetrics; i++)
		all |= metric_implied_dimensions(r->metrics[i]);
	return all;
}

bool request_has_share(const struct request *r)
{
	bool share = false;

	for (size_t i = 0; i < r->nmetrics; i++)
		share |= r->metrics[i]->share;
	return share;
}

bool request_has_history(const struct request *r)
{
	bool history = false;

	for (size_t i = 0; i < SOURCE_COUNT; i++)
		history |= source_has_history(&sources[i]) && request_uses_source(r, i);
	return history;
}

bool request_uses_source(const struct request *r, size_t source)
{
	bool used = false;

	for (size_t i = 0; i < r->nmetrics; i++)
		used |= metric_uses_source(r->metrics[i], source);
	return used;
}

static bool amount_of(const struct part *p, const struct source *s)
{
	return p != NULL && p->money && p->source == s;
}

bool request_converts(const struct request *r, const struct source *s)
{
	bool amounts = false;

	for (size_t i = 0; i < r->nmetrics; i++)
		amounts |= amount_of(r->metrics[i]->numerator, s) ||
			   amount_of(r->metrics[i]->denominator, s);
	return r->currency != NULL && amounts;
}

/* ---- the canonical form */

static void append_list(struct strbuf *out, const struct value_list *l)
{
	for (size_t i = 0; l->given && i < l->n; i++)
		strbuf_append_json(out, slice_of(l->values[i]));
	strbuf_append_char(out, l->given ? ';' : '-');
}

/* Texts come as JSON strings: no two lists of members are the same text. */
void request_normal_form(const struct request *r, bool paging, struct strbuf *out)
{
	ASSERT(r->preset == PRESET_NONE);
	for (size_t i = 0; i < r->nmetrics; i++) {
		strbuf_append_json(out, slice_of(r->metrics[i]->key));
		strbuf_appendf(out, "@%d=", r->metrics[i]->version);
		strbuf_append_json(out, slice_of(r->metrics[i]->hash));
	}
	strbuf_appendf(out, " %s %d..%d c%d g%d s%d w%d d%x l%lld ",
		       r->currency != NULL ? r->currency : "-", r->from, r->to, (int)r->comparison,
		       (int)r->calendar.granularity, r->calendar.solar_hijri,
		       r->calendar.granularity == GRANULARITY_WEEK ? r->calendar.week_start : 0,
		       r->dimensions, (long long)r->lag_days);
	for (int d = 0; d < DIM_FILTERS; d++) {
		append_list(out, &r->in[d]);
		append_list(out, &r->out[d]);
	}
	if (r->as_of != NULL && (paging || !r->as_of_now)) /* the pages of one question */
		strbuf_append_json(out, slice_of(r->as_of));
	for (size_t i = 0; i < r->norder; i++)
		strbuf_appendf(out, " o%d.%zu.%d", (int)r->order[i].kind, r->order[i].index,
			       r->order[i].descending);
	if (!paging)
		return;
	strbuf_appendf(out, " n%lld", (long long)r->limit);
	if (r->cursor != NULL)
		strbuf_append_json(out, slice_of(r->cursor));
}
