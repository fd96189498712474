/* `etld status [--json]`: one look at the queue, for operators and `tools/stack wait`. */
#include <errno.h>

#include "common/json.h"
#include "common/log.h"
#include "etld/etld.h"
#include "sql_gen.h"

#define STATUS_TIMEOUT_MS 10000

static struct {
	struct etld *etld;
	bool json;
} status;

/* Columns of status.sql in order, under the names that operators see. */
static const char *const fields[] = {
	"pendingDeltas", "pendingEvents", "oldestPendingSeconds", "failedKeys", "pendingTouched",
};

static void on_status(void *arg, const struct pgresult *r, const struct err *e)
{
	struct strbuf out = STRBUF_INIT;

	(void)arg;
	if (e != NULL) {
		log_error("cannot read the queue", LOG_S("error", e->msg));
		daemon_quit(status.etld->daemon, DAEMON_UNAVAILABLE);
		return;
	}
	if (status.json) {
		struct json_writer w;

		jw_init(&w, &out);
		jw_object(&w);
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			jw_key(&w, fields[i]);
			jw_raw(&w, pgresult_slice(r, 0, 0, i));
		}
		jw_end(&w);
		strbuf_append_char(&out, '\n');
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			strbuf_appendf(&out, "%-22s %s\n", fields[i], pgresult_text(r, 0, 0, i));
	}
	(void)fwrite(out.ptr, 1, out.len, stdout);
	(void)fflush(stdout);
	strbuf_clear(&out);
	daemon_quit(status.etld->daemon, DAEMON_OK);
}

int etld_status_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	const struct etld_config *conf = daemon_conf(d);
	struct etld *st = state;

	if (argc > 1 || (argc == 1 && strcmp(argv[0], "--json") != 0))
		return err_set(e, -EINVAL, "status: the only option is --json");
	status.etld = st;
	status.json = argc == 1;
	st->daemon = d;
	st->warehouse = pgpool_new(daemon_base(d), &(struct pgpool_options){
							   .name = "warehouse",
							   .url = conf->warehouse_url[0] != '\0'
									  ? conf->warehouse_url
									  : conf->database_url,
							   .application = "etld status",
							   .settings = "-c search_path=pg_catalog",
							   .size = 1,
							   .waiting_max = 1,
							   .wait_ms = 5000,
							   .connect_timeout_ms = 5000,
						   });
	pgpool_exec(st->warehouse, NULL, &SQL_etld_status, NULL, STATUS_TIMEOUT_MS, on_status,
		    NULL);
	return 0;
}
