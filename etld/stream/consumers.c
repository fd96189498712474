/* The registry of consumers; see consumers.h. */
#include "etld/stream/consumers.h"

#include <stdio.h>

#include "sql_gen.h"

/* Both are made of sql/…/etld/rebuild_<what>.sql; see sql/embed.awk. */
#define REBUILD(what)                                             \
	{                                                         \
		&SQL_etld_rebuild_##what, &SQL_etld_beside_##what \
	}

static const struct consumer consumers[] = {
	{
		.name = "reservation",
		.append = &SQL_etld_append_reservation,
		.pseudonyms = true,
		.rebuilds = {REBUILD(reservation), REBUILD(history)},
		.tables = {"fact_reservation", "fact_room_night", "fact_room_night_history"},
	},
	{
		.name = "payment",
		.append = &SQL_etld_append_payment,
		.rebuilds = {REBUILD(payment)},
		.tables = {"fact_payment"},
	},
	{
		.name = "property",
		.append = &SQL_etld_append_property,
		.rebuilds = {REBUILD(property), REBUILD(room_type), REBUILD(room),
			     REBUILD(inventory_day)},
		.tables = {"dim_property", "dim_room_type", "dim_room", "fact_inventory_day"},
	},
	{
		.name = "tenant",
		.append = &SQL_etld_append_tenant,
		.rebuilds = {REBUILD(tenant)},
		.tables = {"dim_tenant"},
	},
	{
		.name = "housekeeping",
		.append = &SQL_etld_append_housekeeping,
		.pseudonyms = true,
		.rebuilds = {REBUILD(housekeeping)},
		.tables = {"fact_housekeeping_task"},
	},
	{
		.name = "fx",
		.append = &SQL_etld_append_fx,
		.rebuilds = {REBUILD(fx)},
		.tables = {"dim_fx"},
	},
	{
		.name = "lock",
		.append = &SQL_etld_append_lock,
		.rebuilds = {REBUILD(lock)},
		.tables = {"fact_lock_action"},
	},
	{
		.name = "ai",
		.append = &SQL_etld_append_ai,
		.rebuilds = {REBUILD(suggestion), REBUILD(forecast)},
		.tables = {"fact_ai_suggestion", "fact_demand_forecast"},
	},
	{
		.name = "audit",
		.append = &SQL_etld_append_audit,
		.pseudonyms = true,
		.rebuilds = {REBUILD(audit)},
		.tables = {"fact_audit_event"},
	},
	{
		.name = "funnel",
		.append = &SQL_etld_append_funnel,
		.rebuilds = {REBUILD(funnel)},
		.tables = {"fact_funnel"},
	},
	/* every other domain: landed, kept, and read by no projection yet */
	{.name = "none"},
};

const struct consumer *consumer_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(consumers); i++) {
		if (strcmp(consumers[i].name, name) == 0)
			return &consumers[i];
	}
	return NULL;
}

const struct consumer *consumer_of_table(const char *table)
{
	for (size_t i = 0; i < ARRAY_SIZE(consumers); i++) {
		for (const char *const *t = consumers[i].tables; *t != NULL; t++) {
			if (strcmp(*t, table) == 0)
				return &consumers[i];
		}
	}
	return NULL;
}

void consumer_tables(const struct consumer *c, char out[CONSUMER_TABLES_LEN])
{
	size_t len = 0;

	for (const char *const *t = c->tables; *t != NULL; t++) {
		ASSERT(len + strlen(*t) + 3 <= CONSUMER_TABLES_LEN);
		len += (size_t)snprintf(out + len, CONSUMER_TABLES_LEN - len, "%c%s",
					t == c->tables ? '{' : ',', *t);
	}
	(void)snprintf(out + len, CONSUMER_TABLES_LEN - len, len == 0 ? "{}" : "}");
}
