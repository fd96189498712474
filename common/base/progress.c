/* A progress bar on stderr; see progress.h. */
#include "common/base/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"

#define DRAW_EVERY_MS 200

void progress_start(struct progress *p)
{
	*p = (struct progress){isatty(STDERR_FILENO) == 1, clock_mono_ms(), 0};
}

void progress_clear(const struct progress *p)
{
	if (p->terminal && p->drawn_ms != 0)
		(void)fputs("\r\033[K", stderr);
}

void progress_draw(struct progress *p, int64_t done, int64_t total, const char *what)
{
	enum { WIDTH = 24 };
	static const char full[] = "########################", empty[] = "........................";
	int64_t now = clock_mono_ms();
	int width;

	if (!p->terminal || now - p->drawn_ms < DRAW_EVERY_MS)
		return;
	progress_clear(p);
	p->drawn_ms = now;
	if (total > 0) {
		if (done > total)
			done = total;
		width = (int)(WIDTH * done / total);
		(void)fprintf(stderr, "[%.*s%.*s] %3lld %%  ", width, full, WIDTH - width, empty,
			      (long long)(100 * done / total));
	}
	(void)fputs(what, stderr);
	if (total > 0 && done > 0)
		(void)fprintf(stderr, "  %.0f s left",
			      (double)(now - p->started_ms) / 1000 * (double)(total - done) /
				      (double)done);
}

int64_t progress_elapsed_ms(const struct progress *p)
{
	return clock_mono_ms() - p->started_ms;
}
