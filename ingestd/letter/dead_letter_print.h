/* Dead letters for people (a table, a list of fields) and for programs (a JSON object a line). */
#ifndef INGESTD_DEAD_LETTER_PRINT_H
#define INGESTD_DEAD_LETTER_PRINT_H

#include "common/base/strbuf.h"
#include "common/pg/pgconn.h"

/* Rows of list_dead_letters.sql. */
void dead_letter_print_list(const struct pgresult *r, bool json, struct strbuf *out);
/* The row of read_dead_letter.sql; its bytes as text when they are UTF-8, else as base64. */
void dead_letter_print_one(const struct pgresult *r, bool json, struct strbuf *out);
/* Its bytes as they are. */
void dead_letter_print_bytes(const struct pgresult *r, struct strbuf *out);

/* What became of one letter; `place` may be "". */
void dead_letter_print_outcome(const char *id, const char *reason, const char *outcome,
			       const char *place, bool json, struct strbuf *out);

/* The bytes of a column in base64, appended. */
void dead_letter_bytes(struct slice base64, struct strbuf *out);

#endif
