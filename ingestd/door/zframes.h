/*
 * The frames of a message as a ROUTER reads it: the client's name, whatever the client put in front
 * of an empty frame (REQ: nothing; DEALER: maybe a request id), and one frame that is the message.
 * A DEALER may leave the empty frame out; then the message follows the name. Pure.
 */
#ifndef INGESTD_ZFRAMES_H
#define INGESTD_ZFRAMES_H

#include "common/base/base.h"

#define ZFRAMES_ADDRESS_MAX 8

/* NULL, with how many frames are the way back (1 to ZFRAMES_ADDRESS_MAX) and the message; or what
 * is wrong, in a sentence, with the frames to say it to. n is 1 at least. */
const char *zframes_split(const struct slice *frames, size_t n, size_t *ret_address,
			  struct slice *ret_message) MUST_CHECK;

#endif
