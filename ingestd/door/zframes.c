/* Splitting frames; see zframes.h. */
#include "ingestd/door/zframes.h"

/* Up to the first empty frame, or the name alone. */
static size_t address_len(const struct slice *frames, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (frames[i].len == 0)
			return i + 1;
	return 1;
}

const char *zframes_split(const struct slice *frames, size_t n, size_t *ret_address,
			  struct slice *ret_message)
{
	size_t address = address_len(frames, n);

	if (address > ZFRAMES_ADDRESS_MAX) {
		*ret_address = 1;
		return "Too many frames in front of the message.";
	}
	*ret_address = address;
	if (n != address + 1 || frames[address].len == 0)
		return "Send one frame: an event, an array of events or NDJSON.";
	*ret_message = frames[address];
	return NULL;
}
