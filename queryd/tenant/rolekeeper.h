/*
 * Keeps the roles that read tenants' data as tenant_views.access_bindings lists them, by itself:
 * every access_interval missing logins are made again, what else differs is repaired, and sessions
 * of logins that are closed are ended; each difference is a line of the log and is counted. When
 * nothing differs that is two statements that change nothing. Several processes may do so.
 *
 * And it ends sessions of reporting logins whose statement goes on for longer than report_timeout:
 * the statement_timeout of their role is what a session may set to nothing.
 */
#ifndef QUERYD_TENANT_ROLEKEEPER_H
#define QUERYD_TENANT_ROLEKEEPER_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct rolekeeper;

struct rolekeeper *rolekeeper_new(struct daemon *d, struct pgpool *warehouse) MUST_CHECK;
void rolekeeper_stop(struct rolekeeper *k); /* nothing more is begun */
void rolekeeper_free(struct rolekeeper *k); /* after its pool is gone; NULL is fine for both */

#endif
