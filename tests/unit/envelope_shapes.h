/*
 * One event of each envelope shape that the platform publishes (E1-E16), and what the reader makes
 * of it. In a text, '?' stands before a member that may be absent or null. `full` is expected when
 * all of them are there (NULL: empty); when none is, only what the others say remains, and
 * `bare_type` is the aggregate's type.
 */
#ifndef TESTS_ENVELOPE_SHAPES_H
#define TESTS_ENVELOPE_SHAPES_H

#include "tests/unit/envelope_expected.h"

static const struct shape {
	const char *name, *text, *bare_type;
	struct expected full;
} shapes[] = {
	{
		"E1 analytics, reservation, notification, reporting",
		"{\"id\":\"evt_" ULID_A "\",\"subject\":\"melmastoon.reservation.confirmed.v1\","
		"\"occurredAt\":\"2026-01-02T03:04:05.678Z\",\"tenantId\":\"" TENANT "\","
		"?\"correlationId\":\"cor_" ULID_B "\",?\"causationId\":\"evt_" ULID_B "\","
		"?\"producedBy\":{?\"service\":\"reservation-service\",?\"version\":\"1.0.0\","
		"?\"instance\":\"i-1\"},?\"metadata\":{?\"schemaVersion\":3,?\"dataResidency\":"
		"\"gcp-me-central1\",?\"orderingKey\":\"" TENANT ":rsv_" ULID_B "\","
		"?\"retentionClass\":\"regulated\",?\"ai\":{\"model\":\"m\"}},"
		"?\"payload\":{\"reservationId\":\"rsv_" ULID_B "\"}}",
		"reservation",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.reservation.confirmed.v1",
			.domain = "reservation",
			.tenant_id = TENANT,
			.occurred_at_us = T0 + 678000,
			.payload = "{\"reservationId\":\"rsv_" ULID_B "\"}",
			.payload_key = "payload",
			.aggregate_type = "reservation",
			.schema_version = 3,
			.producer = "reservation-service",
			.correlation_id = "cor_" ULID_B,
			.causation_id = "evt_" ULID_B,
			.ordering_key = TENANT ":rsv_" ULID_B,
			.retention_class = "regulated",
			.retention_word = "regulated",
			.data_residency = "me-central1",
		},
	},
	{
		"E2 staff",
		"{\"eventId\":\"" ULID_A "\",\"eventType\":\"melmastoon.staff.shift.assigned.v2\","
		"?\"eventVersion\":7,?\"schemaUri\":\"https://schemas.melmastoon.com/x\","
		"\"tenantId\":\"ten_01HZ0000000000000000000001\",?\"correlationId\":\"c\","
		"?\"causationId\":\"d\",?\"actorId\":\"usr_1\",\"occurredAt\":"
		"\"2026-01-02T07:34:05+04:30\",?\"producedBy\":\"staff-service\","
		"?\"idempotencyKey\":\"k\",?\"payload\":{\"a\":1},?\"metadata\":{?"
		"\"retentionClass\":"
		"\"pii\",?\"dataResidency\":\"EU\",?\"fromOfflineReplay\":true,?\"aiProvenance\":"
		"{\"source\":\"edge\"},?\"orderingKey\":\"stf_1\",?\"outboxId\":\"obx_1\"}}",
		"shift",
		{
			.event_id = ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.staff.shift.assigned.v2",
			.domain = "staff",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{\"a\":1}",
			.payload_key = "payload",
			.aggregate_type = "shift",
			.schema_version = 7,
			.producer = "staff-service",
			.correlation_id = "c",
			.causation_id = "d",
			.ordering_key = "stf_1",
			.retention_class = "regulated",
			.retention_word = "pii",
			.data_residency = "europe-west3",
		},
	},
	{
		"E3 inventory",
		"{\"eventId\":\"" ULID_A
		"\",\"subject\":\"melmastoon.inventory.allocation.confirmed.v1\","
		"?\"source\":\"inventory-service\",\"tenantId\":\"" TENANT "\","
		"?\"aggregateKind\":\"RoomAllocation\",?\"aggregateId\":\"inv_" ULID_B "\","
		"\"occurredAt\":\"" T0_ "\",?\"publishedAt\":\"" T1_ "\",?\"schemaVersion\":1,"
		"?\"causationId\":\"d\",?\"correlationId\":\"c\",?\"idempotencyKey\":\"k\","
		"?\"orderingKey\":\"o\",?\"retentionClass\":\"transactional\",?\"payload\":{}}",
		"allocation",
		{
			.event_id = ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.inventory.allocation.confirmed.v1",
			.domain = "inventory",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.published_at_us = T0 + SECOND,
			.payload = "{}",
			.payload_key = "payload",
			.aggregate_type = "RoomAllocation",
			.aggregate_id = "inv_" ULID_B,
			.schema_version = 1,
			.producer = "inventory-service",
			.correlation_id = "c",
			.causation_id = "d",
			.ordering_key = "o",
			.retention_class = "regulated",
			.retention_word = "transactional",
		},
	},
	{
		"E4 iam, with a tenant",
		"{\"eventId\":\"" ULID_A "\",\"subject\":\"melmastoon.iam.user.registered.v1\","
		"?\"eventVersion\":4,\"occurredAt\":\"" T0_ "\",?\"publishedAt\":\"" T1_ "\","
		"?\"producer\":\"iam-service\",?\"producerVersion\":\"2.0.1\",\"tenantId\":"
		"\"" TENANT "\","
		"?\"partitionKey\":\"usr_1\",?\"traceparent\":\"" PARENT
		"\",?\"correlationId\":\"c\","
		"?\"causationId\":\"d\",?\"idempotencyKey\":\"k\",?\"retentionClass\":\"security\","
		"?\"payload\":{}}",
		"user",
		{
			.event_id = ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.iam.user.registered.v1",
			.domain = "iam",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.published_at_us = T0 + SECOND,
			.payload = "{}",
			.payload_key = "payload",
			.aggregate_type = "user",
			.schema_version = 4,
			.producer = "iam-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.ordering_key = "usr_1",
			.retention_class = "audit",
			.retention_word = "security",
		},
	},
	{
		"E4 iam, of the platform",
		"{\"eventId\":\"" ULID_A "\",\"subject\":\"melmastoon.iam.policy.published.v1\","
		"?\"eventVersion\":1,\"occurredAt\":\"" T0_ "\",?\"publishedAt\":\"" T1_ "\","
		"?\"producer\":\"iam-service\",?\"producerVersion\":\"2.0.1\",\"tenantId\":null,"
		"?\"partitionKey\":\"usr_1\",?\"traceparent\":\"" PARENT
		"\",?\"correlationId\":\"c\","
		"?\"causationId\":\"d\",?\"idempotencyKey\":\"k\",?\"retentionClass\":"
		"\"analytics\","
		"?\"payload\":{}}",
		"policy",
		{
			.event_id = ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.iam.policy.published.v1",
			.domain = "iam",
			.tenant_id = EVENT_PLATFORM,
			.occurred_at_us = T0,
			.published_at_us = T0 + SECOND,
			.payload = "{}",
			.payload_key = "payload",
			.aggregate_type = "policy",
			.schema_version = 1,
			.producer = "iam-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.ordering_key = "usr_1",
			.retention_class = "analytical",
			.retention_word = "analytics",
		},
	},
	{
		"E5 theme-config",
		"{?\"schema\":\"melmastoon.event.v1\",\"eventId\":\"" ULID_A "\","
		"\"eventType\":\"melmastoon.theme.published.v1\",\"occurredAt\":\"" T0_ "\","
		"?\"producer\":\"theme-config-service\",?\"producerVersion\":\"1.0.0\","
		"\"tenantId\":\"" TENANT "\",?\"correlationId\":\"c\",?\"causationId\":\"d\","
		"?\"actor\":{\"kind\":\"user\",\"ip\":\"::1\"},?\"partitionKey\":\"tenant:" TENANT
		"\","
		"?\"retentionClass\":\"standard\",?\"payload\":{},?\"metadata\":{}}",
		"theme",
		{
			.event_id = ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.theme.published.v1",
			.domain = "theme",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{}",
			.payload_key = "payload",
			.aggregate_type = "theme",
			.schema_version = 1,
			.producer = "theme-config-service",
			.correlation_id = "c",
			.causation_id = "d",
			.ordering_key = "tenant:" TENANT,
			.retention_class = "operational",
			.retention_word = "standard",
		},
	},
	{
		"E6 property, search-aggregation",
		"{\"eventId\":\"evt_" ULID_A
		"\",\"eventType\":\"melmastoon.property.room.created.v1\","
		"?\"schemaVersion\":2,\"occurredAt\":\"" T0_ "\",\"tenantId\":\"" TENANT "\","
		"?\"aggregate\":{?\"type\":\"room_unit\",?\"id\":\"rom_" ULID_B
		"\"},?\"version\":4,"
		"?\"producer\":{?\"service\":\"property-service\",?\"version\":\"1.7.3\"},"
		"?\"trace\":{?\"traceId\":\"" PARENT "\",?\"spanId\":\"s\",?\"causationId\":\"d\","
		"?\"correlationId\":\"req_" ULID_B "\"},?\"data\":{\"roomId\":1}}",
		"room",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.property.room.created.v1",
			.domain = "property",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{\"roomId\":1}",
			.payload_key = "data",
			.aggregate_type = "room_unit",
			.aggregate_id = "rmu_" ULID_B,
			.aggregate_version = 4,
			.schema_version = 2,
			.producer = "property-service",
			.correlation_id = "req_" ULID_B,
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		"E7 tenant",
		"{?\"specVersion\":\"1.0\",\"id\":\"evt_" ULID_A
		"\",?\"source\":\"tenant-service\","
		"\"type\":\"melmastoon.tenant.created.v1\",?\"subject\":\"" TENANT
		"\",\"tenantId\":"
		"\"" TENANT "\",\"time\":\"" T0_ "\",?\"traceparent\":\"" PARENT
		"\",?\"causationId\":"
		"\"d\",?\"correlationId\":\"c\",?\"actor\":{\"type\":\"user\",\"id\":\"usr_1\"},"
		"?\"schema\":\"https://schemas.melmastoon.ghasi.io/x\",?\"data\":{\"name\":\"n\"}}",
		"tenant",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.tenant.created.v1",
			.domain = "tenant",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{\"name\":\"n\"}",
			.payload_key = "data",
			.aggregate_type = "tenant",
			.aggregate_id = TENANT,
			.schema_version = 1,
			.producer = "tenant-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		"E8 lock-integration",
		"{?\"specVersion\":\"1.0\",\"id\":\"evt_" ULID_A "\",\"type\":"
		"\"melmastoon.lock.credential.issued.v1\",?\"subject\":"
		"\"melmastoon.lock.credential.issued.v1\",?\"source\":"
		"\"/services/lock-integration-service\",\"time\":\"" T0_ "\",\"tenantId\":\"" TENANT
		"\","
		"?\"traceId\":\"" PARENT "\",?\"correlationId\":\"rsv_" ULID_B
		"\",?\"causationId\":\"d\","
		"?\"schemaUrl\":\"u\",?\"data\":{}}",
		"credential",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.lock.credential.issued.v1",
			.domain = "lock",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{}",
			.payload_key = "data",
			.aggregate_type = "credential",
			.schema_version = 1,
			.producer = "/services/lock-integration-service",
			.correlation_id = "rsv_" ULID_B,
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		"E9 housekeeping",
		"{?\"specVersion\":\"1.0\",\"id\":\"evt_" ULID_A "\",\"subject\":"
		"\"melmastoon.housekeeping.task.created.v1\",\"tenantId\":\"" TENANT
		"\",\"occurredAt\":"
		"\"" T0_
		"\",?\"producer\":\"housekeeping-service@1.4.2\",?\"traceparent\":\"" PARENT "\","
		"?\"actor\":{\"type\":\"system\",\"id\":\"sys_1\"},?\"correlationId\":\"c\","
		"?\"causationId\":\"d\",?\"payload\":[]}",
		"task",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.housekeeping.task.created.v1",
			.domain = "housekeeping",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "[]",
			.payload_key = "payload",
			.aggregate_type = "task",
			.schema_version = 1,
			.producer = "housekeeping-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		/* the dedupe key has a test of its own */
		"E10 pricing",
		"{\"id\":\"" ULID_A "\",\"subject\":\"melmastoon.pricing.rate_plan.created.v1\","
		"?\"specVersion\":\"1.0\",\"occurredAt\":\"" T0_ "\",?\"producer\":"
		"\"pricing-service@1.42.0\",\"tenantId\":\"" TENANT "\",?\"correlationId\":\"c\","
		"?\"causationId\":\"d\",?\"traceparent\":\"" PARENT "\",?\"schemaUri\":\"u\","
		"?\"data\":{\"ratePlanId\":\"rate_1\"}}",
		"rate_plan",
		{
			.event_id = ULID_A,
			.subject = "melmastoon.pricing.rate_plan.created.v1",
			.domain = "pricing",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{\"ratePlanId\":\"rate_1\"}",
			.payload_key = "data",
			.aggregate_type = "rate_plan",
			.schema_version = 1,
			.producer = "pricing-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		"E11 ai-orchestrator",
		"{\"id\":\"evt_" ULID_A
		"\",\"subject\":\"melmastoon.ai_orchestrator.hitl.gate_decided.v1\","
		"?\"source\":\"ai-orchestrator-service\",?\"specVersion\":\"1.0\",?\"type\":"
		"\"melmastoon.ai_orchestrator.hitl.gate_decided.v1\",\"time\":\"" T0_
		"\",\"tenantId\":"
		"\"" TENANT "\",?\"correlation\":{?\"traceId\":\"" PARENT
		"\",?\"requestId\":\"req_1\","
		"?\"causationId\":\"d\"},?\"data\":{},?\"retention\":\"audit\",?\"schemaUri\":"
		"\"u\"}",
		"hitl",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.ai_orchestrator.hitl.gate_decided.v1",
			.domain = "ai_orchestrator",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{}",
			.payload_key = "data",
			.aggregate_type = "hitl",
			.schema_version = 1,
			.producer = "ai-orchestrator-service",
			.correlation_id = "req_1",
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "audit",
			.retention_word = "audit",
		},
	},
	{
		"E12 payment-gateway (CloudEvents)",
		"{?\"specversion\":\"1.0\",\"id\":\"01hzx3m5k7n9p2q4r6s8tavbwc\",\"type\":"
		"\"melmastoon.payment.transaction.captured.v1\",?\"source\":"
		"\"//melmastoon/payment-gateway-service\",?\"subject\":\"" TENANT
		"/payments/pay_" ULID_B "\",\"time\":\"" T0_
		"\",?\"datacontenttype\":\"application/json\",?\"dataschema\":\"u\","
		"\"tenantid\":\"" TENANT "\",?\"correlationid\":\"rsv_" ULID_B
		"\",?\"causationid\":\"d\","
		"?\"traceparent\":\"" PARENT "\",?\"data\":{\"amount\":{\"amountMicro\":\"1\"}}}",
		"transaction",
		{
			.event_id = "01hzx3m5k7n9p2q4r6s8tavbwc",
			.dedupe_key = ULID_A,
			.subject = "melmastoon.payment.transaction.captured.v1",
			.domain = "payment",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{\"amount\":{\"amountMicro\":\"1\"}}",
			.payload_key = "data",
			.aggregate_type = "transaction",
			.aggregate_id = "pay_" ULID_B,
			.schema_version = 1,
			.producer = "//melmastoon/payment-gateway-service",
			.correlation_id = "rsv_" ULID_B,
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		"E13 billing (CloudEvents)",
		"{?\"specversion\":\"1.0\",\"id\":\"evt_" ULID_A
		"\",?\"source\":\"service:billing\","
		"\"type\":\"melmastoon.billing.folio.opened.v1\",\"time\":\"" T0_
		"\",?\"datacontenttype\":"
		"\"application/json\",?\"subject\":\"fol_" ULID_B "\",\"tenantid\":"
		"\"t_01HZ0000000000000000000001\",?\"traceparent\":\"" PARENT "\",?\"data\":{}}",
		"folio",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.billing.folio.opened.v1",
			.domain = "billing",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{}",
			.payload_key = "data",
			.aggregate_type = "folio",
			.aggregate_id = "fol_" ULID_B,
			.schema_version = 1,
			.producer = "service:billing",
			.traceparent = PARENT,
			.retention_class = "operational",
		},
	},
	{
		"E14 bff-backoffice, bff-tenant-booking",
		"{\"envelope\":{\"eventId\":\"evt_" ULID_A "\",\"subject\":"
		"\"melmastoon.bff.tenant.booking.draft.created.v1\",?\"version\":5,\"occurredAt\":"
		"\"" T0_ "\",?\"publishedAt\":\"" T1_ "\",?\"producer\":\"bff-backoffice-service\","
		"?\"producerInstance\":\"i\",\"tenantId\":\"" TENANT "\",?\"userId\":\"usr_1\","
		"?\"sessionId\":\"tnt_session_" ULID_B "\",?\"requestId\":\"req_1\",?\"traceId\":"
		"\"" PARENT
		"\",?\"causationId\":\"d\",?\"correlationId\":\"c\",?\"schemaUri\":\"u\","
		"?\"retentionClass\":\"operational\",?\"samplingRate\":0.25,?\"appVersion\":\"1\"},"
		"?\"payload\":{}}",
		"draft",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.bff.tenant.booking.draft.created.v1",
			.domain = "bff",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.published_at_us = T0 + SECOND,
			.payload = "{}",
			.payload_key = "payload",
			.aggregate_type = "draft",
			.schema_version = 5,
			.producer = "bff-backoffice-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "operational",
			.retention_word = "operational",
			.sampling_rate = 0.25,
		},
	},
	{
		"E14 bff-backoffice, sampled",
		"{\"envelope\":{\"eventId\":\"evt_" ULID_A "\",\"subject\":"
		"\"melmastoon.bff.backoffice.session.started.v1\",?\"version\":1,\"occurredAt\":"
		"\"2026-01-02T08:04:05+05:00\",?\"publishedAt\":\"" T1_
		"\",?\"producer\":\"bff-backoffice-service\",?\"producerInstance\":\"i\","
		"\"tenantId\":\"ten_01HZ0000000000000000000001\",?\"operatorId\":\"opr_1\","
		"?\"deviceId\":\"dev_1\",?\"propertyId\":\"prop_" ULID_B
		"\",?\"sessionId\":\"bos_1\","
		"?\"requestId\":\"req_1\",?\"traceId\":\"" PARENT
		"\",?\"causationId\":\"d\",?\"correlationId\":\"c\",?\"schemaUri\":\"u\","
		"?\"retentionClass\":\"audit\",?\"samplingRate\":0.01,?\"appVersion\":\"1\","
		"?\"appPlatform\":\"windows\"},?\"payload\":{\"a\":1}}",
		"session",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.bff.backoffice.session.started.v1",
			.domain = "bff",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.published_at_us = T0 + SECOND,
			.payload = "{\"a\":1}",
			.payload_key = "payload",
			.aggregate_type = "session",
			.schema_version = 1,
			.producer = "bff-backoffice-service",
			.correlation_id = "c",
			.causation_id = "d",
			.traceparent = PARENT,
			.retention_class = "audit",
			.retention_word = "audit",
			.sampling_rate = 0.01,
		},
	},
	{
		"E15 bff-consumer, never of a tenant",
		"{\"envelope\":{\"eventId\":\"evt_" ULID_A "\",\"subject\":"
		"\"melmastoon.bff.consumer.search.executed.v1\",?\"version\":1,\"occurredAt\":"
		"\"" T0_ "\",?\"publishedAt\":\"" T1_
		"\",?\"producer\":\"bff-consumer-service\",\"tenantId\":null,"
		"?\"userId\":null,?\"sessionId\":\"gms_1\",?\"traceId\":\"" PARENT "\","
		"?\"correlationId\":\"c\",?\"retentionClass\":\"operational\"},?\"payload\":{}}",
		"search",
		{
			.event_id = "evt_" ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.bff.consumer.search.executed.v1",
			.domain = "bff",
			.tenant_id = EVENT_PLATFORM,
			.occurred_at_us = T0,
			.published_at_us = T0 + SECOND,
			.payload = "{}",
			.payload_key = "payload",
			.aggregate_type = "search",
			.schema_version = 1,
			.producer = "bff-consumer-service",
			.correlation_id = "c",
			.traceparent = PARENT,
			.retention_class = "operational",
			.retention_word = "operational",
		},
	},
	{
		/* as a relay would put it on the bus: an id, and a subject of ours */
		"E16 frontend telemetry",
		"{\"id\":\"" ULID_A "\",\"event_name\":\"melmastoon.telemetry.widget.opened.v1\","
		"?\"event_version\":\"1.2.0\",\"timestamp_ms\":1767323045000,\"tenant_id\":"
		"\"" TENANT "\","
		"?\"surface\":\"backoffice\",?\"correlation_id\":\"c\",?\"session_id\":\"s\","
		"?\"locale\":\"fa\",?\"properties\":{\"a\":1}}",
		"widget",
		{
			.event_id = ULID_A,
			.dedupe_key = ULID_A,
			.subject = "melmastoon.telemetry.widget.opened.v1",
			.domain = "telemetry",
			.tenant_id = TENANT,
			.occurred_at_us = T0,
			.payload = "{\"a\":1}",
			.payload_key = "properties",
			.aggregate_type = "widget",
			.schema_version = 1,
			.producer = "backoffice",
			.correlation_id = "c",
			.retention_class = "operational",
		},
	},
};

#endif
