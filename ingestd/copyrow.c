/* Binary COPY encoding; see copyrow.h. */
#include "ingestd/copyrow.h"

/* 2000-01-01 UTC, where Postgres counts from. */
#define POSTGRES_EPOCH_US 946684800000000

void copyrow_header(struct strbuf *b)
{
	static const char signature[11] = "PGCOPY\n\377\r\n";

	strbuf_append(b, signature, sizeof(signature));
	strbuf_append_be32(b, 0); /* flags */
	strbuf_append_be32(b, 0); /* length of the header extension */
}

void copyrow_trailer(struct strbuf *b)
{
	strbuf_append_be16(b, UINT16_MAX);
}

void copyrow_tuple(struct strbuf *b, int nfields)
{
	strbuf_append_be16(b, (uint16_t)nfields);
}

void copyrow_null(struct strbuf *b)
{
	strbuf_append_be32(b, UINT32_MAX);
}

void copyrow_text(struct strbuf *b, struct slice s)
{
	ASSERT(s.len <= INT32_MAX);
	strbuf_append_be32(b, (uint32_t)s.len);
	strbuf_append_slice(b, s);
}

void copyrow_text_or_null(struct strbuf *b, struct slice s)
{
	if (s.len == 0)
		copyrow_null(b);
	else
		copyrow_text(b, s);
}

void copyrow_i16(struct strbuf *b, int16_t v)
{
	strbuf_append_be32(b, sizeof(v));
	strbuf_append_be16(b, (uint16_t)v);
}

void copyrow_i32(struct strbuf *b, int32_t v)
{
	strbuf_append_be32(b, sizeof(v));
	strbuf_append_be32(b, (uint32_t)v);
}

void copyrow_i64(struct strbuf *b, int64_t v)
{
	strbuf_append_be32(b, sizeof(v));
	strbuf_append_be64(b, (uint64_t)v);
}

void copyrow_float(struct strbuf *b, float v)
{
	uint32_t bits;

	_Static_assert(sizeof(bits) == sizeof(v), "float is not 32 bits");
	memcpy(&bits, &v, sizeof(bits));
	strbuf_append_be32(b, sizeof(bits));
	strbuf_append_be32(b, bits);
}

void copyrow_timestamp(struct strbuf *b, int64_t unix_us)
{
	copyrow_i64(b, unix_us - POSTGRES_EPOCH_US);
}
