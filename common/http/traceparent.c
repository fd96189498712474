/* Trace contexts; see traceparent.h. */
#include "common/http/traceparent.h"

#define HEX "0123456789abcdef"

/* Where the parts of "00-<32>-<16>-<2>" begin, and its length. */
enum { TRACE_ID = 3, PARENT_ID = 36, FLAGS = 53, LENGTH = 55, LONGEST = 256 };

/* n hexadecimal digits, which are not all zero unless `zero` says that they may be. */
static bool is_id(const char *s, size_t n, bool zero)
{
	return strspn(s, HEX) == n && (zero || strspn(s, "0") < n);
}

bool traceparent_valid(const char *text)
{
	size_t len = text != NULL ? strnlen(text, LONGEST + 1) : 0;

	if (len < LENGTH || len > LONGEST || !is_id(text, 2, true) || strncmp(text, "ff", 2) == 0)
		return false;
	/* a later version may go on after another dash */
	if (len > LENGTH && (strncmp(text, "00", 2) == 0 || text[LENGTH] != '-'))
		return false;
	return text[TRACE_ID - 1] == '-' && is_id(text + TRACE_ID, TRACE_ID_LEN, false) &&
	       text[PARENT_ID - 1] == '-' && is_id(text + PARENT_ID, 16, false) &&
	       text[FLAGS - 1] == '-' && is_id(text + FLAGS, 2, true);
}

void traceparent_trace_id(const char *text, char out[TRACE_ID_LEN + 1])
{
	memcpy(out, text + TRACE_ID, TRACE_ID_LEN);
	out[TRACE_ID_LEN] = '\0';
}
