/*
 * A request as statements, and their results as cells: what compute and explain have in common. One
 * frozen statement a source and window, whatever the metrics; the sources, the data versions and
 * what is pending are read in one snapshot.
 */
#ifndef QUERYD_COMPUTE_RUN_H
#define QUERYD_COMPUTE_RUN_H

#include "common/pg/pgconn.h"
#include "queryd/compute/cells.h"
#include "queryd/cost/reads.h"
#include "queryd/tenant/cache.h"

#define RUN_STMTS_MAX (4 + WINDOWS_MAX * SOURCE_COUNT)

struct run {
	const struct request *request; /* resolved */
	struct arena *arena;
	struct window windows[WINDOWS_MAX];
	size_t nwindows;
	const struct source *sources[SOURCE_COUNT];
	size_t nsources;
	const char *tables[CACHE_TABLES_MAX]; /* read by them, ended by NULL */
	size_t ntables;
	/* of the source statements over the window; daily: of those whose amounts are converted */
	const char *const *params[WINDOWS_MAX], *const *daily[WINDOWS_MAX];
	struct pgstmt stmts[RUN_STMTS_MAX];
	size_t nstmts;
};

/* What a run found out besides the cells. */
struct run_report {
	int64_t versions[CACHE_TABLES_MAX]; /* of the tables */
	int64_t now_us, oldest_us;          /* of the snapshot; oldest event that waits, 0: none */
	int64_t bytes;
};

/* What it reads and for which windows: all that the cache must know. Everything lives in the arena;
 * the request is borrowed. */
void run_prepare(struct run *run, const struct request *r, struct arena *a);
/* params, daily and stmts: once, and only for an answer that is computed. */
void run_statements(struct run *run);
/* r: of query_start() with run->stmts. -E2BIG when there are over `max` cells, -ENOENT when a rate
 * of exchange is missing: a sentence for the client. */
int run_cells(const struct run *run, const struct pgresult *r, size_t max, struct arena *a,
	      struct cells **ret, struct err *e) MUST_CHECK;
/* What the statements read. */
void run_reads(const struct run *run, struct reads *ret);
void run_report(const struct run *run, const struct pgresult *r, struct run_report *ret);

#endif
