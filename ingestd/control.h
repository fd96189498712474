/*
 * Events that ask for a job: a tenant that leaves or moves, a guest to be forgotten, a forecast.
 * The job is queued in the transaction that lands the event, and only when it does land: so such an
 * event always goes the careful way (land_suspects.sql), where that is known row by row, and the
 * fast way stays as it is.
 */
#ifndef INGESTD_CONTROL_H
#define INGESTD_CONTROL_H

#include "ingestd/envelope.h"

bool control_event(const struct event *ev);

#endif
