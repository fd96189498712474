/* What a caller asks, read, in his scope and resolved; and what went wrong, as a problem: the parts
 * of compute.h that need no job. */
#include "queryd/compute/compute.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/timestamp.h"
#include "common/daemon/log.h"

#define STALE_MAX_S 86400

const struct metric_def *compute_find(void *arg, const char *key, int64_t version)
{
	const struct call *c = arg;

	const struct metric_set *own = tenant_metrics(c->tenant);
	const struct metric_def *m = metric_find(registry_metrics(c->st->registry), key, version);

	return m == NULL && own != NULL ? metric_find(own, key, version) : m;
}

bool compute_in_scope(const struct call *c, const struct request *r)
{
	const struct principal *p = c->principal;
	const struct value_list *lists[] = {&r->in[DIM_PROPERTY], &r->out[DIM_PROPERTY]};
	bool ok = p->all_properties || p->nproperties > 0;

	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		for (size_t i = 0; i < lists[l]->n && ok; i++)
			ok = principal_may_see(p, lists[l]->values[i]);
	}
	return ok;
}

/* The end of the minute: what is asked as of now has one key, and one answer, for so long. */
static const char *end_of_minute(struct arena *a)
{
	const int64_t minute = (int64_t)60 * 1000 * 1000;
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format((clock_wall_us() / minute + 1) * minute, text);
	return arena_strdup(a, text);
}

const char *compute_today_property(const struct call *c, const struct request *r)
{
	const struct value_list *asked = &r->in[DIM_PROPERTY];
	const struct principal *p = c->principal;

	if (asked->n == 1)
		return asked->values[0];
	return !p->all_properties && p->nproperties == 1 ? p->properties[0] : NULL;
}

bool compute_resolve(const struct call *c, struct request *r, struct arena *a)
{
	int32_t today = tenant_today(c->tenant, compute_today_property(c, r));

	request_resolve(r, today, tenant_week_start(c->tenant));
	if (r->as_of == NULL && request_has_history(r)) {
		r->as_of = end_of_minute(a);
		r->as_of_now = true;
	}
	return r->to >= today;
}

const char *compute_unreadable(const struct call *c, const struct request *r, struct arena *a)
{
	const struct residency *residency = tenant_residency(c->tenant);
	struct window windows[WINDOWS_MAX];
	const char *why = NULL;
	size_t n = request_windows(r, windows);

	for (size_t w = 0; w < n && why == NULL; w++) {
		why = residency_refusal(residency, windows[w].from, windows[w].to, a);
		for (size_t s = 0; s < SOURCE_COUNT && why == NULL; s++) {
			int32_t lag = request_uses_source(r, s) ? source_lag_days(&sources[s]) : 0;

			if (lag > 0)
				why = residency_refusal(residency, windows[w].from - lag,
							windows[w].to - lag, a);
		}
	}
	return why;
}

static int refuse(struct compute_outcome *ret, enum problem_code code, const char *detail)
{
	*ret = (struct compute_outcome){.code = code, .detail = detail};
	return -EINVAL;
}

int compute_read(const struct call *c, const struct json *query, struct arena *a,
		 struct request *ret, struct compute_outcome *ret_problem)
{
	struct faults *faults = arena_alloc(a, sizeof(*faults));
	struct call *mine = arena_alloc(a, sizeof(*mine));
	const char *unknown = NULL;

	*mine = *c;
	request_read_query(query, compute_find, mine, a, ret, &unknown, faults);
	if (unknown != NULL)
		return refuse(ret_problem, PROBLEM_METRIC_NOT_FOUND,
			      arena_printf(a, "There is no such metric, or no such version: %s.",
					   unknown));
	if (faults->n > 0) {
		*ret_problem = (struct compute_outcome){.code = PROBLEM_VALIDATION_FAILED,
							.detail = "The query is not valid.",
							.violations = faults->v,
							.nviolations = faults->n};
		return -EINVAL;
	}
	if (!compute_in_scope(c, ret))
		return refuse(ret_problem, PROBLEM_PROPERTY_SCOPE_VIOLATION,
			      "The token does not reach the property asked for.");
	return 0;
}

int64_t compute_max_stale_ms(const struct call *c)
{
	static const char word[] = "max-stale";
	const char *control = c->http != NULL ? httpd_header(c->http, "Cache-Control") : NULL;
	const char *at = control != NULL ? strcasestr(control, word) : NULL;
	int64_t seconds = STALE_MAX_S;
	size_t digits;

	if (at == NULL)
		return -1;
	at += strlen(word);
	if (*at != '=')
		return seconds * 1000;
	digits = strspn(at + 1, "0123456789");
	if (num_i64((struct slice){at + 1, digits}, 0, STALE_MAX_S, &seconds) < 0)
		return -1; /* not a number of seconds: it says nothing */
	return seconds * 1000;
}
