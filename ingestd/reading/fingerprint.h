/*
 * What an event is made of: the set of its members' paths with their JSON types, and a number that
 * is equal for equal sets, in every process and for ever. Order, repetition and the number of an
 * array's elements do not matter; a null is not there. Pure.
 *
 *	id string
 *	payload object
 *	payload.items array
 *	payload.items[] object
 *	payload.items[].adults number
 *
 * A key that is data rather than a name (an id, a date, a language) stands as '*', so that a map is
 * one path and nothing of a tenant's gets into the set.
 */
#ifndef INGESTD_FINGERPRINT_H
#define INGESTD_FINGERPRINT_H

#include "common/base/arena.h"

#define FINGERPRINT_PATHS_MAX 1000 /* different or not; more are left out */

/* Of a text that scan_document accepted. Returns the fingerprint; *ret_paths is the set, sorted, a
 * line each, in the arena. */
int64_t fingerprint_make(struct slice text, struct arena *arena, struct slice *ret_paths);

#endif
