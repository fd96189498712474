/*
 * The CURVE clients of the ZeroMQ door: a line each of `events_clients_file`, its public key in Z85
 * and the tenants it may send for (none named: all). '#' begins a comment.
 *
 *	rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7	tnt_01HZ0000000000000000000001
 */
#ifndef INGESTD_PEERS_H
#define INGESTD_PEERS_H

#include "common/base/err.h"
#include "ingestd/door/callers.h"

struct peers;

/* -EINVAL with the line at fault. */
int peers_parse(const char *text, struct peers **ret, struct err *e) MUST_CHECK;
void peers_free(struct peers *p); /* NULL is fine */
/* NULL: nobody we know. */
const struct caller_tenants *peers_find(const struct peers *p, const char *public_key);

#endif
