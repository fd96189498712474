/* L1: "host:port" and "[v6]:port", as what to bind and as what was bound. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <netdb.h>

#include "common/base/err.h"

/* Addresses to bind (it may block); freed by address_free. */
int address_resolve(const char *addr, struct addrinfo **ret, struct err *e) MUST_CHECK;
void address_free(struct addrinfo *list);
/* What a bound socket is bound to. */
void address_bound(int fd, char ret_bound[64]);
/* Binds the first that can be, of which the port may be 0, for several processes that will listen
 * there (SO_REUSEPORT) and shall find the same. The socket holds the port until it is closed;
 * nobody listens on it. */
int address_reserve(const char *addr, char ret_bound[64], int *ret_fd, struct err *e) MUST_CHECK;

#endif
