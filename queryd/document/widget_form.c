/* Widgets' results; see widget_form.h. */
#include "queryd/document/widget_form.h"

#include "queryd/document/widget_kind.h"

#define RESULT_MAX ((size_t)64 << 20)

static void text_member(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

static void copy_member(const struct json *data, const char *name, struct json_writer *w)
{
	const struct json *v = json_get(data, name);
	struct strbuf text = STRBUF_INIT;

	if (v == NULL)
		return;
	json_write(v, &text);
	jw_key(w, name);
	jw_raw(w, strbuf_slice(&text));
	strbuf_clear(&text);
}

/* Without the state that is added when answering. */
static bool write_form(const struct widget_form *f, struct slice result, struct strbuf *out)
{
	static const char *const kept[] = {"totals",     "truncated",      "dateRange",
					   "comparedTo", "metricVersions", "definitionHashes",
					   "dataVersion"};
	struct json *data = NULL;
	struct json_writer w;

	if (json_parse(result, RESULT_MAX, &data, NULL) < 0)
		return false;
	jw_init(&w, out);
	jw_object(&w);
	text_member(&w, "widgetId", f->id);
	text_member(&w, "kind", f->kind);
	text_member(&w, "title", f->title);
	jw_key(&w, "data");
	widget_kind_write(widget_kind_find(f->kind), data, &w);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		copy_member(data, kept[i], &w);
	jw_end(&w);
	json_free(data);
	return true;
}

static void add_state(const struct answer *a, struct slice form, struct strbuf *out)
{
	struct answer shown = *a;

	shown.data = form;
	answer_write(&shown, out);
}

bool widget_form_write(const struct widget_form *f, const struct answer *a, struct strbuf *out)
{
	struct strbuf form = STRBUF_INIT;
	bool ok = write_form(f, a->data, &form);

	if (ok)
		add_state(a, strbuf_slice(&form), out);
	strbuf_clear(&form);
	return ok;
}

bool widget_form_recall(const struct call *c, const struct widget_form *f, const struct answer *a,
			struct strbuf *out)
{
	struct cache *cache = c->st->cache;
	const char *tenant_id = c->principal->tenant_id;
	/* the result's own key says whose scope it is of */
	const char *key = arena_printf(httpd_arena(c->http), "%s|%s|%s", f->id, f->revision,
				       a->key);
	struct slice known = cache_form(cache, tenant_id, key, a->versions);
	struct strbuf form = STRBUF_INIT;
	bool ok = true;

	if (known.len > 0) {
		add_state(a, known, out);
		return true;
	}
	ok = write_form(f, a->data, &form);
	if (ok) {
		add_state(a, strbuf_slice(&form), out);
		cache_keep_form(cache, tenant_id, key, a->versions, strbuf_slice(&form));
	}
	strbuf_clear(&form);
	return ok;
}
