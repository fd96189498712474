/*
 * request, definition, cursor: whatever JSON comes, it is refused with a named fault or means
 * something that can be resolved, moved and put into one form; no text opens as a cursor by chance.
 */
#include "queryd/compute/cursor.h"
#include "queryd/metric/definition.h"

#define TODAY 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct metric_def adr = {.key = "adr", .version = 1, .hash = "h", .unit = UNIT_CURRENCY};
static struct metric_def sold = {.key = "rooms_sold", .version = 1, .hash = "h"};

static const struct metric_def *find(void *arg, const char *key, int64_t version)
{
	(void)arg;
	if (strcmp(key, adr.key) == 0 && version <= 1)
		return &adr;
	return strcmp(key, sold.key) == 0 && version <= 1 ? &sold : NULL;
}

static void check_request(struct request *r)
{
	struct strbuf form = STRBUF_INIT;
	struct window windows[WINDOWS_MAX];

	request_resolve(r, TODAY, 1 + TODAY % 7);
	ASSERT(r->from <= r->to && r->to - r->from < REQUEST_DAYS_MAX);
	for (size_t i = request_windows(r, windows); i-- > 0;)
		ASSERT(windows[i].from <= windows[i].to && windows[i].from <= r->from);
	request_normal_form(r, true, &form);
	strbuf_clear(&form);
}

static void check_query(const struct json *v, struct arena *a)
{
	const char *unknown = NULL;
	struct faults f = {.n = 0};
	struct request r;

	request_read_query(v, find, NULL, a, &r, &unknown, &f);
	if (unknown == NULL && f.n == 0)
		check_request(&r);
	f.n = 0;
	request_read_metric(v, &sold, a, &r, &f);
	if (f.n == 0)
		check_request(&r);
}

static void check_definition(const struct json *v, struct arena *a)
{
	struct faults f = {.n = 0};
	struct definition d;
	struct json *stored;

	definition_read(v, a, &d, &f);
	if (f.n > 0)
		return;
	ASSERT(json_parse(slice_of(d.definition), REQUEST_BODY_MAX, &stored, NULL) == 0);
	json_free(stored);
	ASSERT(json_parse(slice_of(d.display), REQUEST_BODY_MAX, &stored, NULL) == 0);
	json_free(stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice text = {(const char *)data, size};
	struct arena *a = arena_new();
	struct faults f = {.n = 0};
	struct json *v;
	struct slice opened;

	adr.numerator = part_find("room_revenue");
	adr.denominator = sold.numerator = part_find("rooms_sold");
	adr.dimensions = sold.dimensions = DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_CHANNEL);
	v = request_parse(text, a, &f);
	if (v != NULL) {
		check_query(v, a);
		check_definition(v, a);
		json_free(v);
	}
	ASSERT(cursor_open(SLICE_LIT("k"), "q", arena_strndup(a, text.ptr, text.len), a, &opened) <
	       0);
	arena_free(a);
	return 0;
}
