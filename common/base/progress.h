/*
 * L1: the line on a terminal that says how far a one-shot is. Where nobody watches it draws
 * nothing, and whoever logs meanwhile clears it first.
 */
#ifndef COMMON_PROGRESS_H
#define COMMON_PROGRESS_H

#include "common/base/base.h"

struct progress {
	bool terminal;
	int64_t started_ms, drawn_ms;
};

void progress_start(struct progress *p);
/* Of `total` (0: not known) so much is done; `what` stands behind the bar. At most five a second.
 */
void progress_draw(struct progress *p, int64_t done, int64_t total, const char *what);
void progress_clear(const struct progress *p);
int64_t progress_elapsed_ms(const struct progress *p);

#endif
