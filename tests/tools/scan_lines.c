/*
 * scan_lines: one verdict a line on standard output, `ok` or `<fault> <offset>`, on each text from
 * standard input. A text is given in hexadecimal, one a line, so that it may hold any byte.
 */
#include "common/base/strbuf.h"
#include "ingestd/reading/scan.h"

static int hex_digit(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* false at the end of the input */
static bool read_text(struct strbuf *text)
{
	int c;

	strbuf_reset(text);
	while ((c = getchar()) != EOF && c != '\n') {
		int high = hex_digit(c), low = hex_digit(getchar());

		ASSERT(high >= 0 && low >= 0);
		strbuf_append_char(text, (char)(high << 4 | low));
	}
	return c != EOF;
}

int main(void)
{
	static const struct scan_limits limits = {.size_max = 1 << 20};
	static struct scan_scratch scratch;
	struct strbuf text = STRBUF_INIT;
	struct fault fault;

	scan_scratch_init(&scratch, 1);
	while (read_text(&text)) {
		struct slice s = {strbuf_cstr(&text), text.len};

		if (scan_document(s, &limits, &scratch, NULL, &fault) == 0)
			puts("ok");
		else
			printf("%s %zu\n", fault_name(fault.code), fault.offset);
	}
	strbuf_clear(&text);
	return 0;
}
