/* Keeps and prints the figures; see plan.h. */
#include "tools/sim/plan.h"

#include <errno.h>

#include "common/base/json.h"
#include "tools/sim/activity.h"
#include "tools/sim/emit.h"

static bool in_window(const struct sim *s, int32_t day)
{
	return day >= s->options.from && day <= s->options.to;
}

static bool is_sold(const struct item *it)
{
	return it->segment != SEGMENT_COMPLIMENTARY && it->segment != SEGMENT_HOUSE &&
	       it->segment != SEGMENT_DAY_USE;
}

static void add_item(const struct sim *s, struct property *p, const struct rsv *r,
		     const struct item *it, int sign)
{
	int32_t end = it->end < r->departure ? it->end : r->departure;

	if (!is_sold(it))
		return;
	for (int32_t day = it->start; day < end; day++) {
		if (!in_window(s, day))
			continue;
		p->tally.sold += sign;
		p->tally.revenue_cents += sign * world_rate(s, p, it, day);
		p->tally.channel_nights[r->channel] += sign;
	}
}

static void add(struct sim *s, const struct rsv *r, int sign)
{
	struct property *p = &s->props[r->prop];
	struct tally *t = &p->tally;
	bool arrived = r->status == RSV_CHECKED_IN || r->status == RSV_CHECKED_OUT;

	if (in_window(s, r->arrival)) {
		t->arriving += sign;
		t->cancelled += r->status == RSV_CANCELLED ? sign : 0;
		t->no_shows += r->status == RSV_NO_SHOW ? sign : 0;
		t->arrived += arrived ? sign : 0;
	}
	if (r->status == RSV_CHECKED_OUT && r->departure > r->arrival &&
	    in_window(s, r->departure)) {
		t->stays += sign;
		t->stay_nights += (int64_t)sign * (r->departure - r->arrival);
	}
	if (arrived || r->status == RSV_CONFIRMED)
		for (unsigned i = 0; i < r->nitems; i++)
			add_item(s, p, r, &r->items[i], sign);
}

void plan_count(struct sim *s, struct rsv *r)
{
	ASSERT(r->ever_confirmed && !r->counted);
	add(s, r, 1);
	r->counted = true;
}

void plan_forget(struct sim *s, struct rsv *r)
{
	if (r->counted)
		add(s, r, -1);
	r->counted = false;
}

void plan_room_created(struct sim *s, const struct room *r)
{
	struct room_type *t = &s->props[r->prop].types[r->type];

	for (int32_t day = r->open_day - s->first_day; day < s->ndays; day++)
		t->created[day]++;
}

void plan_close(struct sim *s, struct property *p, int32_t from, int32_t to, int n)
{
	for (int32_t day = from; day < to && day < s->first_day + s->ndays; day++)
		p->closed[day - s->first_day] = (uint16_t)(p->closed[day - s->first_day] + n);
}

void plan_total(struct sim *s, struct property *p, unsigned type, int32_t day, int64_t total)
{
	p->types[type].total[day - s->first_day] = (int32_t)total;
}

static int64_t available(const struct sim *s, const struct property *p)
{
	int64_t sum = 0;

	for (int32_t i = s->options.from - s->first_day; i <= s->options.to - s->first_day; i++) {
		for (unsigned t = 0; t < CATALOG_ROOM_TYPES; t++)
			sum += p->types[t].total[i] >= 0 ? p->types[t].total[i]
							 : p->types[t].created[i];
		sum -= p->closed[i];
	}
	return sum;
}

/* ---- output */

static double ratio(int64_t part, int64_t whole)
{
	return (double)part / (double)whole;
}

static void put_ratio(struct json_writer *w, const char *key, int64_t part, int64_t whole)
{
	jw_key(w, key);
	if (whole == 0)
		jw_null(w);
	else
		jw_double(w, ratio(part, whole));
}

static void put_count(struct json_writer *w, const char *key, int64_t n)
{
	jw_key(w, key);
	jw_i64(w, n);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	jw_key(w, key);
	jw_str(w, text);
}

static void put_id(struct json_writer *w, const char *key, const char *prefix, const char *id)
{
	char text[8 + ULID_LEN];

	(void)snprintf(text, sizeof(text), "%s_%s", prefix, id);
	put_text(w, key, text);
}

static void put_channels(struct json_writer *w, const struct tally *t)
{
	jw_key(w, "channelNights");
	jw_object(w);
	for (unsigned c = 0; c < CHANNEL_COUNT; c++)
		if (t->channel_nights[c] != 0)
			put_count(w, catalog_channels[c].name, t->channel_nights[c]);
	jw_end(w);
}

static void put_figures(struct json_writer *w, const struct tally *t, int64_t rooms)
{
	put_count(w, "roomsSold", t->sold);
	put_count(w, "roomsAvailable", rooms);
	put_ratio(w, "occupancy", t->sold, rooms);
	put_count(w, "staysDeparted", t->stays);
	put_count(w, "nightsDeparted", t->stay_nights);
	put_ratio(w, "alos", t->stay_nights, t->stays);
	put_count(w, "reservationsArriving", t->arriving);
	put_count(w, "cancelled", t->cancelled);
	put_count(w, "noShows", t->no_shows);
	put_count(w, "arrived", t->arrived);
	put_ratio(w, "cancellationRate", t->cancelled, t->arriving);
	put_ratio(w, "noShowRate", t->no_shows, t->arrived + t->no_shows);
	put_channels(w, t);
}

/* Cents as micro units: the text, because a large house in rials passes 64 bits. */
static void put_micro(struct json_writer *w, const char *key, int64_t cents)
{
	char text[32];

	(void)snprintf(text, sizeof(text), cents == 0 ? "0" : "%lld0000", (long long)cents);
	put_text(w, key, text);
}

static void put_property(struct json_writer *w, const struct sim *s, const struct property *p)
{
	int64_t rooms = available(s, p);
	double unit = 1e6 / SIM_CENT_MICRO;

	jw_object(w);
	put_id(w, "propertyId", "ppt", p->id);
	put_text(w, "name", p->name);
	put_text(w, "currency", p->place->currency->code);
	put_text(w, "timezone", p->place->country->timezone);
	put_text(w, "from", world_day(s, s->options.from)->text);
	put_text(w, "to", world_day(s, s->options.to)->text);
	put_micro(w, "roomRevenueMicro", p->tally.revenue_cents);
	jw_key(w, "adr");
	if (p->tally.sold != 0)
		jw_double(w, ratio(p->tally.revenue_cents, p->tally.sold) / unit);
	else
		jw_null(w);
	jw_key(w, "revpar");
	if (rooms != 0)
		jw_double(w, ratio(p->tally.revenue_cents, rooms) / unit);
	else
		jw_null(w);
	put_figures(w, &p->tally, rooms);
	activity_write(s, p->index, 1, w);
	jw_end(w);
}

static void add_tally(struct tally *sum, const struct tally *t)
{
	sum->sold += t->sold;
	sum->stays += t->stays;
	sum->stay_nights += t->stay_nights;
	sum->arriving += t->arriving;
	sum->cancelled += t->cancelled;
	sum->no_shows += t->no_shows;
	sum->arrived += t->arrived;
	for (unsigned c = 0; c < CHANNEL_COUNT; c++)
		sum->channel_nights[c] += t->channel_nights[c];
}

static void put_tenant(struct json_writer *w, const struct sim *s, const struct tenant *t)
{
	struct tally sum = {.sold = 0};
	int64_t rooms = 0;

	jw_object(w);
	put_id(w, "tenantId", "tnt", t->id);
	put_text(w, "name", t->name);
	jw_key(w, "properties");
	jw_array(w);
	for (uint32_t i = t->first_prop; i < t->first_prop + t->nprops; i++) {
		put_property(w, s, &s->props[i]);
		add_tally(&sum, &s->props[i].tally);
		rooms += available(s, &s->props[i]);
	}
	jw_end(w);
	/* no money here: the currencies differ */
	jw_key(w, "total");
	jw_object(w);
	put_figures(w, &sum, rooms);
	activity_write(s, t->first_prop, t->nprops, w);
	jw_end(w);
	jw_end(w);
}

static void put_sent(struct json_writer *w, const struct sim *s)
{
	struct counts counts = emit_counts(s->emitter);
	const struct subject *subjects = emit_subjects(s->emitter);

	jw_key(w, "events");
	jw_object(w);
	put_count(w, "good", counts.good);
	put_count(w, "late", counts.late);
	put_count(w, "repeats", counts.repeats);
	put_count(w, "conflicts", counts.conflicts);
	put_count(w, "broken", counts.broken);
	jw_key(w, "subjects");
	jw_object(w);
	for (size_t i = 0; i < SUBJECT_COUNT; i++) {
		int64_t sent = subjects[i].sent;

		/* neighbours may share a subject */
		while (i + 1 < SUBJECT_COUNT && strcmp(subjects[i].name, subjects[i + 1].name) == 0)
			sent += subjects[++i].sent;
		if (sent > 0)
			put_count(w, subjects[i].name, sent);
	}
	jw_end(w);
	jw_end(w);
}

void plan_write(const struct sim *s, struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	put_count(&w, "seed", s->options.seed);
	put_text(&w, "from", world_day(s, s->options.from)->text);
	put_text(&w, "to", world_day(s, s->options.to)->text);
	put_sent(&w, s);
	jw_key(&w, "tenants");
	jw_array(&w);
	for (uint32_t i = 0; i < s->ntenants; i++)
		put_tenant(&w, s, &s->tenants[i]);
	jw_end(&w);
	jw_end(&w);
	strbuf_append_char(out, '\n');
}

int plan_write_file(const struct sim *s, const char *path, struct err *e)
{
	struct strbuf text = STRBUF_INIT;
	FILE *f = fopen(path, "we");
	int r = 0;

	if (f == NULL)
		return err_set(e, -errno, "cannot write %s: %s", path, strerror(errno));
	plan_write(s, &text);
	if (fwrite(text.ptr, 1, text.len, f) != text.len)
		r = -EIO;
	if (fclose(f) != 0 || r < 0)
		r = err_set(e, -EIO, "cannot write %s", path);
	strbuf_clear(&text);
	return r;
}

static void print_property(const struct sim *s, const struct property *p, FILE *f)
{
	const struct tally *t = &p->tally;
	int64_t rooms = available(s, p);
	int64_t shown = t->arrived + t->no_shows;
	double revenue = (double)t->revenue_cents / 100;

	fprintf(f, "  %-24.24s %-3s %8lld %8lld %7.4f %16.2f %16.2f %6.3f %6lld %7.4f %7.4f\n",
		p->name, p->place->currency->code, (long long)t->sold, (long long)rooms,
		rooms != 0 ? ratio(t->sold, rooms) : 0,
		t->sold != 0 ? revenue / (double)t->sold : 0,
		rooms != 0 ? revenue / (double)rooms : 0,
		t->stays != 0 ? ratio(t->stay_nights, t->stays) : 0, (long long)t->arriving,
		t->arriving != 0 ? ratio(t->cancelled, t->arriving) : 0,
		shown != 0 ? ratio(t->no_shows, shown) : 0);
}

/* What went on beside the stays, the tenant's hotels together. */
static void print_activity(const struct sim *s, const struct tenant *t, FILE *f)
{
	static const struct {
		const char *group, *name, *text;
	} shown[] = {
		{"housekeeping", "tasks", "tasks"},
		{"housekeeping", "completed", "completed"},
		{"housekeeping", "cancelled", "cancelled"},
		{"lock", "granted", "doors opened"},
		{"lock", "denied", "refused"},
		{"funnel", "handoffs", "hand-offs"},
		{"funnel", "convertedHandoffs", "converted"},
		{"ai", "accepted", "suggestions accepted"},
		{"ai", "edited", "edited"},
		{"ai", "rejected", "rejected"},
		{"ai", "expired", "expired"},
		{"forecast", "runs", "forecasts"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		int64_t n = activity_figure(s, t->first_prop, t->nprops, shown[i].group,
					    shown[i].name);

		fprintf(f, "%s%lld %s", i % 7 == 0 ? "\n  " : ", ", (long long)n, shown[i].text);
	}
	fputc('\n', f);
}

void plan_summary(const struct sim *s, FILE *f)
{
	struct counts c = emit_counts(s->emitter);

	fprintf(f,
		"seed %lld, nights of %s to %s: %lld events, %lld late, %lld repeated, "
		"%lld conflicting, %lld broken\n",
		(long long)s->options.seed, world_day(s, s->options.from)->text,
		world_day(s, s->options.to)->text, (long long)c.good, (long long)c.late,
		(long long)c.repeats, (long long)c.conflicts, (long long)c.broken);
	for (uint32_t i = 0; i < s->ntenants; i++) {
		const struct tenant *t = &s->tenants[i];

		fprintf(f, "\n%s, tnt_%s\n  %-24s %-3s %8s %8s %7s %16s %16s %6s %6s %7s %7s\n",
			t->name, t->id, "hotel", "cur", "sold", "rooms", "occ", "adr", "revpar",
			"alos", "rsv", "cancel", "no-show");
		for (uint32_t p = t->first_prop; p < t->first_prop + t->nprops; p++)
			print_property(s, &s->props[p], f);
		print_activity(s, t, f);
	}
}
