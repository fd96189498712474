/*
 * GET /internal/sync/pull: what sync-service copies to desktops, one tenant at a time.
 *
 * The caller is a service: a token with `tenants`, a list of exactly one, and no roles. With
 * propertyAccess (under any of its names) it pulls for these properties, else for all. Dashboards
 * of a user or of roles are not copied. A scope sees snapshots that were made for exactly itself,
 * or for the one property of a property's dashboard; figures and dates over all properties are null
 * for who sees some.
 *
 * Items are {kind, id, policy, deleted, changedAt, data}. dashboard, widget, metric (the newest
 * version of a key), projection and alert replace what there was under their id
 * (server_authoritative); a snapshot is added (append_only), its id is the widget's with the
 * scope's. `deleted` is all that is said of what is gone, or seen no more. Without a cursor what is
 * gone is left out. Applying an item again changes nothing.
 *
 * The cursor is sealed for the tenant and scope. It holds the database's snapshot as pg_snapshot
 * (migration 0016 says why nothing is lost), the place in a long answer, and a mark per projection,
 * whose state lies in the warehouse. While `more` is true the pages belong to one snapshot; what
 * changes meanwhile comes after them. A cursor is good for 30 days, tombstones are kept for 31.
 */
#ifndef QUERYD_SYNC_PULL_H
#define QUERYD_SYNC_PULL_H

#include "queryd/access.h"

void pull_serve(const struct call *c);

#endif
