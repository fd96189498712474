/*
 * One-shots of queryd.
 *
 *	queryd metrics publish FILE…	definitions of the platform's, from JSON files (one object,
 *or an array of them): all are checked before the first is stored; exit 65 when one is not valid or
 *its version says otherwise
 *	queryd explain [METRIC]		what metrics are made of: parts, frozen SQL, lineage
 */
#ifndef QUERYD_COMMANDS_H
#define QUERYD_COMMANDS_H

#include "common/daemon/daemon.h"

int commands_metrics(struct daemon *d, void *state, int argc, char **argv, struct err *e);
int commands_explain(struct daemon *d, void *state, int argc, char **argv, struct err *e);
void commands_close(void); /* after any of them, or none */

#endif
