/* The dead-letter one-shot; see dead_letter_command.h. */
#include "ingestd/letter/dead_letter_command.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "ingestd/ingestd.h"
#include "ingestd/letter/dead_letter_print.h"
#include "ingestd/letter/dead_letter_query.h"
#include "ingestd/letter/replay.h"
#include "sql_gen.h"

#define COMMAND_MAGIC      OBJ_MAGIC('D')
#define STATEMENT_LIMIT_MS 30000
#define REACH_LIMIT_MS     10000 /* until the warehouse has answered */
#define SERVER_SETTINGS                                                           \
	"-c search_path=pg_catalog -c statement_timeout=60s -c lock_timeout=30s " \
	"-c idle_in_transaction_session_timeout=30s -c client_min_messages=warning"

struct dead_letter_command {
	unsigned magic;
	struct ingestd *ingestd;
	struct dead_letter_query query;
	struct daemon_timer *reach;
	struct replay *replay;
	bool json;
};

static void quit(struct dead_letter_command *c, enum daemon_exit code)
{
	daemon_quit(c->ingestd->daemon, code);
}

static bool failed(struct dead_letter_command *c, const struct err *e)
{
	if (e == NULL)
		return false;
	if (e->code != -ECANCELED) {
		log_error("cannot read the dead letters", LOG_S("error", e->msg));
		quit(c, DAEMON_TEMPORARY);
	}
	return true;
}

static void print(struct dead_letter_command *c, struct strbuf *out)
{
	bool written = fwrite(strbuf_cstr(out), 1, out->len, stdout) == out->len;

	written &= fflush(stdout) == 0;
	strbuf_clear(out);
	quit(c, written ? DAEMON_OK : DAEMON_TEMPORARY);
}

static void on_list(void *arg, const struct pgresult *r, const struct err *e)
{
	struct dead_letter_command *c = arg;
	struct strbuf out = STRBUF_INIT;

	OBJ_CHECK(c, COMMAND_MAGIC);
	if (failed(c, e))
		return;
	dead_letter_print_list(r, c->json, &out);
	print(c, &out);
}

static void on_read(void *arg, const struct pgresult *r, const struct err *e)
{
	struct dead_letter_command *c = arg;
	struct strbuf out = STRBUF_INIT;

	OBJ_CHECK(c, COMMAND_MAGIC);
	if (failed(c, e))
		return;
	if (pgresult_rows(r, 0) == 0) {
		log_error("there is no such dead letter", LOG_S("id", c->query.id));
		quit(c, DAEMON_DATA);
		return;
	}
	if (c->query.raw)
		dead_letter_print_bytes(r, &out);
	else
		dead_letter_print_one(r, c->json, &out);
	print(c, &out);
}

static void on_acknowledged(void *arg, const struct pgresult *r, const struct err *e)
{
	struct dead_letter_command *c = arg;

	OBJ_CHECK(c, COMMAND_MAGIC);
	if (failed(c, e))
		return;
	for (size_t row = 0; row < pgresult_rows(r, 0); row++)
		(void)puts(pgresult_text(r, 0, row, 0));
	(void)fflush(stdout);
	(void)fprintf(stderr, "%zu acknowledged\n", pgresult_rows(r, 0));
	quit(c, DAEMON_OK);
}

static void run(struct dead_letter_command *c, const struct sql_stmt *s, const char *const *params,
		pgconn_fn fn)
{
	pgpool_exec(c->ingestd->warehouse, NULL, s, params, STATEMENT_LIMIT_MS, fn, c);
}

static void list(struct dead_letter_command *c)
{
	const char *params[DEAD_LETTER_PARAMS + 1];

	dead_letter_query_params(&c->query, params);
	params[5] = c->query.all ? "true" : "false"; /* list takes no ids */
	params[6] = c->query.limit;
	run(c, &SQL_ingestd_list_dead_letters, params, on_list);
}

static void show(struct dead_letter_command *c)
{
	run(c, &SQL_ingestd_read_dead_letter, &c->query.id, on_read);
}

static void acknowledge(struct dead_letter_command *c)
{
	const char *params[DEAD_LETTER_PARAMS];

	dead_letter_query_params(&c->query, params);
	run(c, &SQL_ingestd_acknowledge_dead_letters, params, on_acknowledged);
}

static void replay(struct dead_letter_command *c)
{
	struct ingestd *st = c->ingestd;
	const struct ingestd_config *conf = daemon_conf(st->daemon);

	st->batcher = batcher_new(st->daemon, st->warehouse, &(struct batcher_options){conf, NULL});
	c->replay = replay_new(st->daemon, st->warehouse, st->batcher,
			       &(struct replay_options){&c->query, conf, c->json});
}

static void (*const verbs[DEAD_LETTER_VERBS])(struct dead_letter_command *) = {
	[DEAD_LETTER_LIST] = list,
	[DEAD_LETTER_SHOW] = show,
	[DEAD_LETTER_REPLAY] = replay,
	[DEAD_LETTER_ACKNOWLEDGE] = acknowledge,
};

static void on_schema(void *arg)
{
	struct dead_letter_command *c = arg;

	OBJ_CHECK(c, COMMAND_MAGIC);
	daemon_timer_free(c->reach);
	c->reach = NULL;
	verbs[c->query.verb](c);
}

static void on_unreachable(void *arg)
{
	struct dead_letter_command *c = arg;

	log_error("the warehouse does not answer");
	quit(c, DAEMON_TEMPORARY);
}

int dead_letter_command_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	const struct ingestd_config *conf = daemon_conf(d);
	struct ingestd *st = state;
	struct dead_letter_command *c = xcalloc(1, sizeof(*c));
	int r = dead_letter_query_parse(argc, argv, clock_wall_us(), &c->query, e);

	c->magic = COMMAND_MAGIC;
	c->ingestd = st;
	c->json = c->query.json || isatty(STDOUT_FILENO) == 0;
	st->daemon = d;
	st->dead_letters = c;
	if (r < 0)
		return r;
	st->warehouse = pgpool_new(daemon_base(d), &(struct pgpool_options){
							   .name = "warehouse",
							   .url = conf->warehouse_url[0] != '\0'
									  ? conf->warehouse_url
									  : conf->database_url,
							   .application = "ingestd dead-letter",
							   .settings = SERVER_SETTINGS,
							   .size = 2,
							   .min_idle = 1,
							   .waiting_max = 16,
							   .wait_ms = 5000,
							   .connect_timeout_ms = 5000,
						   });
	c->reach = daemon_timer_new(d, REACH_LIMIT_MS, 0, on_unreachable, c);
	st->schema = schema_check_new(d, st->warehouse, "warehouse schema",
				      &SQL_schema_version_warehouse, SQL_WAREHOUSE_VERSION,
				      on_schema, c);
	return 0;
}

void dead_letter_command_free(struct dead_letter_command *c)
{
	if (c == NULL)
		return;
	daemon_timer_free(c->reach);
	replay_free(c->replay);
	dead_letter_query_clear(&c->query);
	c->magic = 0;
	free(c);
}
