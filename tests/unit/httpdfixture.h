/*
 * For the tests of httpd from the outside: a server with a few routes, and raw sockets that send
 * what well-behaved and other clients send, on the loop of the server itself.
 */
#ifndef TESTS_UNIT_HTTPDFIXTURE_H
#define TESTS_UNIT_HTTPDFIXTURE_H

#include "common/http/httpd.h"
#include "tests/unit/loop.h"

#define HOST "Host: h\r\n"

extern struct event_base *web_base;
extern struct httpd *web_server;
extern uint16_t web_port;
extern const struct httpd_limits usual;

/* ---- the server: /hello, /items/{id}, /big, /nothing, /fail, /later */

void fixture_start(const struct httpd_limits *limits);
void fixture_setup(void); /* with the usual limits */
void fixture_teardown(void);

/* What the handler of /later keeps: with ?watch it hears when the client leaves. */
struct later {
	struct httpd_request *request;
	int gone;
	bool answer_when_gone;
};

extern struct later later;

bool later_open(void *arg);
bool later_gone(void *arg);
void reply_later(const char *text);

/* ---- clients */

struct peer {
	int fd;
	struct strbuf in;  /* not yet understood */
	struct strbuf out; /* the last response, whole */
	bool bodyless;     /* the request was HEAD */
	bool ended;        /* end of file or reset */
};

struct peer peer_open(void);
void peer_close(struct peer *p);
void peer_send(struct peer *p, const char *text);
void peer_read(struct peer *p);
bool peer_answered(void *arg);
bool peer_ended(void *arg);
/* The next response, whole; valid until the one after it. */
const char *peer_answer(struct peer *p);
const char *peer_ask(struct peer *p, const char *request);

/* Sends zeros, as many as the socket takes; true when none are left. */
struct flood {
	struct peer *p;
	size_t left, sent;
};

bool flooded(void *arg);

#define assert_has(text, part)                                                         \
	do {                                                                           \
		const char *t_ = (text);                                               \
		ck_assert_msg(strstr(t_, (part)) != NULL, "no %s in: %s", (part), t_); \
	} while (0)

void assert_problem(const char *response, int status, const char *code);

#endif
