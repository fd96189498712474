/*
 * What a widget shows of a result. Most of it is the same for everybody who sees that result, until
 * the data or the widget change: it is made once and remembered beside the result (cache_form).
 */
#ifndef QUERYD_DOCUMENT_WIDGET_FORM_H
#define QUERYD_DOCUMENT_WIDGET_FORM_H

#include "queryd/access.h"
#include "queryd/compute/answer.h"

struct widget_form {
	const char *id, *kind, *title;
	const char *revision; /* of the widget */
};

/* Appends one JSON object; false: the result cannot be read. */
bool widget_form_write(const struct widget_form *f, const struct answer *a,
		       struct strbuf *out) MUST_CHECK;
/* The same, remembered for the next reader of the caller's scope. */
bool widget_form_recall(const struct call *c, const struct widget_form *f, const struct answer *a,
			struct strbuf *out) MUST_CHECK;

#endif
