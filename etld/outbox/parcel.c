/* Putting rows of the outbox together by key; see parcel.h. */
#include "etld/outbox/parcel.h"

/* Columns of take_rows.sql. */
enum { ROW_ID, ROW_KEY, ROW_SUBJECT, ROW_TENANT, ROW_ENVELOPE, ROW_DATA, ROW_ATTEMPTS };

static struct slice keep(struct arena *a, struct slice s)
{
	return (struct slice){arena_strndup(a, s.ptr, s.len), s.len};
}

static void take_row(struct parcel *p, const struct pgresult *r, size_t row, struct arena *a)
{
	struct topic_message *m = &p->messages[p->n];
	const char *tenant_id = pgresult_text(r, 0, row, ROW_TENANT);

	ASSERT(p->n < PARCEL_ROWS_MAX);
	(void)snprintf(p->ids[p->n], sizeof(p->ids[0]), "%s", pgresult_text(r, 0, row, ROW_ID));
	m->subject = arena_strdup(a, pgresult_text(r, 0, row, ROW_SUBJECT));
	m->tenant_id = tenant_id != NULL ? arena_strdup(a, tenant_id) : NULL;
	m->data = keep(a, pgresult_slice(r, 0, row, ROW_DATA));
	p->envelopes[p->n] = keep(a, pgresult_slice(r, 0, row, ROW_ENVELOPE));
	p->bytes += m->data.len;
	p->n++;
}

struct parcel *parcels_of(const struct pgresult *r, struct arena *a, size_t *ret_n)
{
	struct parcel *parcels = arena_alloc(a, PARCELS_MAX * sizeof(*parcels)), *p = NULL;

	*ret_n = 0;
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		const char *key = pgresult_text(r, 0, row, ROW_KEY);

		if (p == NULL || strcmp(p->ordering_key, key) != 0) {
			ASSERT(*ret_n < PARCELS_MAX);
			p = &parcels[(*ret_n)++];
			p->ordering_key = arena_strdup(a, key);
			p->attempts = pgresult_i64(r, 0, row, ROW_ATTEMPTS);
		}
		if (p->bytes <= PARCEL_BYTES_MAX)
			take_row(p, r, row, a);
	}
	return parcels;
}
