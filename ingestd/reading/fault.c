/* Names and places of faults; see fault.h. */
#include "ingestd/reading/fault.h"

#include <errno.h>

static const struct {
	const char *name, *meaning;
} faults[] = {
#define FAULT(id, name, meaning) [FAULT_##id] = {name, meaning},
#include "ingestd/reading/fault.def"
#undef FAULT
};

int fault_at_byte(struct fault *f, enum fault_code code, size_t offset, const char *what)
{
	if (f != NULL)
		*f = (struct fault){.code = code, .what = what, .offset = offset};
	return -EINVAL;
}

int fault_at_source(struct fault *f, enum fault_code code, const char *source, const char *what)
{
	if (f != NULL)
		*f = (struct fault){.code = code, .what = what, .source = source};
	return -EINVAL;
}

const char *fault_name(enum fault_code code)
{
	return faults[code].name;
}

const char *fault_meaning(enum fault_code code)
{
	return faults[code].meaning;
}

void fault_place(const struct fault *f, char out[FAULT_PLACE_MAX])
{
	int n;

	if (f->source == NULL)
		n = snprintf(out, FAULT_PLACE_MAX, "byte %zu", f->offset);
	else if (f->source[0] == '@')
		n = snprintf(out, FAULT_PLACE_MAX, "attributes.%s", f->source + 1);
	else if (f->source[0] == '#')
		n = snprintf(out, FAULT_PLACE_MAX, "message.%s", f->source + 1);
	else
		n = snprintf(out, FAULT_PLACE_MAX, "$.%s", f->source);
	ASSERT(n > 0 && n < FAULT_PLACE_MAX);
}
