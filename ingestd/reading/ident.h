/*
 * One spelling for every identifier. The services write `<prefix>_<26-character ULID>` but disagree
 * on the prefix of the same thing; join keys and dedupe keys are made comparable here, by a table.
 * Only envelope fields pass through here: identifiers inside the payload are made canonical where
 * the curated layer reads them, by the same rules.
 */
#ifndef INGESTD_IDENT_H
#define INGESTD_IDENT_H

#include "common/base/base.h"
#include "common/base/ulid.h"

#define IDENT_MAX 64

/* The canonical form of s: the prefix by the table, the ULID in upper case. What is not such an
 * identifier, a session (`tnt_session_…`), or canonical already is returned as it is; else the
 * result lies in out. */
struct slice ident_canonical(struct slice s, char out[IDENT_MAX]);

/* Does s look like `<prefix>_<ULID>`? Either case, any prefix. */
bool ident_shaped(struct slice s);

/* `tnt_` and 26 upper-case ULID characters, which is also the name of the tenant's database role.
 */
bool ident_is_tenant(struct slice s);

/* The dedupe key of an event id: the bare upper-case ULID (in out) of `evt_<ULID>` or `<ULID>`, so
 * that keys sort by time; any other id as it is. */
struct slice ident_event_key(struct slice id, char out[ULID_LEN + 1]);

#endif
