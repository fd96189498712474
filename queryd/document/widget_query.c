/* Readers' choices; see widget_query.h. */
#include "queryd/document/widget_query.h"

#include "queryd/property_id.h"

#define PROPERTY "property_id"

/* ---- the query string */

static bool add_property(const struct call *c, const char *given, struct widget_choice *ret)
{
	char id[PROPERTY_ID_MAX + 1];

	if (ret->n == WIDGET_PROPERTIES_MAX || property_id_canonical(given, id) < 0) {
		httpd_reply_violations(
			c->http,
			&(struct problem_violation){"property",
						    "must be ids of properties, at most 100"},
			1);
		return false;
	}
	if (!principal_may_see(c->principal, id)) {
		httpd_reply_problem(c->http, PROBLEM_PROPERTY_SCOPE_VIOLATION,
				    "The token does not reach the property asked for.");
		return false;
	}
	ret->properties[ret->n++] = arena_strdup(httpd_arena(c->http), id);
	return true;
}

bool widget_choice_read(const struct call *c, struct widget_choice *ret)
{
	struct faults faults = {.n = 0};
	struct request window;
	const char *name, *value;

	*ret = (struct widget_choice){.from = httpd_query(c->http, "from"),
				      .to = httpd_query(c->http, "to")};
	request_read_window(ret->from, ret->to, httpd_arena(c->http), &window, &faults);
	if (faults.n > 0) {
		httpd_reply_violations(c->http, faults.v, faults.n);
		return false;
	}
	for (size_t i = 0; httpd_query_at(c->http, i, &name, &value); i++) {
		if (strcmp(name, "property") == 0 && !add_property(c, value, ret))
			return false;
	}
	return true;
}

/* ---- the query */

/* A filter that only lets some properties through. */
static bool is_property_list(const struct json *filter)
{
	return json_is(json_get(filter, "dimension"), PROPERTY) &&
	       (json_is(json_get(filter, "op"), "eq") || json_is(json_get(filter, "op"), "in"));
}

static bool lets_through(const struct json *filter, const char *property)
{
	const struct json *values = json_get(filter, "values");

	for (size_t i = 0; i < json_len(values); i++) {
		const char *value = json_string_or_null(json_at(values, i));
		char id[PROPERTY_ID_MAX + 1];

		if (value != NULL && property_id_canonical(value, id) == 0 &&
		    strcmp(id, property) == 0)
			return true;
	}
	return false;
}

static void write_raw(struct json_writer *w, const struct json *v)
{
	struct strbuf text = STRBUF_INIT;

	json_write(v, &text);
	jw_raw(w, strbuf_slice(&text));
	strbuf_clear(&text);
}

/* false: a property that the saved filters leave out. */
static bool write_filters(struct json_writer *w, const struct json *saved,
			  const struct widget_choice *choice)
{
	bool inside = true;

	jw_key(w, "filters");
	jw_array(w);
	for (size_t i = 0; i < json_len(saved); i++) {
		const struct json *filter = json_at(saved, i);

		if (!is_property_list(filter)) {
			write_raw(w, filter);
			continue;
		}
		for (size_t p = 0; p < choice->n; p++)
			inside &= lets_through(filter, choice->properties[p]);
	}
	jw_object(w);
	jw_key(w, "dimension");
	jw_str(w, PROPERTY);
	jw_key(w, "op");
	jw_str(w, "in");
	jw_key(w, "values");
	jw_array(w);
	for (size_t p = 0; p < choice->n; p++)
		jw_str(w, choice->properties[p]);
	jw_end(w);
	jw_end(w);
	jw_end(w);
	return inside;
}

static void write_dates(struct json_writer *w, const struct widget_choice *choice)
{
	jw_key(w, "dateRange");
	jw_object(w);
	jw_key(w, "from");
	jw_str(w, choice->from);
	jw_key(w, "to");
	jw_str(w, choice->to);
	jw_end(w);
}

struct json *widget_query(const struct json *saved, const struct widget_choice *choice)
{
	struct strbuf text = STRBUF_INIT;
	struct json *root = NULL;
	struct json_writer w;
	bool inside = true;

	jw_init(&w, &text);
	jw_object(&w);
	for (size_t i = 0; i < json_len(saved); i++) {
		const char *name = json_key_at(saved, i);

		if ((choice->from != NULL && strcmp(name, "dateRange") == 0) ||
		    (choice->n > 0 && strcmp(name, "filters") == 0))
			continue;
		jw_key(&w, name);
		write_raw(&w, json_at(saved, i));
	}
	if (choice->from != NULL)
		write_dates(&w, choice);
	if (choice->n > 0)
		inside = write_filters(&w, json_get(saved, "filters"), choice);
	jw_end(&w);
	if (inside && json_parse(strbuf_slice(&text), text.len, &root, NULL) < 0)
		ASSERT(!"what was written can be read");
	strbuf_clear(&text);
	return root;
}
