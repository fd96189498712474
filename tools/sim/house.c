/* Free nights and rooms; see house.h. */
#include "tools/sim/house.h"

bool house_fits(const struct sim *s, const struct property *p, unsigned type, int32_t from,
		int32_t to, int n)
{
	const struct room_type *t = &p->types[type];
	int32_t beyond = s->options.overbook ? (int32_t)(t->nrooms + 9) / 10 : 0;

	if (from < s->first_day || to > s->first_day + s->ndays)
		return false;
	for (int32_t day = from; day < to; day++)
		if (t->left[day - s->first_day] + beyond < n)
			return false;
	return true;
}

void house_book(struct sim *s, struct property *p, unsigned type, int32_t from, int32_t to, int n)
{
	int32_t end = s->first_day + s->ndays;

	from = from < s->first_day ? s->first_day : from;
	for (int32_t day = from; day < to && day < end; day++)
		p->types[type].left[day - s->first_day] -= n;
}

uint32_t house_take_room(struct sim *s, struct property *p, unsigned type)
{
	struct room_type *t = &p->types[type];
	uint32_t room;

	if (t->free_len == 0) {
		ASSERT(s->options.overbook);
		return SIM_NONE;
	}
	room = t->free_rooms[t->free_at];
	t->free_at = (t->free_at + 1) % t->nrooms;
	t->free_len--;
	return room;
}

void house_give_room(struct sim *s, uint32_t room)
{
	const struct room *r;
	struct room_type *t;

	if (room == SIM_NONE)
		return;
	r = &s->rooms[room];
	t = &s->props[r->prop].types[r->type];
	ASSERT(t->free_len < t->nrooms);
	t->free_rooms[(t->free_at + t->free_len++) % t->nrooms] = room;
}
