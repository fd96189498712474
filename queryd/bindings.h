/*
 * One-shots about the roles that read tenants' data, which tenant_views.access_bindings lists.
 * What serves keeps them so by itself (tenant/rolekeeper.h).
 *
 *	queryd looker on|off TENANT	the login of a tenant's reporting tool (Looker Studio over
 *					Postgres): all its properties, read only, few connections;
 *					prints role and password, which is derived and not stored
 *	queryd access check|repair	what is not as the list says; exit 65 when anything is left.
 *					repair ends the sessions of logins that it closed
 */
#ifndef QUERYD_BINDINGS_H
#define QUERYD_BINDINGS_H

#include "common/daemon/daemon.h"

int bindings_looker(struct daemon *d, void *state, int argc, char **argv, struct err *e);
int bindings_access(struct daemon *d, void *state, int argc, char **argv, struct err *e);

#endif
