/* The table of faults; see broken.h. */
#include "tools/sim/broken.h"

#define SIZE_LIMIT ((size_t)1 << 20) /* of one event */

/* Offset just behind the first `what`, or 0. */
static size_t behind(const struct strbuf *line, const char *what)
{
	const char *at = memmem(line->ptr, line->len, what, strlen(what));

	return at == NULL ? 0 : (size_t)(at - line->ptr) + strlen(what);
}

static size_t behind_any(const struct strbuf *line, const char *const *what)
{
	size_t at = 0;

	for (; at == 0 && *what != NULL; what++)
		at = behind(line, *what);
	return at;
}

/* Where the members of the payload begin. */
static size_t payload_of(const struct strbuf *line)
{
	static const char *const keys[] = {"\"payload\":{", "\"data\":{", "\"properties\":{", NULL};

	return behind_any(line, keys);
}

/* The same, but only ahead of the payload: there, the member would be another one. */
static size_t behind_in_envelope(const struct strbuf *line, const char *const *what)
{
	size_t at = behind_any(line, what);

	return at < payload_of(line) ? at : 0;
}

static const char *const tenant_keys[] = {"\"tenantId\":\"t", "\"tenantid\":\"t", NULL};

/* n bytes of room at `at`, to be filled by the caller. */
static char *open_gap(struct strbuf *line, size_t at, size_t n)
{
	size_t tail = line->len - at;

	strbuf_reserve(line, n);
	memmove(line->ptr + at + n, line->ptr + at, tail);
	line->len += n;
	return line->ptr + at;
}

static bool cut_short(struct strbuf *line, const char *arg UNUSED)
{
	line->len = line->len * 2 / 3;
	return true;
}

static bool not_an_object(struct strbuf *line, const char *arg)
{
	strbuf_reset(line);
	strbuf_append_str(line, arg);
	return true;
}

static bool add_to_payload(struct strbuf *line, const char *arg)
{
	memcpy(open_gap(line, payload_of(line), strlen(arg)), arg, strlen(arg));
	return true;
}

static bool bad_utf8(struct strbuf *line, const char *arg UNUSED)
{
	line->ptr[payload_of(line) + 1] = (char)0xff;
	return true;
}

static bool too_large(struct strbuf *line, const char *arg UNUSED)
{
	static const char head[] = "\"pad\":\"", tail[] = "\",";
	char *gap = open_gap(line, payload_of(line), SIZE_LIMIT);

	memset(gap, 'x', SIZE_LIMIT);
	memcpy(gap, head, sizeof(head) - 1);
	memcpy(gap + SIZE_LIMIT - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
	return true;
}

/* Renames the member so that nobody finds it. */
static bool without_tenant(struct strbuf *line, const char *arg UNUSED)
{
	size_t at = behind_in_envelope(line, tenant_keys);

	if (at != 0)
		line->ptr[at - strlen("tenantId\":\"t")] = 'x';
	return at != 0;
}

static bool bad_tenant(struct strbuf *line, const char *arg)
{
	size_t at = behind_in_envelope(line, tenant_keys);

	if (at != 0)
		line->ptr[at + 8] = arg[0];
	return at != 0;
}

/* Overwrites the first bytes of the time. */
static bool other_time(struct strbuf *line, const char *arg)
{
	static const char *const keys[] = {"\"occurredAt\":\"", "\"time\":\"", NULL};
	size_t at = behind_in_envelope(line, keys);

	if (at != 0)
		memcpy(line->ptr + at, arg, strlen(arg));
	return at != 0;
}

static bool without_subject(struct strbuf *line, const char *arg UNUSED)
{
	size_t at;
	bool found = false;

	while ((at = behind(line, "\"melmastoon.")) != 0) {
		line->ptr[at - 2] = 'm';
		found = true;
	}
	return found;
}

static bool without_id(struct strbuf *line, const char *arg UNUSED)
{
	static const char *const keys[] = {"\"eventId\":", "{\"id\":", "\",\"id\":", NULL};
	size_t at = behind_in_envelope(line, keys);

	if (at != 0)
		line->ptr[at - 3] = 'x'; /* eventIx, ix */
	return at != 0;
}

static const struct fault {
	bool (*make)(struct strbuf *line, const char *arg); /* false: not possible on this line */
	const char *arg;
	unsigned weight;
} faults[] = {
	{cut_short, NULL, 20},
	{not_an_object, "42", 4},
	{not_an_object, "{'single': 'quotes'}", 4},
	{add_to_payload, "\"dup\":1,\"dup\":2,", 8},
	{add_to_payload, "\"z\":\"a\\u0000b\",", 8},
	{add_to_payload, "\"s\":\"\\ud800\",", 6},
	{add_to_payload, "\"n\":1e999999,", 4},
	{add_to_payload, "\"n\":012,", 4},
	{add_to_payload, "\"t\":\"tab\there\",", 4},
	{bad_utf8, NULL, 10},
	{without_tenant, NULL, 16},
	{bad_tenant, "!", 8},
	{other_time, "2025-13", 8},
	{other_time, "2999", 8},
	{without_subject, NULL, 8},
	{without_id, NULL, 8},
	{too_large, NULL, 1},
};

void broken_make(struct rng *rng, struct strbuf *line)
{
	uint16_t weights[ARRAY_SIZE(faults)];
	const struct fault *fault;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		weights[i] = (uint16_t)faults[i].weight;
	fault = &faults[rng_weighted(rng, weights, ARRAY_SIZE(faults))];
	if (!fault->make(line, fault->arg))
		(void)cut_short(line, NULL);
}
