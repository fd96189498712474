/* The registry of consumers; see consumers.h. */
#include "etld/consumers.h"

#include "sql_gen.h"

static const struct consumer consumers[] = {
	{
		.name = "reservation",
		.append = &SQL_etld_append_reservation,
		.rebuilds = {&SQL_etld_rebuild_reservation, &SQL_etld_rebuild_history},
		.tables = {"fact_reservation", "fact_room_night", "fact_room_night_history"},
	},
	{
		.name = "payment",
		.append = &SQL_etld_append_payment,
		.rebuilds = {&SQL_etld_rebuild_payment},
		.tables = {"fact_payment"},
	},
	{
		.name = "property",
		.append = &SQL_etld_append_property,
		.rebuilds = {&SQL_etld_rebuild_property, &SQL_etld_rebuild_room_type,
			     &SQL_etld_rebuild_room, &SQL_etld_rebuild_inventory_day},
		.tables = {"dim_property", "dim_room_type", "dim_room", "fact_inventory_day"},
	},
	{
		.name = "tenant",
		.append = &SQL_etld_append_tenant,
		.rebuilds = {&SQL_etld_rebuild_tenant},
		.tables = {"dim_tenant"},
	},
	{
		.name = "housekeeping",
		.append = &SQL_etld_append_housekeeping,
		.rebuilds = {&SQL_etld_rebuild_housekeeping},
		.tables = {"fact_housekeeping_task"},
	},
	{
		.name = "fx",
		.append = &SQL_etld_append_fx,
		.rebuilds = {&SQL_etld_rebuild_fx},
		.tables = {"dim_fx"},
	},
	{
		.name = "lock",
		.append = &SQL_etld_append_lock,
		.rebuilds = {&SQL_etld_rebuild_lock},
		.tables = {"fact_lock_action"},
	},
	{
		.name = "ai",
		.append = &SQL_etld_append_ai,
		.rebuilds = {&SQL_etld_rebuild_suggestion, &SQL_etld_rebuild_forecast},
		.tables = {"fact_ai_suggestion", "fact_demand_forecast"},
	},
	{
		.name = "audit",
		.append = &SQL_etld_append_audit,
		.rebuilds = {&SQL_etld_rebuild_audit},
		.tables = {"fact_audit_event"},
	},
	{
		.name = "funnel",
		.append = &SQL_etld_append_funnel,
		.rebuilds = {&SQL_etld_rebuild_funnel},
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
