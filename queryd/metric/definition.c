/* Reading metric definitions; see definition.h. */
#include "queryd/metric/definition.h"

#include "queryd/compute/table.h"

#define KEY_MAX       63
#define NAME_MAX_LEN  200
#define LOCALES_MAX   32
#define VERSION_MAX   1000000
#define SLO_DEFAULT_S 300
#define SLO_MAX_S     86400
#define DISPLAY_MAX   8192

struct reading {
	struct arena *arena;
	struct faults *faults;
	struct definition *ret;
	const struct part *numerator, *denominator;
	bool share;
	unsigned dimensions;
	int64_t slo_s;
};

static void fault(struct reading *rd, const char *field, const char *message)
{
	faults_add(rd->faults, rd->arena, field, "%s", message);
}

/* ---- its names */

static bool ends_in(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n >= k && strcmp(s + n - k, suffix) == 0;
}

/* A key becomes the name of a column beside date and dimensions. */
static void read_key(struct reading *rd, const struct json *v)
{
	const char *key = json_string_or_null(v);
	size_t n = key != NULL ? strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;
	bool taken = key != NULL && strcmp(key, "date") == 0;

	for (int d = 0; key != NULL && d < DIM_COUNT; d++)
		taken |= strcmp(key, dimension_name((enum dimension)d)) == 0;
	if (key == NULL || n == 0 || n > KEY_MAX || key[n] != '\0' || key[0] < 'a' || taken ||
	    ends_in(key, TABLE_SUFFIX_PREVIOUS) || ends_in(key, TABLE_SUFFIX_CHANGE))
		fault(rd, "key",
		      "must be 1 to 63 of a-z, 0-9 and _, begin with a letter, be no dimension and "
		      "not end in _previous or _change");
	else
		rd->ret->key = arena_strdup(rd->arena, key);
}

static void read_version(struct reading *rd, const struct json *v)
{
	if (json_i64(v, "version", 1, VERSION_MAX, &rd->ret->version, NULL) < 0)
		fault(rd, "version", "must be an integer from 1 on");
}

static bool is_name(const struct json *v)
{
	const char *s = json_string_or_null(v);

	return s != NULL && s[0] != '\0' && strlen(s) <= NAME_MAX_LEN;
}

static bool are_locales(const struct json *values)
{
	bool ok = json_kind(values) == JSON_OBJECT && json_len(values) <= LOCALES_MAX;

	for (size_t i = 0; ok && i < json_len(values); i++) {
		const char *locale = json_key_at(values, i);
		size_t n = strspn(locale, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789-");

		ok = n >= 2 && n <= 35 && locale[n] == '\0' && is_name(json_at(values, i));
	}
	return ok;
}

static void read_display(struct reading *rd, const struct json *v)
{
	const struct json *values = json_get(v, "values");
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (is_name(v)) {
		jw_init(&w, &out);
		jw_object(&w);
		jw_key(&w, "default");
		jw_str(&w, json_string_or_null(v));
		jw_end(&w);
	} else if (is_name(json_get(v, "default")) && json_len(v) == 1 + (size_t)(values != NULL) &&
		   (values == NULL || are_locales(values))) {
		json_write(v, &out);
	}
	if (out.len == 0 || out.len > DISPLAY_MAX)
		fault(rd, "display",
		      "must be a name of at most 200 bytes, or {default, values: {locale: name}}");
	else
		rd->ret->display = arena_strdup(rd->arena, strbuf_cstr(&out));
	strbuf_clear(&out);
}

/* ---- what it computes */

static void read_unit(struct reading *rd, const struct json *v)
{
	const struct json *kind = json_kind(v) == JSON_OBJECT && json_len(v) == 1
					  ? json_get(v, "kind")
					  : v;

	for (int u = 0; u < UNIT_KIND_COUNT; u++) {
		if (json_is(kind, unit_name((enum unit_kind)u)))
			rd->ret->unit = unit_name((enum unit_kind)u);
	}
	if (rd->ret->unit == NULL)
		fault(rd, "unit", "must be {kind}: count, percent, currency or ratio");
}

static const struct part *part_of(struct reading *rd, const struct json *v, const char *field)
{
	const char *name = json_string_or_null(v);
	const struct part *p = name != NULL ? part_find(name) : NULL;
	struct strbuf list = STRBUF_INIT;

	if (p == NULL) {
		for (size_t i = 0; part_at(i) != NULL; i++)
			strbuf_appendf(&list, "%s%s", i > 0 ? ", " : "", part_at(i)->name);
		fault(rd, field, arena_printf(rd->arena, "must be one of %s", strbuf_cstr(&list)));
		strbuf_clear(&list);
	}
	return p;
}

static void read_numerator(struct reading *rd, const struct json *v)
{
	rd->numerator = part_of(rd, v, "numerator");
}

static void read_denominator(struct reading *rd, const struct json *v)
{
	rd->denominator = part_of(rd, v, "denominator");
}

static void read_share(struct reading *rd, const struct json *v)
{
	if (json_bool(v, "share", &rd->share, NULL) < 0)
		fault(rd, "share", "must be true or false");
}

/* What all of its parts can be grouped by. */
static unsigned dimensions_of_parts(const struct reading *rd)
{
	unsigned all = DIM_BIT(DIM_FILTERS) - 1;

	if (rd->numerator != NULL)
		all &= rd->numerator->source->dimensions;
	if (rd->denominator != NULL)
		all &= rd->denominator->source->dimensions;
	return all;
}

static void read_dimensions(struct reading *rd, const struct json *v)
{
	unsigned allowed = dimensions_of_parts(rd);
	bool ok = json_kind(v) == JSON_ARRAY && json_len(v) <= DIM_COUNT;
	struct strbuf list = STRBUF_INIT;

	rd->dimensions = 0;
	for (size_t i = 0; ok && i < json_len(v); i++) {
		const char *name = json_string_or_null(json_at(v, i));
		enum dimension d;

		ok = name != NULL && dimension_find(name, &d) == 0 && (allowed & DIM_BIT(d)) != 0;
		if (ok)
			rd->dimensions |= DIM_BIT(d);
	}
	for (int d = 0; !ok && d < DIM_FILTERS; d++) {
		if ((allowed & DIM_BIT(d)) != 0)
			strbuf_appendf(&list, "%s%s", list.len > 0 ? ", " : "",
				       dimension_name((enum dimension)d));
	}
	if (!ok)
		faults_add(rd->faults, rd->arena, "dimensions",
			   "must be an array of what all parts have: %s", strbuf_cstr(&list));
	strbuf_clear(&list);
}

static void read_slo(struct reading *rd, const struct json *v)
{
	if (json_i64(v, "freshnessSloSeconds", 1, SLO_MAX_S, &rd->slo_s, NULL) < 0)
		fault(rd, "freshnessSloSeconds", "must be an integer from 1 to 86400");
}

/* Parts come before dimensions, which depend on them. */
static const struct {
	const char *name;
	bool needed;
	void (*read)(struct reading *rd, const struct json *v);
} members[] = {
	{"key", true, read_key},
	{"version", true, read_version},
	{"display", true, read_display},
	{"unit", true, read_unit},
	{"numerator", true, read_numerator},
	{"denominator", false, read_denominator},
	{"share", false, read_share},
	{"dimensions", false, read_dimensions},
	{"freshnessSloSeconds", false, read_slo},
};

static void check_names(struct reading *rd, const struct json *v)
{
	for (size_t i = 0; i < json_len(v); i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_SIZE(members); k++)
			found |= strcmp(members[k].name, json_key_at(v, i)) == 0;
		if (!found)
			fault(rd, json_key_at(v, i), "there is no such member");
	}
}

/* ---- what belongs together */

/* The units that a number of these parts can have: a bit per kind. */
static unsigned units_of(const struct reading *rd)
{
	bool ratio = rd->denominator != NULL || rd->share;
	bool amount = rd->numerator->money && !rd->share &&
		      (rd->denominator == NULL || !rd->denominator->money);

	if (amount)
		return 1U << UNIT_CURRENCY;
	return ratio ? 1U << UNIT_PERCENT | 1U << UNIT_RATIO : 1U << UNIT_COUNT;
}

static void check_unit(struct reading *rd)
{
	unsigned allowed = units_of(rd);
	struct strbuf list = STRBUF_INIT;
	bool ok = false;

	for (int u = 0; u < UNIT_KIND_COUNT; u++) {
		if ((allowed & 1U << u) == 0)
			continue;
		ok |= strcmp(rd->ret->unit, unit_name((enum unit_kind)u)) == 0;
		strbuf_appendf(&list, "%s%s", list.len > 0 ? " or " : "",
			       unit_name((enum unit_kind)u));
	}
	if (!ok)
		faults_add(rd->faults, rd->arena, "unit", "what these parts give is %s",
			   strbuf_cstr(&list));
	strbuf_clear(&list);
}

static void check(struct reading *rd)
{
	check_unit(rd);
	if (rd->share && rd->denominator != NULL)
		fault(rd, "share", "a share has no denominator: its whole is all channels");
	if (rd->denominator != NULL && rd->denominator->money && !rd->numerator->money)
		fault(rd, "denominator", "an amount cannot divide what is none");
	if (rd->share && (rd->dimensions & DIM_BIT(DIM_CHANNEL)) == 0)
		fault(rd, "dimensions", "a share is by channel, which must be among them");
}

/* As Postgres writes jsonb (shorter names first): the hash is the one that SQL would compute. */
static void write_definition(struct reading *rd)
{
	struct strbuf out = STRBUF_INIT;
	bool first = true;

	strbuf_append_char(&out, '{');
	if (rd->share)
		strbuf_append_str(&out, "\"share\": true, ");
	strbuf_appendf(&out, "\"numerator\": \"%s\", \"dimensions\": [", rd->numerator->name);
	for (int d = 0; d < DIM_FILTERS; d++) {
		if ((rd->dimensions & DIM_BIT(d)) == 0)
			continue;
		strbuf_appendf(&out, "%s\"%s\"", first ? "" : ", ",
			       dimension_name((enum dimension)d));
		first = false;
	}
	strbuf_append_str(&out, "], ");
	if (rd->denominator != NULL)
		strbuf_appendf(&out, "\"denominator\": \"%s\", ", rd->denominator->name);
	strbuf_appendf(&out, "\"freshnessSloSeconds\": %lld}", (long long)rd->slo_s);
	rd->ret->definition = arena_strdup(rd->arena, strbuf_cstr(&out));
	strbuf_clear(&out);
}

static void write_hash(struct definition *d)
{
	struct strbuf text = STRBUF_INIT;
	unsigned char digest[HASH_SHA256_LEN];

	strbuf_appendf(&text, "%s|%lld|%s|%s", d->key, (long long)d->version, d->unit,
		       d->definition);
	hash_sha256(strbuf_slice(&text), digest);
	hash_hex(digest, sizeof(digest), d->hash);
	strbuf_clear(&text);
}

void definition_read(const struct json *v, struct arena *a, struct definition *ret,
		     struct faults *f)
{
	struct reading rd = {.arena = a, .faults = f, .ret = ret, .slo_s = SLO_DEFAULT_S};

	*ret = (struct definition){.key = NULL};
	if (json_kind(v) != JSON_OBJECT) {
		fault(&rd, "body", "must be a JSON object");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct json *member = json_get(v, members[i].name);

		if (strcmp(members[i].name, "dimensions") == 0)
			rd.dimensions = dimensions_of_parts(&rd);
		if (member != NULL || members[i].needed)
			members[i].read(&rd, member);
	}
	check_names(&rd, v);
	if (f->n == 0)
		check(&rd);
	if (f->n > 0)
		return;
	write_definition(&rd);
	write_hash(ret);
}
