/* Percent encoding, query strings, path templates; see uri.h. */
#include "common/base/uri.h"

#include <errno.h>

#include "common/base/utf8.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uri_decode(struct slice s, bool plus, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '%') {
			int high = i + 2 < s.len ? hex_digit(s.ptr[i + 1]) : -1;
			int low = i + 2 < s.len ? hex_digit(s.ptr[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return utf8_valid((struct slice){out, n}) ? 0 : -EINVAL;
}

static int decode_into(struct arena *a, struct slice s, const char **ret)
{
	char *text = arena_alloc(a, s.len + 1);
	int r = uri_decode(s, true, text);

	if (r == 0)
		*ret = text;
	return r;
}

int uri_parse_query(struct slice query, struct arena *a, struct uri_param **ret, size_t *ret_count)
{
	struct uri_param *params;
	const char *p = query.ptr, *end = p + query.len;
	size_t n = 0;

	if (query.len == 0) {
		*ret = NULL;
		*ret_count = 0;
		return 0;
	}
	params = arena_alloc(a, URI_QUERY_MAX * sizeof(*params));
	while (p < end) {
		const char *amp = memchr(p, '&', (size_t)(end - p));
		const char *stop = amp != NULL ? amp : end;
		const char *equals = memchr(p, '=', (size_t)(stop - p));
		const char *name_end = equals != NULL ? equals : stop;
		const char *value = equals != NULL ? equals + 1 : stop;

		if (stop > p) {
			struct slice name = {p, (size_t)(name_end - p)};

			if (n == URI_QUERY_MAX || decode_into(a, name, &params[n].name) < 0 ||
			    decode_into(a, (struct slice){value, (size_t)(stop - value)},
					&params[n].value) < 0)
				return -EINVAL;
			n++;
		}
		p = stop + 1;
	}
	*ret = params;
	*ret_count = n;
	return 0;
}

bool uri_match(const char *pattern, const char *path, struct arena *a,
	       struct uri_param ret[URI_PARAMS_MAX], size_t *ret_count)
{
	struct slice names[URI_PARAMS_MAX], values[URI_PARAMS_MAX];
	size_t n = 0;

	while (*pattern != '\0') {
		size_t len;

		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		len = strcspn(path, "/:");
		if (len == 0)
			return false;
		ASSERT(n < URI_PARAMS_MAX);
		names[n] = (struct slice){pattern + 1, strcspn(pattern + 1, "}")};
		values[n] = (struct slice){path, len};
		pattern += names[n].len + 2;
		path += len;
		n++;
	}
	if (*path != '\0')
		return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct uri_param){arena_strndup(a, names[i].ptr, names[i].len),
					    arena_strndup(a, values[i].ptr, values[i].len)};
	*ret_count = n;
	return true;
}
