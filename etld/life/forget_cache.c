/* Walking over Redis; see forget_cache.h. */
#include "etld/life/forget_cache.h"

#include "common/base/xalloc.h"

#define NAMES_A_TURN "500"

/* One turn of SCAN, deleting what it finds, on the server; the next cursor. */
static const char sweep[] =
	"local r = redis.call('SCAN', ARGV[1], 'MATCH', '*' .. ARGV[2] .. '*', 'COUNT', ARGV[3]) "
	"if #r[2] > 0 then redis.call('UNLINK', unpack(r[2])) end "
	"return r[1]";

struct walk {
	struct redisq *redis;
	char *tenant_id;
	void (*fn)(void *arg, bool done);
	void *arg;
};

static void turn(struct walk *w, struct slice cursor);

static void on_turned(void *arg, int err, const struct redisq_reply *r)
{
	struct walk *w = arg;
	struct slice cursor;

	if (err == 0 && redisq_kind(r) == REDISQ_STRING) {
		cursor = redisq_str(r);
		if (!slice_eq_str(cursor, "0")) {
			turn(w, cursor);
			return;
		}
	}
	w->fn(w->arg, err == 0 && redisq_kind(r) == REDISQ_STRING);
	free(w->tenant_id);
	free(w);
}

static void turn(struct walk *w, struct slice cursor)
{
	redisq_command(w->redis,
		       (const struct slice[]){SLICE_LIT("EVAL"), slice_of(sweep), SLICE_LIT("0"),
					      cursor, slice_of(w->tenant_id),
					      SLICE_LIT(NAMES_A_TURN)},
		       6, on_turned, w);
}

void forget_cache(struct redisq *redis, const char *tenant_id, void (*fn)(void *arg, bool done),
		  void *arg)
{
	struct walk *w = xcalloc(1, sizeof(*w));

	*w = (struct walk){redis, xstrdup(tenant_id), fn, arg};
	turn(w, SLICE_LIT("0"));
}
