/* The state of one ingestd process and the parts it is wired from; private to ingestd/. */
#ifndef INGESTD_INGESTD_H
#define INGESTD_INGESTD_H

#include "common/daemon/daemon.h"
#include "common/http/httpd.h"
#include "common/net/zsock.h"
#include "common/pg/pgpool.h"
#include "common/pg/schema.h"
#include "ingestd/config.h"
#include "ingestd/door/callers.h"
#include "ingestd/door/doors.h"
#include "ingestd/door/intake.h"
#include "ingestd/door/puller.h"
#include "ingestd/door/zdoor.h"
#include "ingestd/landing/batcher.h"
#include "ingestd/landing/shapes.h"

struct ingestd {
	struct daemon *daemon;
	struct pgpool *warehouse;
	struct zsock *hints;
	struct schema_check *schema;
	struct batcher *batcher;
	struct shapes *shapes;
	struct intake *intake;
	struct callers callers;
	struct doors doors;
	struct httpd *http;
	struct zdoor *zdoor;
	struct puller *puller;
	struct load *load;                        /* the one-shot, when it is that */
	struct dead_letter_command *dead_letters; /* the one-shot; NULL in the daemon */
	int idle;                                 /* parts that have become idle while draining */
};

/* What a door or a one-shot lands through: hints, pool, batcher, shapes, intake. */
int ingestd_open_landing(struct ingestd *st, const struct ingestd_config *conf,
			 struct err *e) MUST_CHECK;

#endif
