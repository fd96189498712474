/*
 * The event id of an NDJSON line, and sets of ids: what --acked writes and --skip-acked reads.
 */
#ifndef TOOLS_REPLAY_IDS_H
#define TOOLS_REPLAY_IDS_H

#include "common/base/err.h"
#include "common/base/strbuf.h"

/*
 * Puts into `out` (emptied first) the id that ingestd takes for the event: the first of top-level
 * `eventId`, `id` and `envelope.eventId` that is a non-empty string. false when the line is no
 * object, has none, or has one with control characters. Scans the line once without building a
 * document; only when a key or the id holds an escape it is parsed as JSON.
 */
bool replay_id_find(struct slice line, struct strbuf *out);

/* A set that keeps 16 bytes an id: the first half of its SHA-256. */
struct replay_ids;
struct replay_ids *replay_ids_new(void) MUST_CHECK;
void replay_ids_free(struct replay_ids *s); /* NULL is fine */
/* One id a line; a file that does not exist is an empty one (the first run of a retry loop). */
int replay_ids_load(struct replay_ids *s, const char *path, struct err *e) MUST_CHECK;
void replay_ids_add(struct replay_ids *s, struct slice id);
bool replay_ids_has(const struct replay_ids *s, struct slice id);

#endif
