/* The error value; see err.h. */
#include "common/base/err.h"

#include <stdarg.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	ASSERT(code < 0);
	if (e == NULL)
		return code;
	e->code = code;
	e->sqlstate[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;
	int n;

	if (e == NULL)
		return code;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 3 <= sizeof(e->msg)) {
		size_t room = sizeof(e->msg) - (size_t)n - 3;
		size_t len = strnlen(old, room);

		memcpy(e->msg + n, ": ", 2);
		memcpy(e->msg + n + 2, old, len);
		e->msg[(size_t)n + 2 + len] = '\0';
	}
	return e->code != 0 ? e->code : code;
}
