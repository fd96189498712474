/*
 * L2: results and errors of Postgres as the rest of the tree sees them; see pgconn.h. Access out of
 * range, or to a null or malformed number, is a fault of the statement and its reader, which were
 * written together: it aborts. What the server says is never trusted to be complete: every error
 * field may be missing.
 */
#include "common/pg/pgconn_priv.h"

#include <errno.h>

#include "common/base/num.h"
#include "common/base/xalloc.h"

void pgresult_push(struct pgresult *r, PGresult *item)
{
	if (r->count == r->cap) {
		r->cap = r->cap != 0 ? 2 * r->cap : 4;
		r->items = xreallocarray(r->items, r->cap, sizeof(PGresult *));
	}
	r->items[r->count++] = item;
}

void pgresult_clear(struct pgresult *r)
{
	for (size_t i = 0; i < r->count; i++)
		PQclear(r->items[i]);
	free(r->items);
	*r = (struct pgresult){.items = NULL};
}

/* --- access */

static const PGresult *item_at(const struct pgresult *r, size_t i)
{
	ASSERT(r != NULL && i < r->count);
	return r->items[i];
}

size_t pgresult_count(const struct pgresult *r)
{
	return r->count;
}

size_t pgresult_rows(const struct pgresult *r, size_t i)
{
	return (size_t)PQntuples(item_at(r, i));
}

size_t pgresult_columns(const struct pgresult *r, size_t i)
{
	return (size_t)PQnfields(item_at(r, i));
}

int64_t pgresult_affected(const struct pgresult *r, size_t i)
{
	int64_t n = 0;

	ASSERT(r != NULL && i < r->count);
	/* not const in libpq, though it only reads; "" for commands that count nothing */
	if (num_i64(slice_of(PQcmdTuples(r->items[i])), 0, INT64_MAX, &n) < 0)
		return 0;
	return n;
}

const char *pgresult_column_name(const struct pgresult *r, size_t i, size_t column)
{
	ASSERT(column < pgresult_columns(r, i));
	return PQfname(item_at(r, i), (int)column);
}

/* The object ids of pg_type, which never change. */
static const struct {
	Oid oid;
	enum pg_type type;
} column_types[] = {
	{16, PG_TYPE_BOOL},          {20, PG_TYPE_INT},    {21, PG_TYPE_INT},
	{23, PG_TYPE_INT},           {700, PG_TYPE_FLOAT}, {701, PG_TYPE_FLOAT},
	{1700, PG_TYPE_NUMERIC},     {1082, PG_TYPE_DATE}, {1114, PG_TYPE_TIMESTAMP},
	{1184, PG_TYPE_TIMESTAMPTZ},
};

enum pg_type pgresult_column_type(const struct pgresult *r, size_t i, size_t column)
{
	ASSERT(column < pgresult_columns(r, i));
	for (size_t t = 0; t < ARRAY_SIZE(column_types); t++) {
		if (column_types[t].oid == PQftype(item_at(r, i), (int)column))
			return column_types[t].type;
	}
	return PG_TYPE_TEXT;
}

const char *pgresult_text(const struct pgresult *r, size_t i, size_t row, size_t column)
{
	const PGresult *res = item_at(r, i);

	ASSERT(row < pgresult_rows(r, i) && column < pgresult_columns(r, i));
	if (PQgetisnull(res, (int)row, (int)column) != 0)
		return NULL;
	return PQgetvalue(res, (int)row, (int)column);
}

struct slice pgresult_slice(const struct pgresult *r, size_t i, size_t row, size_t column)
{
	const char *text = pgresult_text(r, i, row, column);

	if (text == NULL)
		return (struct slice){NULL, 0};
	return (struct slice){text, (size_t)PQgetlength(item_at(r, i), (int)row, (int)column)};
}

int64_t pgresult_i64(const struct pgresult *r, size_t i, size_t row, size_t column)
{
	int64_t v = 0;
	int status = num_i64(pgresult_slice(r, i, row, column), INT64_MIN, INT64_MAX, &v);

	ASSERT(status == 0);
	return v;
}

bool pgresult_bool(const struct pgresult *r, size_t i, size_t row, size_t column)
{
	struct slice s = pgresult_slice(r, i, row, column);

	ASSERT(slice_eq_str(s, "t") || slice_eq_str(s, "f"));
	return s.ptr[0] == 't';
}

/* --- errors */

/* The first line of a message of libpq's own making. */
static struct slice first_line(const char *s)
{
	return (struct slice){s, strcspn(s, "\n")};
}

int pgresult_error(const PGresult *res, int code, const char *name, struct err *e)
{
	const char *primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	struct slice text = first_line(primary != NULL ? primary : PQresultErrorMessage(res));

	if (text.len == 0)
		text = SLICE_LIT("no message");
	(void)err_set(e, code, "%s: %.*s", name, (int)text.len, text.ptr);
	if (sqlstate != NULL)
		(void)snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", sqlstate);
	return code;
}

/*
 * libpq keeps the SQLSTATE of a failed connect to itself, but writes it into a verbose message:
 * "FATAL:  28P01: password …", with a translated severity. Copies the last one found, else "".
 */
static void find_sqlstate(const char *message, char out[6])
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	out[0] = '\0';
	for (const char *p = strstr(message, ":  "); p != NULL; p = strstr(p + 1, ":  ")) {
		if (strspn(p + 3, alphabet) != 5 || p[8] != ':')
			continue;
		memcpy(out, p + 3, 5);
		out[5] = '\0';
	}
}

int pgresult_connect_error(PGconn *pg, struct err *e)
{
	const char *message = PQerrorMessage(pg);
	struct slice text = first_line(message);
	bool refused = PQconnectionNeedsPassword(pg) != 0;
	char sqlstate[6];

	find_sqlstate(message, sqlstate);
	/* 28: no such role, wrong password, not in pg_hba.conf; 42501: may not connect */
	refused |= strncmp(sqlstate, "28", 2) == 0 || strcmp(sqlstate, "42501") == 0;
	(void)err_set(e, refused ? -EACCES : -ECONNREFUSED, "%.*s", (int)text.len, text.ptr);
	memcpy(e->sqlstate, sqlstate, sizeof(sqlstate));
	return e->code;
}

/* First match wins; "" ends the list. */
static const struct {
	char prefix[6];
	enum pg_error_class class;
} classes[] = {
	{"08", PG_ERROR_CONNECTION},   {"53", PG_ERROR_CONNECTION}, {"57P0", PG_ERROR_CONNECTION},
	{"57014", PG_ERROR_CANCELLED}, {"40001", PG_ERROR_RETRY},   {"40P01", PG_ERROR_RETRY},
	{"55P03", PG_ERROR_RETRY},     {"23505", PG_ERROR_UNIQUE},  {"22", PG_ERROR_DATA},
	{"23", PG_ERROR_DATA},
};

enum pg_error_class pg_error_class(const struct err *e)
{
	if (e->code == -ECANCELED)
		return PG_ERROR_CANCELLED;
	if (e->code != -EIO) /* the server was lost, late, full or not to be had */
		return PG_ERROR_CONNECTION;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strncmp(e->sqlstate, classes[i].prefix, strlen(classes[i].prefix)) == 0)
			return classes[i].class;
	}
	return PG_ERROR_BUG;
}

void pg_safe_target(const char *url, char *out, size_t size)
{
	const char *user = "", *host = "", *port = "", *dbname = "";
	PQconninfoOption *options = PQconninfoParse(url, NULL);

	if (options == NULL) { /* not even its parts may be shown */
		(void)snprintf(out, size, "(not a Postgres URL)");
		return;
	}
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		if (strcmp(o->keyword, "user") == 0)
			user = o->val;
		else if (strcmp(o->keyword, "host") == 0)
			host = o->val;
		else if (strcmp(o->keyword, "port") == 0)
			port = o->val;
		else if (strcmp(o->keyword, "dbname") == 0)
			dbname = o->val;
	}
	(void)snprintf(out, size, "postgresql://%s%s%s%s%s/%s", user, user[0] != '\0' ? "@" : "",
		       host, port[0] != '\0' ? ":" : "", port, dbname);
	PQconninfoFree(options);
}
