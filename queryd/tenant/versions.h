/*
 * The data versions of a tenant as they are now: from Redis, or from Postgres while Redis is away
 * or not trusted (cache.h). What is asked of one tenant in one turn of the loop, or while a
 * question about it is under way, is one question: however many requests come, a tenant has one on
 * its way. It leaves after the request came, so what it says is never older than the request.
 */
#ifndef QUERYD_TENANT_VERSIONS_H
#define QUERYD_TENANT_VERSIONS_H

#include "common/daemon/daemon.h"
#include "common/net/redisq.h"
#include "common/pg/pgpool.h"

#define VERSIONS_TEXT_MAX 512

struct versions;

/* redis NULL: there is none. */
struct versions *versions_new(struct daemon *d, struct redisq *redis,
			      struct pgpool *warehouse) MUST_CHECK;
/* Who asked is told that nobody knows; nothing is asked any more. Before the pools are freed. */
void versions_close(struct versions *v);
void versions_free(struct versions *v); /* after the pools */
void versions_trust(struct versions *v, bool redis);
/* Whether Redis would be asked now. */
bool versions_from_redis(const struct versions *v);

enum versions_outcome {
	VERSIONS_KNOWN,
	VERSIONS_UNSURE, /* Redis does not know one of them */
	VERSIONS_AWAY,   /* nobody could be asked */
};

/* text: "12,7", in the order of the tables; "" unless KNOWN. Borrowed until fn returns. */
typedef void (*versions_fn)(void *arg, enum versions_outcome outcome, const char *text);
/* fn is called exactly once, never from inside the call. tables, ended by NULL, are borrowed until
 * then. */
void versions_ask(struct versions *v, const char *tenant_id, const char *const *tables,
		  versions_fn fn, void *arg);

#endif
