/*
 * `etld migrate`: brings the control database and the warehouse to the version this binary was
 * built with. Forward only, one transaction a migration, under one session lock each, so that any
 * number may run at once; an applied file whose text changed since is refused.
 */
#ifndef ETLD_MIGRATE_H
#define ETLD_MIGRATE_H

#include "common/daemon/daemon.h"

int migrate_start(struct daemon *d, void *state, int argc, char **argv, struct err *e) MUST_CHECK;

#endif
