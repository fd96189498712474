/*
 * The result of read_state.sql: the data versions of the tenant and what it waits for, as they are
 * in the snapshot of the statements beside it.
 */
#ifndef QUERYD_TENANT_STATE_H
#define QUERYD_TENANT_STATE_H

#include "common/pg/pgconn.h"

/* 0: nothing was ever applied to the table. */
int64_t state_version(const struct pgresult *r, size_t result, const char *table);
int64_t state_now_us(const struct pgresult *r, size_t result);
/* When the oldest event landed that is not applied; 0: all are. */
int64_t state_oldest_us(const struct pgresult *r, size_t result);

#endif
