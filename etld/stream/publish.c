/* Announces refreshed tables; see publish.h. */
#include "etld/stream/publish.h"

#include "common/net/dataversion.h"

void publish_versions(struct publisher *p, const struct unit_version *versions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct unit_version *v = &versions[i];
		char number[24];
		int len;

		dataversion_publish(p->redis, v->tenant_id, v->table_name, v->data_version);
		if (p->bus == NULL)
			continue;
		len = snprintf(number, sizeof(number), "%lld", (long long)v->data_version);
		(void)zsock_send(p->bus,
				 (const struct slice[]){SLICE_LIT("refreshed"),
							slice_of(v->tenant_id),
							slice_of(v->table_name),
							{number, (size_t)len}},
				 4);
	}
}
