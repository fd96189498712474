/*
 * L2, private to httpd.c: the listening socket. When accept(2) fails for want of descriptors it
 * pauses, because the waiting connection would wake the loop again at once, and for ever.
 */
#ifndef COMMON_HTTPD_LISTENER_H
#define COMMON_HTTPD_LISTENER_H

#include "common/base/err.h"

struct event_base;
struct httpd_listener;

/* Resolves (blocking), binds, and gives each socket that it accepts to fn, which closes it. shared:
 * other processes of this user that say so too may listen on the same address. */
int httpd_listener_open(struct event_base *base, const char *addr, bool shared,
			void (*fn)(void *arg, int fd), void *arg, char ret_bound[64],
			struct httpd_listener **ret, struct err *e) MUST_CHECK;
void httpd_listener_close(struct httpd_listener *l);

#endif
