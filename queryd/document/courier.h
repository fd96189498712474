/*
 * Carries events from the control database, where the change they tell about was made, to the
 * warehouse's outbox, from which they are sent; and removes idempotency keys that are over.
 *
 * The two may be different databases, so no transaction spans them. An event is inserted there,
 * under its id, then removed here: a crash in between, or a second queryd, repeats an insert that
 * does nothing. Nothing is lost, nothing is there twice, and events of one dashboard keep their
 * order, since changes to it wait for each other.
 */
#ifndef QUERYD_DOCUMENT_COURIER_H
#define QUERYD_DOCUMENT_COURIER_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct courier;

struct courier *courier_new(struct daemon *d, struct pgpool *control,
			    struct pgpool *warehouse) MUST_CHECK;
void courier_wake(struct courier *c); /* something was queued */
void courier_stop(struct courier *c);
void courier_free(struct courier *c); /* after its pools are gone; NULL is fine for all three */

#endif
