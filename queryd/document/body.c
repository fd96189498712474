/* Bodies by tables; see body.h. */
#include "queryd/document/body.h"

#include "common/base/num.h"
#include "common/base/timestamp.h"

static void free_json(void *root)
{
	json_free(root);
}

/* Characters, not bytes; the text is UTF-8. */
static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0U) != 0x80U;
	return n;
}

/* Of at least one sign that is not a space. */
static bool is_text(const struct json *v, int64_t min, int64_t max)
{
	const char *s = json_string_or_null(v);
	size_t n = s != NULL ? characters(s) : 0;

	return s != NULL && n >= (size_t)min && n <= (size_t)max &&
	       (min == 0 || strspn(s, " \t\r\n") < strlen(s));
}

static bool is_number(const struct json *v, int64_t min, int64_t max)
{
	struct strbuf text = STRBUF_INIT;
	double d;
	bool ok = json_kind(v) == JSON_NUMBER;

	json_write(v, &text);
	ok = ok && num_double(strbuf_slice(&text), &d) == 0 && d >= (double)min && d <= (double)max;
	strbuf_clear(&text);
	return ok;
}

static void check_choice(const struct json *v, const char *field, const struct body_member *m,
			 struct arena *a, struct faults *f)
{
	struct strbuf list = STRBUF_INIT;

	for (const char *const *choice = m->choices; *choice != NULL; choice++) {
		if (json_is(v, *choice)) {
			strbuf_clear(&list);
			return;
		}
		strbuf_appendf(&list, "%s%s", list.len > 0 ? ", " : "", *choice);
	}
	faults_add(f, a, field, "must be one of %s", strbuf_cstr(&list));
	strbuf_clear(&list);
}

static void check_strings(const struct json *v, const char *field, const struct body_member *m,
			  struct arena *a, struct faults *f)
{
	bool ok = json_kind(v) == JSON_ARRAY && json_len(v) >= (size_t)m->min &&
		  json_len(v) <= (size_t)m->max;

	for (size_t i = 0; ok && i < json_len(v); i++)
		ok = is_text(json_at(v, i), 1, 200);
	if (!ok)
		faults_add(f, a, field, "must be an array of %lld to %lld strings",
			   (long long)m->min, (long long)m->max);
}

static void check_member(const struct json *v, const char *field, const struct body_member *m,
			 struct arena *a, struct faults *f)
{
	int64_t number;

	switch (m->type) {
	case BODY_TEXT:
		if (!is_text(v, m->min, m->max))
			faults_add(f, a, field, "must be a text of %lld to %lld characters",
				   (long long)m->min, (long long)m->max);
		break;
	case BODY_INTEGER:
		if (json_i64(v, field, m->min, m->max, &number, NULL) < 0)
			faults_add(f, a, field, "must be an integer from %lld to %lld",
				   (long long)m->min, (long long)m->max);
		break;
	case BODY_CHOICE:
		check_choice(v, field, m, a, f);
		break;
	case BODY_OBJECT:
		if (json_kind(v) != JSON_OBJECT)
			faults_add(f, a, field, "must be an object");
		break;
	case BODY_STRINGS:
		check_strings(v, field, m, a, f);
		break;
	case BODY_NUMBER:
		if (!is_number(v, m->min, m->max))
			faults_add(f, a, field, "must be a number from %lld to %lld",
				   (long long)m->min, (long long)m->max);
		break;
	case BODY_BOOL:
		if (json_kind(v) != JSON_BOOL)
			faults_add(f, a, field, "must be true or false");
		break;
	case BODY_INSTANT:
		if (json_string_or_null(v) == NULL ||
		    timestamp_parse(slice_of(json_string_or_null(v)), &number) < 0)
			faults_add(f, a, field, "must be an instant like 2026-01-31T08:00:00Z");
		break;
	}
}

void body_check(const struct call *c, const struct json *v, const char *at,
		const struct body_member *members, size_t n, struct faults *f)
{
	struct arena *a = httpd_arena(c->http);
	const char *dot = at[0] != '\0' ? "." : "";

	if (json_kind(v) != JSON_OBJECT)
		return;
	for (size_t i = 0; i < n; i++) {
		const char *field = arena_printf(a, "%s%s%s", at, dot, members[i].name);
		const struct json *member = json_get(v, members[i].name);

		if (member != NULL && json_kind(member) != JSON_NULL)
			check_member(member, field, &members[i], a, f);
		else if (members[i].required)
			faults_add(f, a, field, "is required");
	}
	for (size_t i = 0; i < json_len(v); i++) {
		const char *name = json_key_at(v, i);
		size_t k = 0;

		while (k < n && strcmp(members[k].name, name) != 0)
			k++;
		if (k == n)
			faults_add(f, a, arena_printf(a, "%s%s%s", at, dot, name),
				   "there is no such member");
	}
}

void body_read(const struct call *c, const struct body_member *members, size_t n, struct body *ret)
{
	struct arena *a = httpd_arena(c->http);
	struct json *root = NULL;
	struct err e = ERR_INIT;

	*ret = (struct body){.root = NULL};
	if (json_parse(httpd_body(c->http), REQUEST_BODY_MAX, &root, &e) < 0) {
		faults_add(&ret->faults, a, "body", "%s", e.msg);
		return;
	}
	arena_defer(a, free_json, root);
	ret->root = root;
	if (json_kind(root) != JSON_OBJECT)
		faults_add(&ret->faults, a, "body", "must be a JSON object");
	else
		body_check(c, root, "", members, n, &ret->faults);
}

bool body_refused(const struct call *c, const struct body *b, enum problem_code code)
{
	if (b->faults.n > 0)
		httpd_reply_rejected(c->http, code, b->faults.v, b->faults.n);
	return b->faults.n > 0;
}
