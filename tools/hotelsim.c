/*
 * hotelsim: a simulated hotel platform's events as NDJSON on standard output, and, on request, the
 * figures that must come out when they have gone through the pipeline. Same options, same bytes.
 */
#include <errno.h>
#include <sysexits.h>

#include "common/base/xalloc.h"
#include "tools/sim/activity.h"
#include "tools/sim/emit.h"
#include "tools/sim/plan.h"
#include "tools/sim/run.h"

static int check_shapes(const struct options *o, struct err *e)
{
	for (const char *from = o->shapes; strcmp(o->shapes, "all") != 0;) {
		size_t n = strcspn(from, ",");

		if (!shape_known((struct slice){from, n}))
			return err_set(e, -EINVAL, "--shapes: no shape '%.*s', there are E1 to E16",
				       (int)n, from);
		if (from[n] == '\0')
			break;
		from += n + 1;
	}
	return 0;
}

static int simulate(const struct options *o, struct err *e)
{
	struct sim *s = xcalloc(1, sizeof(*s));
	int r;

	s->options = *o;
	s->rng.state = rng_mix((uint64_t)o->seed);
	world_build(s);
	activity_start(s);
	s->emitter = emit_new(s, stdout);
	run(s);
	r = emit_finish(s, e);
	if (r == 0 && o->plan != NULL)
		r = plan_write_file(s, o->plan, e);
	if (r == 0 && o->summary)
		plan_summary(s, stderr);
	run_free(s);
	emit_free(s->emitter);
	activity_free(s);
	world_free(s);
	free(s);
	return r;
}

int main(int argc, char **argv)
{
	struct options o;
	struct err e = ERR_INIT;

	if (options_parse(argc, argv, &o, &e) < 0 || check_shapes(&o, &e) < 0) {
		fprintf(stderr, "hotelsim: %s\n", e.msg);
		return EX_USAGE;
	}
	if (o.help) {
		options_usage(stdout);
		return EX_OK;
	}
	if (simulate(&o, &e) < 0) {
		fprintf(stderr, "hotelsim: %s\n", e.msg);
		return EX_IOERR;
	}
	return EX_OK;
}
