/* One-shots; see commands.h. */
#include "queryd/commands.h"

#include <errno.h>
#include <stdio.h>

#include "common/daemon/log.h"
#include "queryd/metric/definition.h"
#include "queryd/queryd.h"
#include "sql_gen.h"

#define FILE_MAX     ((size_t)1 << 20)
#define LIMIT_MS     10000
#define WAIT_MS      10000
#define PARAMS_COUNT 6

static struct {
	struct queryd *queryd;
	struct arena *arena;
	struct definition *definitions;
	size_t n, at;
	const char *params[PARAMS_COUNT];
	bool conflict;
	const char *metric; /* that explain is about; NULL: all */
	struct daemon_timer *timer;
} shot;

static void open_control(struct daemon *d, struct queryd *st)
{
	const struct queryd_config *conf = daemon_conf(d);

	st->daemon = d;
	shot.queryd = st;
	st->control = pgpool_new(daemon_base(d),
				 &(struct pgpool_options){.name = "control",
							  .url = conf->database_url,
							  .application = "queryd command",
							  .settings = "-c search_path=pg_catalog",
							  .size = 1,
							  .waiting_max = 4,
							  .wait_ms = WAIT_MS,
							  .connect_timeout_ms = 5000});
}

/* ---- metrics publish */

static int read_file(const char *path, struct strbuf *out, struct err *e)
{
	FILE *f = fopen(path, "re");
	char part[4096];
	size_t n;
	int r = 0;

	if (f == NULL)
		return err_set(e, -EINVAL, "%s: %s", path, strerror(errno));
	strbuf_init(out, FILE_MAX);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		strbuf_append(out, part, n);
	if (ferror(f) != 0 || out->overflow)
		r = err_set(e, -EINVAL, "%s: cannot be read, or is over 1 MiB", path);
	(void)fclose(f);
	return r;
}

static int add_definition(const char *path, size_t position, const struct json *v, struct err *e)
{
	struct faults faults = {.n = 0};

	definition_read(v, shot.arena, &shot.definitions[shot.n++], &faults);
	if (faults.n == 0)
		return 0;
	return err_set(e, -EINVAL, "%s: definition %zu: %s %s", path, position + 1,
		       faults.v[0].field, faults.v[0].message);
}

/* Adds the definitions of a file behind the others. */
static int read_definitions(const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	struct json *root = NULL;
	struct definition *all;
	int r = read_file(path, &text, e);

	if (r == 0)
		r = json_parse(strbuf_slice(&text), FILE_MAX, &root, e);
	if (r == 0) {
		size_t n = json_kind(root) == JSON_ARRAY ? json_len(root) : 1;

		all = arena_alloc(shot.arena, (shot.n + n) * sizeof(*all));
		if (shot.n > 0)
			memcpy(all, shot.definitions, shot.n * sizeof(*all));
		shot.definitions = all;
		for (size_t i = 0; i < n && r == 0; i++)
			r = add_definition(path, i,
					   json_kind(root) == JSON_ARRAY ? json_at(root, i) : root,
					   e);
	}
	json_free(root);
	strbuf_clear(&text);
	return r;
}

static void publish_next(void);

static void on_published(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct definition *d = &shot.definitions[shot.at];
	bool same;

	(void)arg;
	if (e != NULL) {
		log_error("metric not published", LOG_S("metric", d->key), LOG_S("error", e->msg));
		daemon_quit(shot.queryd->daemon, DAEMON_UNAVAILABLE);
		return;
	}
	same = pgresult_bool(r, 0, 0, 1);
	shot.conflict |= !same;
	printf("%-10s %s %lld %s\n",
	       pgresult_bool(r, 0, 0, 0) ? "published" : (same ? "unchanged" : "conflict"), d->key,
	       (long long)d->version, d->hash);
	shot.at++;
	publish_next();
}

static void publish_next(void)
{
	const struct definition *d = &shot.definitions[shot.at];

	if (shot.at == shot.n) {
		if (shot.conflict)
			log_error("a version that was published before says something else: "
				  "publish a new version");
		(void)fflush(stdout);
		daemon_quit(shot.queryd->daemon, shot.conflict ? DAEMON_DATA : DAEMON_OK);
		return;
	}
	shot.params[0] = d->key;
	shot.params[1] = arena_printf(shot.arena, "%lld", (long long)d->version);
	shot.params[2] = d->display;
	shot.params[3] = d->unit;
	shot.params[4] = d->definition;
	shot.params[5] = d->hash;
	pgpool_exec(shot.queryd->control, NULL, &SQL_queryd_publish_platform_metric, shot.params,
		    LIMIT_MS, on_published, NULL);
}

int commands_metrics(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct err bad = ERR_INIT;

	if (argc < 2 || strcmp(argv[0], "publish") != 0)
		return err_set(e, -EINVAL, "metrics: say `metrics publish FILE…`");
	shot.arena = arena_new();
	open_control(d, state);
	for (int i = 1; i < argc; i++) {
		if (read_definitions(argv[i], &bad) == 0)
			continue;
		log_error("nothing was published", LOG_S("error", bad.msg));
		daemon_quit(d, DAEMON_DATA);
		return 0;
	}
	publish_next();
	return 0;
}

/* ---- explain */

static void print_source(const struct source *s, const struct registry *g)
{
	printf("\n-- source %s\n%s\n", s->name, s->stmt->text);
	for (size_t t = 0; s->tables[t] != NULL; t++) {
		for (size_t p = 0; p < registry_projection_count(g); p++) {
			const struct projection *j = registry_projection_at(g, p);

			if (strcmp(j->table, s->tables[t]) == 0)
				printf("-- %s is built from %.*s\n", j->table, (int)j->subjects.len,
				       j->subjects.ptr);
		}
	}
}

static void print_part(const char *role, const struct part *p)
{
	if (p != NULL)
		printf("  %-12s %s of source %s\n", role, p->name, p->source->name);
}

static void print_metric(const struct metric_def *m)
{
	printf("%s version %d%s, %s, %s\n", m->key, m->version, m->archived ? " (archived)" : "",
	       unit_name(m->unit), m->hash);
	print_part(m->share ? "share of" : "numerator", m->numerator);
	print_part("denominator", m->denominator);
}

static void on_loaded(void *arg)
{
	const struct registry *g = shot.queryd->registry;
	const struct metric_set *set = registry_metrics(g);
	size_t found = 0;

	(void)arg;
	for (size_t i = 0; i < metric_set_count(set); i++) {
		const struct metric_def *m = metric_set_at(set, i);

		if (shot.metric != NULL && strcmp(m->key, shot.metric) != 0)
			continue;
		print_metric(m);
		found++;
	}
	for (size_t i = 0; i < SOURCE_COUNT; i++) {
		bool used = shot.metric == NULL;

		for (size_t k = 0; k < metric_set_count(set) && !used; k++)
			used = strcmp(metric_set_at(set, k)->key, shot.metric) == 0 &&
			       metric_uses_source(metric_set_at(set, k), i);
		if (used)
			print_source(&sources[i], g);
	}
	(void)fflush(stdout);
	if (found == 0)
		log_error("there is no such metric", LOG_S("metric", shot.metric));
	daemon_quit(shot.queryd->daemon, found > 0 ? DAEMON_OK : DAEMON_DATA);
}

static void on_too_long(void *arg)
{
	(void)arg;
	log_error("the control database does not answer");
	daemon_quit(shot.queryd->daemon, DAEMON_UNAVAILABLE);
}

int commands_explain(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct queryd *st = state;

	if (argc > 1)
		return err_set(e, -EINVAL, "explain: takes one metric, or none for all");
	shot.metric = argc == 1 ? argv[0] : NULL;
	open_control(d, st);
	st->registry = registry_new(d, st->control, on_loaded, NULL);
	shot.timer = daemon_timer_new(d, WAIT_MS, 0, on_too_long, NULL);
	return 0;
}

void commands_close(void)
{
	daemon_timer_free(shot.timer);
	arena_free(shot.arena);
	shot.timer = NULL;
	shot.arena = NULL;
}
