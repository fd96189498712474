/* The schema check; see schema.h. */
#include "common/pg/schema.h"

#include "common/base/xalloc.h"
#include "common/daemon/log.h"

#define SCHEMA_MAGIC   OBJ_MAGIC('s')
#define CHECK_EVERY_MS 500
#define CHECK_LIMIT_MS 5000

struct schema_check {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *pool;
	struct daemon_timer *timer;
	const char *name;
	const struct sql_stmt *version;
	int needed;
	void (*on_ok)(void *arg);
	void *arg;
	bool asking, freed;
};

static void on_version(void *arg, const struct pgresult *r, const struct err *e)
{
	struct schema_check *c = arg;
	int64_t have;

	OBJ_CHECK(c, SCHEMA_MAGIC);
	c->asking = false;
	if (c->freed) {
		c->magic = 0;
		free(c);
		return;
	}
	if (e != NULL && e->sqlstate[0] == '\0') { /* no answer yet */
		daemon_timer_arm(c->timer, CHECK_EVERY_MS);
		return;
	}
	/* no such table: never migrated */
	have = e != NULL ? 0 : pgresult_i64(r, 0, 0, 0);
	if (have < c->needed) {
		log_error("the database needs `etld migrate` first", LOG_S("database", c->name),
			  LOG_I("version", have), LOG_I("needed", c->needed),
			  LOG_S("error", e != NULL ? e->msg : ""));
		daemon_quit(c->daemon, DAEMON_UNAVAILABLE);
		return;
	}
	daemon_condition(c->daemon, c->name, true, "");
	c->on_ok(c->arg);
}

static void ask(void *arg)
{
	struct schema_check *c = arg;

	OBJ_CHECK(c, SCHEMA_MAGIC);
	c->asking = true;
	pgpool_exec(c->pool, NULL, c->version, NULL, CHECK_LIMIT_MS, on_version, c);
}

struct schema_check *schema_check_new(struct daemon *d, struct pgpool *pool, const char *name,
				      const struct sql_stmt *version, int needed,
				      void (*on_ok)(void *arg), void *arg)
{
	struct schema_check *c = xcalloc(1, sizeof(*c));

	*c = (struct schema_check){SCHEMA_MAGIC, d,     pool, NULL,  name, version,
				   needed,       on_ok, arg,  false, false};
	daemon_condition(d, name, false, "its schema version is not known yet");
	c->timer = daemon_timer_new(d, 0, 0, ask, c);
	return c;
}

void schema_check_free(struct schema_check *c)
{
	if (c == NULL)
		return;
	daemon_timer_free(c->timer);
	c->timer = NULL;
	if (c->asking) { /* its callback comes when the pool is freed */
		c->freed = true;
		return;
	}
	c->magic = 0;
	free(c);
}
