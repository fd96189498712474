/*
 * The envelope that each service of the platform puts around its events, as templates; fields in
 * <angle brackets> are those of field.c, ' stands for a double quote.
 */
#include "tools/sim/emit.h"

#include "common/base/xalloc.h"

enum { E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, E11, E12, E13, E14, E14_DESK, E15, E16 };

/* clang-format off */
static struct shape shapes[] = {
[E1] = {.name = "E1", .envelope =
	"{'id':'evt_<event>','subject':'<subject>','occurredAt':'<time>','tenantId':'tnt_<tenant>',"
	"'correlationId':'cor_<correlation>','producedBy':{'service':'<service>',"
	"'version':'<version>','instance':'<service>-7d9f'},'metadata':{'schemaVersion':1,"
	"'dataResidency':'<residency>','orderingKey':'tnt_<tenant>:<aggregate>',"
	"'retentionClass':'<retention>'},'payload':<payload>}"},
[E2] = {.name = "E2", .envelope =
	"{'eventId':'<event>','eventType':'<subject>','eventVersion':1,"
	"'schemaUri':'https://schemas.melmastoon.com/<subject>','occurredAt':'<time>',"
	"'tenantId':'ten_<tenant>','producedBy':'<service>','correlationId':'<correlation>',"
	"'actorId':'stf_<staff>','payload':<payload>,'metadata':{'dataResidency':'<residency>',"
	"'fromOfflineReplay':false,'orderingKey':'<aggregate>','retentionClass':'<retention>'}}"},
[E3] = {.name = "E3", .envelope =
	"{'eventId':'<event>','subject':'<subject>','source':'<service>','tenantId':'tnt_<tenant>',"
	"'aggregateKind':'<aggregate_type>','aggregateId':'<aggregate>','occurredAt':'<time>',"
	"'publishedAt':'<published>','schemaVersion':1,'correlationId':'cor_<correlation>',"
	"'orderingKey':'tnt_<tenant>:<aggregate>','retentionClass':'<retention>',"
	"'payload':<payload>}"},
[E4] = {.name = "E4", .envelope =
	"{'eventId':'<event>','subject':'<subject>','eventVersion':1,'occurredAt':'<time>',"
	"'publishedAt':'<published>','producer':'<service>','producerVersion':'<version>',"
	"'tenantId':<tenant_or_null>,'partitionKey':'<aggregate>','traceparent':'<traceparent>',"
	"'correlationId':'<correlation>','causationId':null,'idempotencyKey':'<event>',"
	"'retentionClass':'<retention>','payload':<payload>}"},
[E5] = {.name = "E5", .envelope =
	"{'eventId':'<event>','eventType':'<subject>','schema':'melmastoon.event.v1',"
	"'occurredAt':'<time>','tenantId':'tnt_<tenant>','producer':'<service>',"
	"'producerVersion':'<version>','correlationId':'<correlation>','actor':{'kind':'user',"
	"'id':'usr_<user>','ip':'203.0.113.7','userAgent':'Mozilla/5.0'},"
	"'partitionKey':'tenant:tnt_<tenant>','retentionClass':'<retention>','payload':<payload>,"
	"'metadata':{}}"},
[E6] = {.name = "E6", .envelope =
	"{'eventId':'evt_<event>','eventType':'<subject>','schemaVersion':1,'occurredAt':'<time>',"
	"'tenantId':'tnt_<tenant>','aggregate':{'type':'<aggregate_type>','id':'<aggregate>'},"
	"'version':<aggregate_version>,'producer':{'service':'<service>','version':'<version>'},"
	"'trace':{'traceId':'<trace>','spanId':'<span>','causationId':null,"
	"'correlationId':'req_<correlation>'},'data':<payload>}"},
[E7] = {.name = "E7", .time = TIME_SECONDS, .envelope =
	"{'specVersion':'1.0','id':'evt_<event>','type':'<subject>','source':'<service>',"
	"'subject':'<aggregate>','time':'<time>','tenantId':'tnt_<tenant>',"
	"'correlationId':'req_<correlation>','causationId':null,'traceparent':'<traceparent>',"
	"'actor':{'type':'user','id':'usr_<user>'},"
	"'schema':'https://schemas.melmastoon.ghasi.io/<subject>.json','data':<payload>}"},
[E8] = {.name = "E8", .envelope =
	"{'specVersion':'1.0','id':'evt_<event>','subject':'<subject>','type':'<subject>',"
	"'source':'/services/<service>','time':'<time>','tenantId':'tnt_<tenant>',"
	"'traceId':'<traceparent>','correlationId':'<rsv_or_correlation>',"
	"'causationId':'evt_<own>',"
	"'schemaUrl':'https://schemas.melmastoon.ghasi.io/<subject>.json','data':<payload>}"},
[E9] = {.name = "E9", .time = TIME_LOCAL, .envelope =
	"{'specVersion':'1.0','id':'evt_<event>','subject':'<subject>','tenantId':'tnt_<tenant>',"
	"'occurredAt':'<time>','producer':'<service>@<version>','traceparent':'<traceparent>',"
	"'actor':{'type':'system','id':'sys_<own>'},'correlationId':'req_<correlation>',"
	"'causationId':'evt_<own>','payload':<payload>}"},
[E10] = {.name = "E10", .envelope =
	"{'id':'<event>','subject':'<subject>','specVersion':'1.0','occurredAt':'<time>',"
	"'producer':'<service>@<version>','tenantId':'tnt_<tenant>',"
	"'correlationId':'<correlation>','causationId':'<own>','traceparent':'<traceparent>',"
	"'schemaUri':'https://schemas.melmastoon.tech/<subject>.json','data':<payload>}"},
[E11] = {.name = "E11", .envelope =
	"{'id':'evt_<event>','subject':'<subject>','source':'<service>','specVersion':'1.0',"
	"'type':'<subject>','time':'<time>','tenantId':'tnt_<tenant>','correlation':{"
	"'traceId':'<trace>','requestId':'req_<correlation>'},'data':<payload>,"
	"'retention':'<retention>',"
	"'schemaUri':'https://schemas.melmastoon.ghasi.io/<subject>.json'}"},
[E12] = {.name = "E12", .time = TIME_MICROS, .envelope =
	"{'specversion':'1.0','id':'<event>','type':'<subject>','source':'//melmastoon/<service>',"
	"'subject':'tnt_<tenant>/payments/<aggregate>','time':'<time>',"
	"'datacontenttype':'application/json',"
	"'dataschema':'https://schemas.melmastoon.ghasi.io/<subject>.json',"
	"'tenantid':'tnt_<tenant>','correlationid':'<rsv_or_correlation>',"
	"'traceparent':'<traceparent>','data':<payload>}"},
[E13] = {.name = "E13", .time = TIME_SECONDS, .envelope =
	"{'specversion':'1.0','id':'evt_<event>','source':'service:<service>','type':'<subject>',"
	"'time':'<time>','datacontenttype':'application/json','subject':'<aggregate>',"
	"'tenantid':'t_<tenant>','traceparent':'<traceparent>','data':<payload>}"},
[E14] = {.name = "E14", .envelope =
	"{'envelope':{'eventId':'evt_<event>','subject':'<subject>','version':1,"
	"'occurredAt':'<time>','publishedAt':'<published>','producer':'<service>',"
	"'producerInstance':'<service>-2','tenantId':'tnt_<tenant>','userId':null,"
	"'sessionId':'tnt_session_<session>','requestId':'req_<own>','traceId':'<traceparent>',"
	"'causationId':null,'correlationId':'req_<correlation>',"
	"'schemaUri':'https://schemas.melmastoon.ghasi.io/<subject>',"
	"'retentionClass':'<retention>'},'payload':<payload>}"},
[E14_DESK] = {.name = "E14", .envelope =
	"{'envelope':{'eventId':'evt_<event>','subject':'<subject>','version':1,"
	"'occurredAt':'<time>','publishedAt':'<published>','producer':'<service>',"
	"'producerInstance':'<service>-0','tenantId':'tnt_<tenant>','operatorId':'opr_<user>',"
	"'deviceId':'dev_<prop>','sessionId':'bos_<own>','propertyId':'prop_<prop>',"
	"'requestId':'req_<own>','traceId':'<traceparent>','causationId':null,"
	"'correlationId':'req_<correlation>',"
	"'schemaUri':'https://schemas.melmastoon.ghasi.io/<subject>',"
	"'retentionClass':'<retention>','samplingRate':0.25,'appVersion':'2.8.0',"
	"'appPlatform':'win32'},'payload':<payload>}"},
[E15] = {.name = "E15", .envelope =
	"{'envelope':{'eventId':'evt_<event>','subject':'<subject>','version':1,"
	"'occurredAt':'<time>','publishedAt':'<published>','producer':'<service>',"
	"'producerInstance':'<service>-1','tenantId':<tenant_or_null>,'userId':null,"
	"'sessionId':'gms_<session>','requestId':'req_<own>','traceId':'<traceparent>',"
	"'causationId':null,'correlationId':'req_<correlation>',"
	"'schemaUri':'https://schemas.melmastoon.ghasi.io/<subject>',"
	"'retentionClass':'<retention>'},'payload':<payload>}"},
/* as a BFF passes it on: with an id and the tenant of the session */
[E16] = {.name = "E16", .envelope =
	"{'id':'evt_<event>','event_name':'<subject>','event_version':'1.0.0',"
	"'timestamp_ms':<epoch_ms>,'tenantId':'tnt_<tenant>','surface':'<service>',"
	"'session_id':'bos_<own>','correlation_id':'req_<correlation>','locale':'<locale>',"
	"'dir':'rtl','properties':<payload>}"},
};
/* clang-format on */

enum {
	RESERVATION,
	NOTIFICATION,
	REPORTING,
	STAFF,
	INVENTORY,
	IAM,
	IAM_PLATFORM,
	THEME,
	PROPERTY,
	SEARCH,
	TENANT,
	LOCK,
	HOUSEKEEPING,
	PRICING,
	AI,
	PAYMENT,
	BILLING,
	BOOKING,
	BACKOFFICE,
	CONSUMER,
	FRONTEND
};

static const struct service services[] = {
	[RESERVATION] = {"reservation-service", "4.2.0", E1, false, false},
	[NOTIFICATION] = {"notification-service", "1.9.1", E1, false, false},
	[REPORTING] = {"reporting-service", "1.3.0", E1, false, false},
	[STAFF] = {"staff-service", "1.1.0", E2, false, false},
	[INVENTORY] = {"inventory-service", "2.0.4", E3, false, false},
	[IAM] = {"iam-service", "2.3.1", E4, false, false},
	[IAM_PLATFORM] = {"iam-service", "2.3.1", E4, true, false},
	[THEME] = {"theme-config-service", "1.0.7", E5, false, false},
	[PROPERTY] = {"property-service", "1.7.3", E6, false, false},
	[SEARCH] = {"search-aggregation-service", "1.4.0", E6, false, false},
	[TENANT] = {"tenant-service", "1.2.0", E7, false, false},
	[LOCK] = {"lock-integration-service", "1.5.2", E8, false, false},
	[HOUSEKEEPING] = {"housekeeping-service", "1.4.2", E9, false, false},
	[PRICING] = {"pricing-service", "1.42.0", E10, false, true},
	[AI] = {"ai-orchestrator-service", "0.9.0", E11, false, false},
	[PAYMENT] = {"payment-gateway-service", "2.1.0", E12, false, false},
	[BILLING] = {"billing", "1.8.0", E13, false, false},
	[BOOKING] = {"bff-tenant-booking-service", "3.0.0", E14, false, false},
	[BACKOFFICE] = {"bff-backoffice-service", "2.8.0", E14_DESK, false, false},
	[CONSUMER] = {"bff-consumer-service", "3.1.0", E15, true, false},
	[FRONTEND] = {"backoffice", "2.8.0", E16, false, false},
};

static const struct {
	unsigned service;
	const char *name, *type, *aggregate, *retention, *payload;
} sources[SUBJECT_COUNT] = {
#define SUBJECT(id, service, name, type, aggregate, retention, payload) \
	{service, "melmastoon." name ".v1", type, aggregate, retention, payload},
#include "tools/sim/subjects.def"
#undef SUBJECT
};

static const struct field *find_field(const char *name, size_t n)
{
	for (size_t i = 0; i < field_count; i++)
		if (slice_eq_str((struct slice){name, n}, field_table[i].name))
			return &field_table[i];
	for (size_t i = 0; i < field_stay_count; i++)
		if (slice_eq_str((struct slice){name, n}, field_stay_table[i].name))
			return &field_stay_table[i];
	fprintf(stderr, "no field <%.*s>\n", (int)n, name);
	abort();
}

static struct template compile(const char *source)
{
	struct template t = {.text = xstrdup(source)};
	size_t cap = 1;

	for (char *p = t.text; *p != '\0'; p++) {
		if (*p == '\'')
			*p = '"';
		cap += *p == '<';
	}
	t.pieces = xcalloc(cap, sizeof(*t.pieces));
	for (const char *p = t.text; *p != '\0';) {
		struct piece *piece = &t.pieces[t.len++];
		const char *open = p + strcspn(p, "<"), *close;

		piece->text = p;
		piece->len = (size_t)(open - p);
		if (*open == '\0')
			break;
		close = strchr(open, '>');
		ASSERT(close != NULL);
		piece->field = find_field(open + 1, (size_t)(close - open - 1));
		p = close + 1;
	}
	return t;
}

static void template_clear(struct template *t)
{
	free(t->text);
	free(t->pieces);
	*t = (struct template){.text = NULL};
}

struct subject *shape_subjects_new(void)
{
	struct subject *subjects = xcalloc(SUBJECT_COUNT, sizeof(*subjects));

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		shapes[i].compiled = compile(shapes[i].envelope);
	for (size_t i = 0; i < SUBJECT_COUNT; i++) {
		struct subject *subject = &subjects[i];
		const char *domain = sources[i].name + strlen("melmastoon.");

		*subject = (struct subject){
			.name = sources[i].name,
			.service = &services[sources[i].service],
			.shape = &shapes[services[sources[i].service].shape],
			.domain = {domain, strcspn(domain, ".")},
			.aggregate_type = sources[i].type,
			.retention = sources[i].retention,
			.aggregate = compile(sources[i].aggregate),
			.payload = compile(sources[i].payload),
		};
	}
	return subjects;
}

void shape_subjects_free(struct subject *subjects)
{
	if (subjects == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		template_clear(&shapes[i].compiled);
	for (size_t i = 0; i < SUBJECT_COUNT; i++) {
		template_clear(&subjects[i].aggregate);
		template_clear(&subjects[i].payload);
	}
	free(subjects);
}

/* Skips the first `skip` bytes, which are in the first piece. */
static void put_from(struct strbuf *b, const struct template *t, size_t skip,
		     const struct event *ev)
{
	for (size_t i = 0; i < t->len; i++, skip = 0) {
		const struct piece *piece = &t->pieces[i];

		strbuf_append(b, piece->text + skip, piece->len - skip);
		if (piece->field != NULL)
			piece->field->put(b, ev, piece->field->arg);
	}
}

void shape_put_aggregate(struct strbuf *b, const struct event *ev)
{
	put_from(b, &ev->subject->aggregate, 0, ev);
}

void shape_put_payload(struct strbuf *b, const struct event *ev)
{
	if (ev->conflict)
		strbuf_append_str(b, "{\"edited\":true,");
	put_from(b, &ev->subject->payload, ev->conflict ? 1 : 0, ev);
}

void shape_put_event(struct strbuf *b, const struct event *ev)
{
	put_from(b, &ev->subject->shape->compiled, 0, ev);
}

bool shape_known(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (slice_eq_str(name, shapes[i].name))
			return true;
	return false;
}
