/*
 * What the tests of the envelope reader share: identifiers and members to put texts together from,
 * and what is expected of an event.
 */
#ifndef TESTS_ENVELOPE_EXPECTED_H
#define TESTS_ENVELOPE_EXPECTED_H

#include "ingestd/reading/envelope.h"

#define TENANT "tnt_01HZ0000000000000000000001"
#define ULID_A "01HZX3M5K7N9P2Q4R6S8TAVBWC"
#define ULID_B "01HZX3M5K7N9P2Q4R6S8TAVBWD"
#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define SECOND INT64_C(1000000)
#define T0     (INT64_C(1767323045) * SECOND)
#define T0_    "2026-01-02T03:04:05Z"
#define T1_    "2026-01-02T03:04:06Z"

/* Members of a plain event, to be put together: "{" ID SUBJECT TEN TIME END. */
#define ID      "\"id\":\"evt_" ULID_A "\","
#define SUBJECT "\"subject\":\"melmastoon.a.b.c.v1\","
#define TEN     "\"tenantId\":\"" TENANT "\","
#define TIME    "\"occurredAt\":\"" T0_ "\","
#define END     "\"payload\":{}}"

struct expected {
	const char *event_id, *dedupe_key, *subject, *domain, *tenant_id;
	int64_t occurred_at_us, published_at_us; /* published: 0 is EVENT_NO_TIME */
	const char *payload, *payload_key;
	const char *aggregate_type, *aggregate_id;
	int64_t aggregate_version; /* 0 is EVENT_NO_VERSION */
	int64_t schema_version;
	const char *producer, *correlation_id, *causation_id, *traceparent, *ordering_key;
	const char *retention_class, *retention_word, *data_residency;
	double sampling_rate; /* 0 is 1.0 */
};

#define CHECK_SLICE(ev, want, member)                                                       \
	ck_assert_msg(slice_eq((ev)->member, slice_of((want)->member)), #member " is %.*s", \
		      (int)(ev)->member.len, (ev)->member.ptr)

static inline void check_event(const struct event *ev, const struct expected *want)
{
	CHECK_SLICE(ev, want, event_id);
	if (want->dedupe_key != NULL)
		CHECK_SLICE(ev, want, dedupe_key);
	CHECK_SLICE(ev, want, subject);
	CHECK_SLICE(ev, want, domain);
	CHECK_SLICE(ev, want, tenant_id);
	ck_assert_int_eq(ev->occurred_at_us, want->occurred_at_us);
	ck_assert_int_eq(ev->published_at_us,
			 want->published_at_us != 0 ? want->published_at_us : EVENT_NO_TIME);
	CHECK_SLICE(ev, want, payload);
	ck_assert_pstr_eq(ev->payload_key, want->payload_key);
	CHECK_SLICE(ev, want, aggregate_type);
	CHECK_SLICE(ev, want, aggregate_id);
	ck_assert_int_eq(ev->aggregate_version,
			 want->aggregate_version != 0 ? want->aggregate_version : EVENT_NO_VERSION);
	ck_assert_int_eq(ev->schema_version, want->schema_version);
	CHECK_SLICE(ev, want, producer);
	CHECK_SLICE(ev, want, correlation_id);
	CHECK_SLICE(ev, want, causation_id);
	CHECK_SLICE(ev, want, traceparent);
	CHECK_SLICE(ev, want, ordering_key);
	CHECK_SLICE(ev, want, retention_class);
	CHECK_SLICE(ev, want, retention_word);
	CHECK_SLICE(ev, want, data_residency);
	ck_assert_double_eq(ev->sampling_rate, want->sampling_rate > 0 ? want->sampling_rate : 1);
}

#endif
