/* Binary COPY encoding; see copyrow.h. */
#include "ingestd/landing/copyrow.h"

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

static void put_be(char *p, uint64_t v, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (char)(v >> (8 * (size - 1 - i)));
}

/* One field: its length and its bytes, which the caller fills. */
static char *field(struct strbuf *b, size_t len)
{
	char *p = strbuf_extend(b, sizeof(uint32_t) + len);

	if (p == NULL)
		return NULL;
	put_be(p, len, sizeof(uint32_t));
	return p + sizeof(uint32_t);
}

static void integer(struct strbuf *b, uint64_t v, size_t size)
{
	char *p = field(b, size);

	if (p != NULL)
		put_be(p, v, size);
}

void copyrow_null(struct strbuf *b)
{
	strbuf_append(b, "\377\377\377\377", 4);
}

void copyrow_text(struct strbuf *b, struct slice s)
{
	char *p;

	ASSERT(s.len <= INT32_MAX);
	p = field(b, s.len);
	if (p != NULL && s.len > 0)
		memcpy(p, s.ptr, s.len);
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
	integer(b, (uint16_t)v, sizeof(v));
}

void copyrow_i32(struct strbuf *b, int32_t v)
{
	integer(b, (uint32_t)v, sizeof(v));
}

void copyrow_i64(struct strbuf *b, int64_t v)
{
	integer(b, (uint64_t)v, sizeof(v));
}

void copyrow_float(struct strbuf *b, float v)
{
	uint32_t bits;

	_Static_assert(sizeof(bits) == sizeof(v), "float is not 32 bits");
	memcpy(&bits, &v, sizeof(bits));
	integer(b, bits, sizeof(bits));
}

void copyrow_timestamp(struct strbuf *b, int64_t unix_us)
{
	copyrow_i64(b, unix_us - POSTGRES_EPOCH_US);
}
