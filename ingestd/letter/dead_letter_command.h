/*
 * `ingestd dead-letter list|show|replay|acknowledge`: what an operator does about events that could
 * not land. Works beside a running ingestd, under the same role and settings.
 */
#ifndef INGESTD_DEAD_LETTER_COMMAND_H
#define INGESTD_DEAD_LETTER_COMMAND_H

#include "common/daemon/daemon.h"

struct dead_letter_command;

#define DEAD_LETTER_USAGE                                                                         \
	"dead-letter list|show ID|replay [ID…]|acknowledge [ID…] [--reason R] [--subject S] " \
	"[--tenant T] [--since T] [--until T] [--all] [--limit N] [--dry-run] [--raw] [--json]: " \
	"events that could not land"

/* The start hook of the command; `state` is a struct ingestd. */
int dead_letter_command_start(struct daemon *d, void *state, int argc, char **argv,
			      struct err *e) MUST_CHECK;
void dead_letter_command_free(struct dead_letter_command *c); /* after the pool; NULL is fine */

#endif
