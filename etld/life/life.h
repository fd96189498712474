/*
 * What a tenant's life asks for, as errands: a purge forgets a deleted tenant, an erasure one
 * guest, a region notes where a tenant has moved. Each is a row of steps, most of them a statement
 * that is repeated until nothing is left for it; all can be begun again at any point. What is
 * deleted and what is kept decide the functions of sql/…/0018_tenant_life.sql and
 * 0012_tenant_life.sql.
 *
 * A purge and an erasure leave a record with what there was before and after, signed with
 * purge_key_file. Without that key they fail before they begin.
 */
#ifndef ETLD_LIFE_H
#define ETLD_LIFE_H

#include "etld/job/errand.h"

extern const struct errand_kind errand_purge, errand_erasure, errand_region;

/* Of an errand of these that is done: its record's id, or NULL. Lives as long as the errand. */
const char *life_record_id(const void *errand);

#endif
