/* The envelope of what we publish; see outbox.h. */
#include "common/pg/outbox.h"

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/timestamp.h"
#include "common/base/ulid.h"

static void put(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

void outbox_envelope(const struct outbox_event *ev, struct strbuf *out)
{
	char id[40], correlation[40], now[TIMESTAMP_TEXT_MAX];
	struct json_writer w;

	ulid_prefixed("evt", id, sizeof(id));
	ulid_prefixed("cor", correlation, sizeof(correlation));
	timestamp_format(clock_wall_us(), now);
	jw_init(&w, out);
	jw_object(&w);
	put(&w, "id", ev->id != NULL ? ev->id : id);
	put(&w, "subject", ev->subject);
	put(&w, "occurredAt", now);
	put(&w, "tenantId", ev->tenant_id);
	put(&w, "correlationId", ev->correlation_id != NULL ? ev->correlation_id : correlation);
	if (ev->traceparent != NULL)
		put(&w, "traceparent", ev->traceparent);
	jw_key(&w, "producedBy");
	jw_object(&w);
	put(&w, "service", "analytics-service");
	put(&w, "version", VERSION);
	put(&w, "instance", ev->instance);
	jw_end(&w);
	jw_key(&w, "metadata");
	jw_object(&w);
	jw_key(&w, "schemaVersion");
	jw_i64(&w, 1);
	put(&w, "orderingKey", ev->ordering_key);
	put(&w, "retentionClass", ev->retention_class);
	jw_end(&w);
	jw_key(&w, "payload");
	jw_raw(&w, ev->payload);
	jw_end(&w);
}
