-- A pull reads what changed since its cursor, and not all that a tenant ever made.
--
-- What a snapshot has not seen has a transaction's number of at least the snapshot's xmin; the log is
-- read from there on.

set local role analytics_owner;

create index sync_items_changed on analytics.sync_items (tenant_id, changed_xid);
-- leases of snapshots are taken in the order in which they are due
create index sync_snapshots_due on analytics.sync_snapshots (tenant_id, due_at);

reset role;
