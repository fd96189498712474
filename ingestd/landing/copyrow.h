/*
 * Rows in Postgres' binary COPY format: a header, tuples of length-prefixed fields, a trailer. The
 * column order of each table is that of the statement that feeds it (sql/…/ingestd/land_batch.sql).
 */
#ifndef INGESTD_COPYROW_H
#define INGESTD_COPYROW_H

#include "common/base/strbuf.h"

void copyrow_header(struct strbuf *b);
void copyrow_trailer(struct strbuf *b);
void copyrow_tuple(struct strbuf *b, int nfields);

void copyrow_null(struct strbuf *b);
void copyrow_text(struct strbuf *b, struct slice s);         /* also bytea */
void copyrow_text_or_null(struct strbuf *b, struct slice s); /* empty: null */
void copyrow_i16(struct strbuf *b, int16_t v);
void copyrow_i32(struct strbuf *b, int32_t v);
void copyrow_i64(struct strbuf *b, int64_t v);
void copyrow_float(struct strbuf *b, float v);
void copyrow_timestamp(struct strbuf *b, int64_t unix_us);

#endif
