/*
 * L3: a daemon runs on a migrated database or not at all. At start it asks each database for its
 * newest migration and leaves with exit code 69 when that is older than the binary was built with.
 */
#ifndef COMMON_SCHEMA_H
#define COMMON_SCHEMA_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct schema_check;

/*
 * Checks every `retry_ms` until the database answers; then calls on_ok once, or quits the daemon
 * (DAEMON_UNAVAILABLE) when `needed` is not there. While it waits, the daemon's condition `name`
 * does not hold. Freed by schema_check_free (also before it is done).
 */
struct schema_check *schema_check_new(struct daemon *d, struct pgpool *pool, const char *name,
				      const struct sql_stmt *version, int needed,
				      void (*on_ok)(void *arg), void *arg) MUST_CHECK;
void schema_check_free(struct schema_check *c);

#endif
