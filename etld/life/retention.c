/* The retention of raw, a portion at a time; see retention.h. */
#include "etld/life/retention.h"

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define RETENTION_MAGIC    OBJ_MAGIC('t')
#define PORTION_ROWS       "2000"
#define STATEMENT_LIMIT_MS 60000
#define REST_MS            100   /* from portion to portion */
#define LOOK_EVERY_MS      60000 /* when nothing is due */

enum { CLASSES = 5 };

struct retention {
	unsigned magic;
	struct pgpool *warehouse;
	struct daemon_timer *timer;
	char limits[CLASSES][32]; /* intervals; "": for ever */
	bool stopped;
	struct metric *emptied, *deleted;
};

static void again_in(struct retention *t, int64_t ms)
{
	if (!t->stopped)
		daemon_timer_arm(t->timer, ms);
}

/* 0 or 1 rows: (month, looked_at, emptied, deleted). */
static void on_retired(void *arg, const struct pgresult *r, const struct err *e)
{
	struct retention *t = arg;

	OBJ_CHECK(t, RETENTION_MAGIC);
	if (e != NULL || pgresult_rows(r, 0) == 0) {
		if (e != NULL && e->sqlstate[0] != '\0')
			log_error("retention failed", LOG_S("error", e->msg));
		again_in(t, LOOK_EVERY_MS);
		return;
	}
	metric_add(t->emptied, pgresult_i64(r, 0, 0, 2));
	metric_add(t->deleted, pgresult_i64(r, 0, 0, 3));
	if (pgresult_i64(r, 0, 0, 2) + pgresult_i64(r, 0, 0, 3) > 0)
		log_info("raw events retired", LOG_S("month", pgresult_text(r, 0, 0, 0)),
			 LOG_I("emptied", pgresult_i64(r, 0, 0, 2)),
			 LOG_I("deleted", pgresult_i64(r, 0, 0, 3)));
	again_in(t, REST_MS);
}

static void on_timer(void *arg)
{
	struct retention *t = arg;
	const char *params[CLASSES + 1];

	OBJ_CHECK(t, RETENTION_MAGIC);
	for (size_t i = 0; i < CLASSES; i++)
		params[i] = t->limits[i][0] != '\0' ? t->limits[i] : NULL;
	params[CLASSES] = PORTION_ROWS;
	pgpool_exec(t->warehouse, NULL, &SQL_etld_retire_raw, params, STATEMENT_LIMIT_MS,
		    on_retired, t);
}

struct retention *retention_new(struct daemon *d, struct pgpool *warehouse,
				const struct etld_config *conf)
{
	const int64_t limits[CLASSES] = {conf->retain_operational, conf->retain_regulated,
					 conf->retain_audit, conf->retain_analytical,
					 conf->retain_keys};
	struct retention *t;
	bool any = false;

	for (size_t i = 0; i < CLASSES; i++)
		any |= limits[i] > 0;
	if (!any)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->magic = RETENTION_MAGIC;
	t->warehouse = warehouse;
	for (size_t i = 0; i < CLASSES; i++) {
		if (limits[i] > 0)
			(void)snprintf(t->limits[i], sizeof(t->limits[i]), "%lld ms",
				       (long long)limits[i]);
	}
	t->emptied = metrics_counter("etl_raw_emptied_total", "Raw events whose content went");
	t->deleted = metrics_counter("etl_raw_deleted_total", "Raw events that went");
	t->timer = daemon_timer_new(d, 0, 0, on_timer, t);
	return t;
}

void retention_stop(struct retention *t)
{
	if (t == NULL)
		return;
	t->stopped = true;
	daemon_timer_free(t->timer);
	t->timer = NULL;
}

void retention_free(struct retention *t)
{
	if (t == NULL)
		return;
	t->magic = 0;
	free(t);
}
