/* Counting dirty profile cells, table by table; see profiler.h. */
#include "dqd/profiler.h"

#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define PROFILER_MAGIC     OBJ_MAGIC('p')
#define PROFILE_TIMEOUT_MS (5 * 60 * 1000)

/* Each statement takes at most $1 marks of its table and returns how many it took. */
static const struct table {
	const char *name;
	const struct sql_stmt *count;
} tables[] = {
	{"fact_reservation", &SQL_dqd_profile_fact_reservation},
	{"fact_room_night", &SQL_dqd_profile_fact_room_night},
	{"fact_inventory_day", &SQL_dqd_profile_fact_inventory_day},
	{"fact_payment", &SQL_dqd_profile_fact_payment},
	{"dim_property", &SQL_dqd_profile_dim_property},
	{"dim_room_type", &SQL_dqd_profile_dim_room_type},
	{"dim_room", &SQL_dqd_profile_dim_room},
	{"dim_tenant", &SQL_dqd_profile_dim_tenant},
	{"fact_housekeeping_task", &SQL_dqd_profile_fact_housekeeping_task},
	{"dim_fx", &SQL_dqd_profile_dim_fx},
	{"fact_lock_action", &SQL_dqd_profile_fact_lock_action},
	{"fact_ai_suggestion", &SQL_dqd_profile_fact_ai_suggestion},
	{"fact_demand_forecast", &SQL_dqd_profile_fact_demand_forecast},
	{"fact_audit_event", &SQL_dqd_profile_fact_audit_event},
	{"fact_funnel", &SQL_dqd_profile_fact_funnel},
	{"fact_room_night_history", &SQL_dqd_profile_fact_room_night_history},
};

struct profiler {
	unsigned magic;
	struct pgpool *pool;
	const struct dqd_config *conf;
	size_t next; /* table */
	profiler_fn fn;
	void *arg;
	bool busy;
	struct metric *cells;
};

static void end(struct profiler *p, const struct err *e)
{
	p->busy = false;
	p->fn(p->arg, e);
}

static void count_next(struct profiler *p);

static void on_counted(void *arg, const struct pgresult *r, const struct err *e)
{
	struct profiler *p = arg;
	int64_t taken;

	OBJ_CHECK(p, PROFILER_MAGIC);
	if (e != NULL) {
		end(p, e);
		return;
	}
	taken = pgresult_i64(r, 1, 0, 0);
	metric_add(p->cells, taken);
	if (taken < p->conf->profile_cells) /* what came meanwhile is for the next round */
		p->next++;
	count_next(p);
}

static void count_next(struct profiler *p)
{
	char cells_text[24];
	const char *cells_max = cells_text;
	const struct table *t;

	if (p->next == ARRAY_SIZE(tables)) {
		end(p, NULL);
		return;
	}
	t = &tables[p->next];
	(void)snprintf(cells_text, sizeof(cells_text), "%lld", (long long)p->conf->profile_cells);
	pgpool_batch(p->pool, NULL,
		     (struct pgstmt[]){{&SQL_dqd_lock_counting, &t->name}, {t->count, &cells_max}},
		     2, PROFILE_TIMEOUT_MS, on_counted, p);
}

static void begin(struct profiler *p, profiler_fn fn, void *arg)
{
	OBJ_CHECK(p, PROFILER_MAGIC);
	ASSERT(!p->busy);
	p->busy = true;
	p->fn = fn;
	p->arg = arg;
	p->next = 0;
}

void profiler_run(struct profiler *p, profiler_fn fn, void *arg)
{
	begin(p, fn, arg);
	count_next(p);
}

static void on_marked(void *arg, const struct pgresult *r, const struct err *e)
{
	struct profiler *p = arg;

	OBJ_CHECK(p, PROFILER_MAGIC);
	(void)r;
	if (e != NULL)
		end(p, e);
	else
		count_next(p);
}

void profiler_run_full(struct profiler *p, const char *table, profiler_fn fn, void *arg)
{
	begin(p, fn, arg);
	pgpool_exec(p->pool, NULL, &SQL_dqd_mark_dirty, &table, PROFILE_TIMEOUT_MS, on_marked, p);
}

struct profiler *profiler_new(struct pgpool *warehouse, const struct dqd_config *conf)
{
	struct profiler *p = xcalloc(1, sizeof(*p));

	p->magic = PROFILER_MAGIC;
	p->pool = warehouse;
	p->conf = conf;
	p->cells = metrics_counter("dq_profile_cells_total", "Profile cells counted again");
	return p;
}

void profiler_free(struct profiler *p)
{
	if (p == NULL)
		return;
	p->magic = 0;
	free(p);
}
