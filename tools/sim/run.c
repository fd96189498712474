/* The loop of the simulation; see run.h. */
#include "tools/sim/run.h"

#include "common/base/xalloc.h"
#include "tools/sim/book.h"
#include "tools/sim/office.h"
#include "tools/sim/stay.h"
#include "tools/sim/upkeep.h"

enum { BLOCK_BITS = 10, BLOCK_LEN = 1 << BLOCK_BITS };

static void send_event(struct sim *s, struct pending *p)
{
	(void)emit(s, p);
}

static void start_day(struct sim *s, struct pending *p)
{
	int32_t day = (int32_t)p->a;

	for (uint32_t i = 0; i < s->nprops; i++) {
		book_generate(s, &s->props[i], day + SIM_LEAD_MAX);
		upkeep_day(s, &s->props[i], day);
		office_day(s, &s->props[i], day);
	}
	p->a++;
	(void)run_push(s, ACT_DAY, (day + 1) * SIM_DAY, *p);
}

static void (*const acts[ACT_COUNT])(struct sim *s, struct pending *p) = {
	[ACT_EMIT] = send_event,
	[ACT_DAY] = start_day,
	[ACT_SEEK] = book_seek,
	[ACT_EXPIRE] = book_expire,
	[ACT_CONFIRM] = book_confirm,
	[ACT_MODIFY] = book_modify,
	[ACT_CHANGE_DATES] = book_change_dates,
	[ACT_CANCEL] = book_cancel,
	[ACT_REINSTATE] = book_reinstate,
	[ACT_ARRIVE] = stay_arrive,
	[ACT_NO_SHOW] = stay_no_show,
	[ACT_STAY_DAY] = stay_day,
	[ACT_EXTEND] = stay_extend,
	[ACT_MOVE] = stay_move,
	[ACT_DEPART] = stay_depart,
	[ACT_ROOM_OPEN] = upkeep_open,
	[ACT_ROOM_OUT] = upkeep_out,
	[ACT_ROOM_BACK] = upkeep_back,
	[ACT_INVENTORY] = upkeep_inventory,
};

bool run_push(struct sim *s, enum act act, int64_t at_us, struct pending p)
{
	p.act = (uint16_t)act;
	p.at_us = at_us;
	if (!sched_push(s->sched, &p))
		return false;
	if (p.rsv != SIM_NONE)
		run_rsv(s, p.rsv)->refs++;
	return true;
}

void run_later(struct sim *s, enum subject_id what, int64_t at_us, struct pending p)
{
	if (emit_subjects(s->emitter)[what].shape->time == TIME_SECONDS)
		at_us = (at_us + SIM_SECOND - 1) / SIM_SECOND * SIM_SECOND;
	p.what = (uint16_t)what;
	(void)run_push(s, ACT_EMIT, at_us, p);
}

bool run_emit(struct sim *s, enum subject_id what, const struct pending *p)
{
	struct pending one = *p;

	one.what = (uint16_t)what;
	return emit(s, &one);
}

struct rsv *run_rsv(const struct sim *s, uint32_t index)
{
	return &s->rsv_blocks[index >> BLOCK_BITS][index & (BLOCK_LEN - 1)];
}

static uint32_t new_index(struct sim *s)
{
	uint32_t block = s->rsv_count >> BLOCK_BITS;

	if (s->rsv_unused_len > 0)
		return s->rsv_unused[--s->rsv_unused_len];
	if (block == s->rsv_blocks_cap) {
		s->rsv_blocks_cap = s->rsv_blocks_cap * 2 + 16;
		s->rsv_blocks = xreallocarray(s->rsv_blocks, s->rsv_blocks_cap,
					      sizeof(struct rsv *));
	}
	if ((s->rsv_count & (BLOCK_LEN - 1)) == 0)
		s->rsv_blocks[block] = xcalloc(BLOCK_LEN, sizeof(**s->rsv_blocks));
	return s->rsv_count++;
}

struct rsv *run_rsv_new(struct sim *s, uint32_t prop, int64_t at_us)
{
	uint32_t index = new_index(s);
	struct rsv *r = run_rsv(s, index);

	*r = (struct rsv){
		.index = index,
		.serial = ++s->rsv_serial,
		.prop = prop,
		.refs = 1,
		.created_us = at_us,
		.guest = s->rsv_serial,
	};
	world_id(s, ID_RESERVATION, r->serial, at_us, r->id);
	return r;
}

void run_rsv_release(struct sim *s, struct rsv *r)
{
	ASSERT(r->refs > 0);
	if (--r->refs > 0)
		return;
	if (s->rsv_unused_len == s->rsv_unused_cap) {
		s->rsv_unused_cap = s->rsv_unused_cap * 2 + 64;
		s->rsv_unused = xreallocarray(s->rsv_unused, s->rsv_unused_cap,
					      sizeof(*s->rsv_unused));
	}
	s->rsv_unused[s->rsv_unused_len++] = r->index;
}

void run(struct sim *s)
{
	struct pending p;

	s->sched = sched_new(s->from_us, s->to_us);
	for (uint32_t i = 0; i < s->nprops; i++) {
		office_open(s, &s->props[i]);
		upkeep_start(s, &s->props[i]);
		book_start(s, &s->props[i]);
	}
	p = run_of(&s->props[0]);
	p.a = (uint32_t)(s->first_day + 1);
	(void)run_push(s, ACT_DAY, (s->first_day + 1) * SIM_DAY, p);
	while (!s->done && sched_pop(s->sched, &p)) {
		uint32_t rsv = p.rsv;

		acts[p.act](s, &p);
		if (rsv != SIM_NONE)
			run_rsv_release(s, run_rsv(s, rsv));
	}
}

void run_free(struct sim *s)
{
	sched_free(s->sched);
	for (uint32_t i = 0; i * BLOCK_LEN < s->rsv_count; i++)
		free(s->rsv_blocks[i]);
	free(s->rsv_blocks);
	free(s->rsv_unused);
}
