/* The registry of consumers; see consumers.h. */
#include "etld/consumers.h"

#include "sql_gen.h"

static const struct consumer consumers[] = {
	{
		.name = "reservation",
		.append = &SQL_etld_append_reservation,
		.rebuilds = {&SQL_etld_rebuild_reservation},
		.tables = {"fact_reservation", "fact_room_night"},
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
