/* `etld outbox list|retry`: the keys that the relay could not publish, for operators. */
#include <errno.h>
#include <unistd.h>

#include "common/base/json.h"
#include "common/daemon/log.h"
#include "etld/etld.h"
#include "sql_gen.h"

#define STATEMENT_LIMIT_MS 10000
#define KEYS_LISTED        "1000"

static struct {
	struct etld *etld;
	bool json;
} command;

/* Columns of list_keys.sql in order. */
static const struct {
	const char *name;
	int width;
	bool number;
} columns[] = {
	{"orderingKey", 32, false},   {"rows", 6, true},
	{"oldestAt", 21, false},      {"attempts", 9, true},
	{"nextAttemptAt", 21, false}, {"parkedAt", 21, false},
	{"subject", 44, false},       {"lastError", 0, false},
};

static bool failed(const struct err *e)
{
	if (e == NULL)
		return false;
	if (e->code != -ECANCELED) {
		log_error("cannot read the outbox", LOG_S("error", e->msg));
		daemon_quit(command.etld->daemon, DAEMON_TEMPORARY);
	}
	return true;
}

static void print(struct strbuf *out)
{
	(void)fwrite(strbuf_cstr(out), 1, out->len, stdout);
	(void)fflush(stdout);
	strbuf_clear(out);
	daemon_quit(command.etld->daemon, DAEMON_OK);
}

static void print_row(const struct pgresult *r, size_t row, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	if (command.json)
		jw_object(&w);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const char *text = pgresult_text(r, 0, row, i);

		if (!command.json) {
			strbuf_appendf(out, "%-*s ", columns[i].width, text != NULL ? text : "-");
			continue;
		}
		jw_key(&w, columns[i].name);
		if (columns[i].number)
			jw_raw(&w, pgresult_slice(r, 0, row, i));
		else
			jw_str(&w, text);
	}
	if (command.json)
		jw_end(&w);
	strbuf_append_char(out, '\n');
}

static void on_list(void *arg, const struct pgresult *r, const struct err *e)
{
	struct strbuf out = STRBUF_INIT;

	(void)arg;
	if (failed(e))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(columns) && !command.json; i++)
		strbuf_appendf(&out, "%-*s%c", columns[i].width, columns[i].name,
			       i + 1 < ARRAY_SIZE(columns) ? ' ' : '\n');
	for (size_t row = 0; row < pgresult_rows(r, 0); row++)
		print_row(r, row, &out);
	print(&out);
}

/* Rows (ordering_key, was_parked). */
static void on_retry(void *arg, const struct pgresult *r, const struct err *e)
{
	struct strbuf out = STRBUF_INIT;

	(void)arg;
	if (failed(e))
		return;
	for (size_t row = 0; row < pgresult_rows(r, 0); row++)
		strbuf_appendf(&out, "%s\n", pgresult_text(r, 0, row, 0));
	(void)fprintf(stderr, "%zu go on\n", pgresult_rows(r, 0));
	print(&out);
}

/* The words as a Postgres array; a quote or backslash in a key is escaped. */
static void key_array(int n, char **keys, struct strbuf *out)
{
	for (int i = 0; i < n; i++) {
		strbuf_append_str(out, i == 0 ? "{\"" : ",\"");
		for (const char *c = keys[i]; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				strbuf_append_char(out, '\\');
			strbuf_append_char(out, *c);
		}
		strbuf_append_char(out, '"');
	}
	strbuf_append_char(out, '}');
}

static void retry(int n, char **keys, bool all)
{
	struct strbuf list = STRBUF_INIT;
	const char *params[] = {NULL, VERSION};

	if (!all) {
		key_array(n, keys, &list);
		params[0] = list.ptr;
	}
	pgpool_exec(command.etld->warehouse, NULL, &SQL_relay_retry_keys, params,
		    STATEMENT_LIMIT_MS, on_retry, NULL);
	strbuf_clear(&list);
}

int etld_outbox_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	bool list = argc >= 1 && strcmp(argv[0], "list") == 0;
	bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
	const char *params[] = {KEYS_LISTED};

	command.etld = state;
	command.etld->daemon = d;
	command.json = (argc == 2 && strcmp(argv[1], "--json") == 0) || isatty(STDOUT_FILENO) == 0;
	if (list ? argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0)
		 : argc < 2 || strcmp(argv[0], "retry") != 0 || (!all && argv[1][0] == '-'))
		return err_set(e, -EINVAL,
			       "outbox: say `list [--json]`, `retry KEY…` or `retry --all`");
	command.etld->warehouse = etld_open_one_shot(d, "warehouse", "etld outbox");
	if (list)
		pgpool_exec(command.etld->warehouse, NULL, &SQL_relay_list_keys, params,
			    STATEMENT_LIMIT_MS, on_list, NULL);
	else
		retry(argc - 1, argv + 1, all);
	return 0;
}
