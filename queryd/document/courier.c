/* list_pending_events ─▶ move_events ─▶ forget_pending_events; see courier.h. */
#include "queryd/document/courier.h"

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define COURIER_MAGIC  OBJ_MAGIC('o')
#define POLL_MS        2000 /* other processes queue events too, and may be gone */
#define FORGET_MS      600000
#define FORGET_SOON_MS 1000
#define TIMEOUT_MS     5000
#define FORGET_MAX     10000 /* of forget_idempotency_keys() */

/* Columns of list_pending_events, and the members of move_events they become. */
static const char *const members[] = {NULL, "key", "subject", "tenant", "eventId", "envelope"};

struct courier {
	unsigned magic;
	struct pgpool *control, *warehouse;
	struct daemon_timer *timer, *forget_timer;
	struct strbuf ids; /* of what is being moved */
	struct metric *moved;
	bool busy, again, stopped, failing;
};

static void end(struct courier *c, const struct err *e)
{
	if (e != NULL && !c->failing && !c->stopped)
		log_warn("events wait in the control database", LOG_S("error", e->msg));
	else if (e == NULL && c->failing)
		log_info("events are moved again");
	c->failing = e != NULL;
	c->busy = false;
	if (!c->stopped)
		daemon_timer_arm(c->timer, e == NULL && c->again ? 0 : POLL_MS);
	c->again = false;
}

static void on_removed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct courier *c = arg;

	(void)r;
	OBJ_CHECK(c, COURIER_MAGIC);
	c->again = true; /* there may be more */
	end(c, e);
}

static void on_moved(void *arg, const struct pgresult *r, const struct err *e)
{
	struct courier *c = arg;
	const char *params[] = {strbuf_cstr(&c->ids)};

	OBJ_CHECK(c, COURIER_MAGIC);
	if (e != NULL) {
		end(c, e);
		return;
	}
	metric_add(c->moved, pgresult_affected(r, 0));
	pgpool_exec(c->control, NULL, &SQL_queryd_forget_pending_events, params, TIMEOUT_MS,
		    on_removed, c);
}

static void on_listed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct courier *c = arg;
	struct strbuf events = STRBUF_INIT;
	struct json_writer w, ids;
	const char *params[1];

	OBJ_CHECK(c, COURIER_MAGIC);
	if (e != NULL || pgresult_rows(r, 0) == 0) {
		end(c, e);
		return;
	}
	strbuf_reset(&c->ids);
	jw_init(&w, &events);
	jw_init(&ids, &c->ids);
	jw_array(&w);
	jw_array(&ids);
	for (size_t i = 0; i < pgresult_rows(r, 0); i++) {
		jw_object(&ids);
		jw_key(&ids, "id");
		jw_i64(&ids, pgresult_i64(r, 0, i, 0));
		jw_end(&ids);
		jw_object(&w);
		for (size_t m = 1; m < ARRAY_SIZE(members); m++) {
			jw_key(&w, members[m]);
			jw_str(&w, pgresult_text(r, 0, i, m));
		}
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&ids);
	params[0] = strbuf_cstr(&events);
	pgpool_exec(c->warehouse, NULL, &SQL_queryd_move_events, params, TIMEOUT_MS, on_moved, c);
	strbuf_clear(&events);
}

static void move(void *arg)
{
	struct courier *c = arg;

	OBJ_CHECK(c, COURIER_MAGIC);
	if (c->busy || c->stopped)
		return;
	c->busy = true;
	pgpool_exec(c->control, NULL, &SQL_queryd_list_pending_events, NULL, TIMEOUT_MS, on_listed,
		    c);
}

static void on_forgotten(void *arg, const struct pgresult *r, const struct err *e)
{
	struct courier *c = arg;

	OBJ_CHECK(c, COURIER_MAGIC);
	if (e == NULL && !c->stopped && pgresult_i64(r, 0, 0, 0) == FORGET_MAX)
		daemon_timer_arm(c->forget_timer, FORGET_SOON_MS);
}

static void forget(void *arg)
{
	struct courier *c = arg;

	OBJ_CHECK(c, COURIER_MAGIC);
	daemon_timer_arm(c->forget_timer, FORGET_MS);
	pgpool_exec(c->control, NULL, &SQL_queryd_forget_idempotency_keys, NULL, TIMEOUT_MS,
		    on_forgotten, c);
}

struct courier *courier_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse)
{
	struct courier *c = xcalloc(1, sizeof(*c));

	*c = (struct courier){
		.magic = COURIER_MAGIC,
		.control = control,
		.warehouse = warehouse,
		.ids = STRBUF_INIT,
		.moved = metrics_counter("events_moved_total", "Events moved to the outbox")};
	c->timer = daemon_timer_new(d, 0, 0, move, c);
	c->forget_timer = daemon_timer_new(d, 0, 0, forget, c);
	return c;
}

void courier_wake(struct courier *c)
{
	if (c == NULL || c->stopped)
		return;
	OBJ_CHECK(c, COURIER_MAGIC);
	c->again = true;
	if (!c->busy)
		daemon_timer_arm(c->timer, 0);
}

void courier_stop(struct courier *c)
{
	if (c == NULL)
		return;
	c->stopped = true;
	daemon_timer_free(c->timer);
	daemon_timer_free(c->forget_timer);
	c->timer = c->forget_timer = NULL;
}

void courier_free(struct courier *c)
{
	if (c == NULL)
		return;
	strbuf_clear(&c->ids);
	c->magic = 0;
	free(c);
}
