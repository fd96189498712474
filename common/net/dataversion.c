/* Data versions in Redis; see dataversion.h. */
#include "common/net/dataversion.h"

void dataversion_key(const char *tenant_id, char *out, size_t size)
{
	int n = snprintf(out, size, "dv:%s", tenant_id);

	ASSERT(n > 0 && (size_t)n < size);
}

void dataversion_publish_then(struct redisq *q, const char *tenant_id, const char *table,
			      int64_t version, redisq_fn fn, void *arg)
{
	/* two writers may arrive in either order: the larger stays */
	static const char raise_to[] = "local v = redis.call('HGET', KEYS[1], ARGV[1]) "
				       "if not v or tonumber(v) < tonumber(ARGV[2]) then "
				       "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end return 1";
	char key[64], number[24];
	int n;

	dataversion_key(tenant_id, key, sizeof(key));
	n = snprintf(number, sizeof(number), "%lld", (long long)version);
	redisq_command(q,
		       (const struct slice[]){SLICE_LIT("EVAL"),
					      SLICE_LIT(raise_to),
					      SLICE_LIT("1"),
					      slice_of(key),
					      slice_of(table),
					      {number, (size_t)n}},
		       6, fn, arg);
}

void dataversion_publish(struct redisq *q, const char *tenant_id, const char *table,
			 int64_t version)
{
	if (q != NULL && redisq_up(q))
		dataversion_publish_then(q, tenant_id, table, version, NULL, NULL);
}
