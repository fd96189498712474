/* The state of one dqd process and the parts it is wired from; private to dqd/. */
#ifndef DQD_DQD_H
#define DQD_DQD_H

#include "common/daemon/daemon.h"
#include "common/http/httpd.h"
#include "common/net/zsock.h"
#include "common/pg/pgpool.h"
#include "common/pg/schema.h"
#include "dqd/config.h"
#include "dqd/inspector.h"
#include "dqd/profiler.h"

struct dqd {
	struct daemon *daemon;
	struct pgpool *control, *warehouse;
	struct zsock *bus;
	struct schema_check *control_schema, *warehouse_schema;
	bool control_ok, warehouse_ok, once;
	const char *table; /* `dqd run --table` */
	struct profiler *profiler;
	struct inspector *inspector;
	struct httpd *http;
};

#endif
