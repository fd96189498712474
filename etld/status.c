/*
 * `etld status [--json]`: one look at the queue and at the jobs, for operators and `tools/stack
 * wait`. Sections are asked for one after the other and written in that order.
 */
#include <errno.h>

#include "common/base/json.h"
#include "common/daemon/log.h"
#include "etld/etld.h"
#include "etld/job/errand.h"
#include "sql_gen.h"

#define STATUS_TIMEOUT_MS 10000
#define COLUMNS_MAX       9

/* A column of a section's statement, under the name that operators see. */
struct column {
	const char *name;
	bool text; /* else a number */
	int width; /* in the table; 0: the rest of the line */
};

static const struct section {
	const char *name; /* NULL: its one row is part of the whole */
	bool control;     /* asked there, else in the warehouse */
	const struct sql_stmt *stmt;
	const char *params[1];
	bool kinds; /* its parameter: those of jobs that this version can do */
	struct column columns[COLUMNS_MAX];
} sections[] = {
	{NULL,
	 false,
	 &SQL_etld_status,
	 {NULL},
	 false,
	 {{"pendingDeltas", false, 0},
	  {"pendingEvents", false, 0},
	  {"oldestPendingSeconds", false, 0},
	  {"failedKeys", false, 0},
	  {"pendingTouched", false, 0},
	  {"controlEvents", false, 0},
	  {"outboxUnpublished", false, 0},
	  {"outboxParkedKeys", false, 0},
	  {"openDeadLetters", false, 0}}},
	{"consumers",
	 false,
	 &SQL_etld_pending_by_consumer,
	 {NULL},
	 false,
	 {{"consumer", true, 14},
	  {"deltas", false, 9},
	  {"events", false, 9},
	  {"oldestSeconds", false, 15},
	  {"touched", false, 9},
	  {"failedKeys", false, 0}}},
	{"jobs",
	 true,
	 &SQL_etld_count_jobs,
	 {NULL},
	 false,
	 {{"state", true, 14}, {"jobs", false, 0}}},
	{"unhandledJobs", /* that wait for another version */
	 true,
	 &SQL_etld_count_unhandled,
	 {NULL},
	 true,
	 {{"kind", true, 14}, {"jobs", false, 0}}},
	{"failedJobs",
	 true,
	 &SQL_etld_list_failed_jobs,
	 {"20"},
	 false,
	 {{"jobId", true, 32},
	  {"kind", true, 9},
	  {"projection", true, 20},
	  {"tenantId", true, 32},
	  {"attempt", false, 9},
	  {"finishedAt", true, 22},
	  {"error", true, 0}}},
};

static struct {
	struct etld *etld;
	bool json;
	size_t section;
	struct strbuf out;
	struct json_writer w;
} status = {.out = {.max = STRBUF_DEFAULT_MAX}};

static size_t columns_of(const struct section *s)
{
	size_t n = 0;

	while (n < COLUMNS_MAX && s->columns[n].name != NULL)
		n++;
	return n;
}

static void write_members(const struct section *s, const struct pgresult *r, size_t row)
{
	for (size_t i = 0; i < columns_of(s); i++) {
		jw_key(&status.w, s->columns[i].name);
		if (s->columns[i].text)
			jw_str(&status.w, pgresult_text(r, 0, row, i));
		else
			jw_raw(&status.w, pgresult_slice(r, 0, row, i));
	}
}

static void write_json(const struct section *s, const struct pgresult *r)
{
	if (s->name == NULL) {
		write_members(s, r, 0);
		return;
	}
	jw_key(&status.w, s->name);
	jw_array(&status.w);
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		jw_object(&status.w);
		write_members(s, r, row);
		jw_end(&status.w);
	}
	jw_end(&status.w);
}

static void write_cell(const struct column *c, const char *text)
{
	if (c->width > 0)
		strbuf_appendf(&status.out, "%-*s ", c->width, text != NULL ? text : "-");
	else
		strbuf_appendf(&status.out, "%s\n", text != NULL ? text : "-");
}

static void write_table(const struct section *s, const struct pgresult *r)
{
	size_t n = columns_of(s);

	if (s->name == NULL) {
		for (size_t i = 0; i < n; i++)
			strbuf_appendf(&status.out, "%-22s %s\n", s->columns[i].name,
				       pgresult_text(r, 0, 0, i));
		return;
	}
	if (pgresult_rows(r, 0) == 0)
		return;
	strbuf_append_char(&status.out, '\n');
	for (size_t i = 0; i < n; i++)
		write_cell(&s->columns[i], s->columns[i].name);
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		for (size_t i = 0; i < n; i++)
			write_cell(&s->columns[i], pgresult_text(r, 0, row, i));
	}
}

static void ask(void);

static void on_section(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct section *s = &sections[status.section];

	(void)arg;
	if (e != NULL) {
		log_error("cannot read the queue", LOG_S("error", e->msg));
		daemon_quit(status.etld->daemon, DAEMON_UNAVAILABLE);
		return;
	}
	if (status.json)
		write_json(s, r);
	else
		write_table(s, r);
	if (++status.section < ARRAY_SIZE(sections)) {
		ask();
		return;
	}
	if (status.json) {
		jw_end(&status.w);
		strbuf_append_char(&status.out, '\n');
	}
	(void)fwrite(status.out.ptr, 1, status.out.len, stdout);
	(void)fflush(stdout);
	strbuf_clear(&status.out);
	daemon_quit(status.etld->daemon, DAEMON_OK);
}

static void ask(void)
{
	const struct section *s = &sections[status.section];
	const char *kinds[] = {errand_kinds(ERRANDS_ALL)};

	pgpool_exec(s->control ? status.etld->control : status.etld->warehouse, NULL, s->stmt,
		    s->kinds ? kinds : s->params, STATUS_TIMEOUT_MS, on_section, NULL);
}

int etld_status_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct etld *st = state;

	if (argc > 1 || (argc == 1 && strcmp(argv[0], "--json") != 0))
		return err_set(e, -EINVAL, "status: the only option is --json");
	status.etld = st;
	status.json = argc == 1;
	if (status.json) {
		jw_init(&status.w, &status.out);
		jw_object(&status.w);
	}
	st->daemon = d;
	st->warehouse = etld_open_one_shot(d, "warehouse", "etld status");
	st->control = etld_open_one_shot(d, "control", "etld status");
	ask();
	return 0;
}
