/*
 * bench_gate: CPU time of the gate before a tenant's SQL, beside Postgres' own parser alone (the
 * only place outside queryd/adhoc/gate.c that sees it: it is the yardstick here). Statements are
 * such as people write: a few joined views, grouped, with parameters as literals.
 */
#include <pg_query.h>

#include "queryd/adhoc/gate.h"
#include "tests/bench/turns.h"

static const char *const statements[] = {
	"select property_id, date_trunc('month', stay_date) as month, count(*) as nights, "
	"sum(rate_micro) / 1000000 as revenue from fact_room_night where stay_date between "
	"date '2026-01-01' and date '2026-06-30' and kind = 'sold' and state in ('on_books', "
	"'in_house', 'stayed') group by 1, 2 order by 2, 1",
	"select r.channel, count(*) filter (where r.status = 'cancelled')::numeric / "
	"nullif(count(*), 0) as cancelled from fact_reservation r where r.arrival_date >= date "
	"'2026-01-01' group by r.channel having count(*) > 10 order by 2 desc limit 20",
	"with n as (select property_id, stay_date, count(*) as sold from fact_room_night where "
	"kind = 'sold' group by 1, 2) select d.date, p.name, coalesce(n.sold, 0) as sold from "
	"dim_calendar d cross join dim_property p left join n on n.stay_date = d.date and "
	"n.property_id = p.property_id where d.year = 2026 order by 1, 2",
};

static void run_gate(void *arg)
{
	static const struct gate_params none;

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		struct arena *a = arena_new();
		struct gate_statement s;
		struct gate_refusal why;
		int r = gate_check(slice_of(statements[i]), &none, a, &s, &why);

		ASSERT(r == 0);
		arena_free(a);
	}
}

static void run_parser(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
		PgQueryParseResult r = pg_query_parse(statements[i]);

		ASSERT(r.error == NULL);
		pg_query_free_parse_result(r);
	}
}

int main(void)
{
	static const struct candidate candidates[] = {{"gate", run_gate, 300},
						      {"parser", run_parser, 300}};

	turns_take(candidates, ARRAY_SIZE(candidates), NULL);
	return 0;
}
