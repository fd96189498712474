/*
 * The lines of a file or pipe, with bounded memory and without blocking: a slow producer at the
 * other end of a pipe must not hold up the answers of batches in flight.
 */
#ifndef TOOLS_REPLAY_INPUT_H
#define TOOLS_REPLAY_INPUT_H

#include "common/base/err.h"

/* A longer line fits no request body (ingestd takes 32 MiB). */
#define REPLAY_LINE_MAX ((size_t)24 << 20)

struct replay_input;

/* "-" is standard input. */
int replay_input_open(const char *path, struct replay_input **ret, struct err *e) MUST_CHECK;
void replay_input_close(struct replay_input *in); /* NULL is fine */

/*
 * The next line without its newline, borrowed until the next call; blank lines are left out. 0;
 * -EAGAIN: none has arrived yet (wait for replay_input_fd); -ENODATA: the end; another negative
 * errno with e filled: a line above REPLAY_LINE_MAX, a read error.
 */
int replay_input_next(struct replay_input *in, struct slice *ret, struct err *e) MUST_CHECK;
int replay_input_fd(const struct replay_input *in);
uint64_t replay_input_line(const struct replay_input *in); /* number of the last line, from 1 */
/* How far it is, 0..1; negative when the size is not known (a pipe). */
double replay_input_share(const struct replay_input *in);

#endif
