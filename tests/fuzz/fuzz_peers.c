/*
 * zframes, peers: frames of any number and length (each byte of the first line is one's length),
 * and a list of clients (the rest).
 */
#include "common/net/zsock.h"
#include "ingestd/door/peers.h"
#include "ingestd/door/zframes.h"
#include "ingestd/reading/ident.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frames(const uint8_t *lengths, size_t n)
{
	static const char bytes[256];
	struct slice frames[256], message = {NULL, 0};
	const char *wrong;
	size_t address = 0;

	if (n == 0)
		return;
	n = n < 256 ? n : 256;
	for (size_t i = 0; i < n; i++)
		frames[i] = (struct slice){bytes, lengths[i]};
	wrong = zframes_split(frames, n, &address, &message);
	ASSERT(address >= 1 && address <= ZFRAMES_ADDRESS_MAX && address <= n);
	if (wrong != NULL)
		return;
	ASSERT(n == address + 1 && message.len > 0);
	for (size_t i = 1; i + 1 < address; i++)
		ASSERT(frames[i].len > 0);
	ASSERT(address == 1 || frames[address - 1].len == 0);
}

static void check_list(const char *text)
{
	struct peers *p;
	struct err e = ERR_INIT;

	if (peers_parse(text, &p, &e) < 0) {
		ASSERT(e.msg[0] != '\0');
		return;
	}
	ASSERT(peers_find(p, "") == NULL);
	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		char key[ZSOCK_KEY_LEN + 1];
		const struct caller_tenants *t;

		line += strspn(line, "\n \t\r");
		(void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(line, " \t\r\n"), line);
		t = zsock_key_valid(key) && key[0] != '#' ? peers_find(p, key) : NULL;
		for (size_t i = 0; t != NULL && i < t->n; i++)
			ASSERT(t->limited && ident_is_tenant(slice_of(t->ids[i])));
	}
	peers_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *eol = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t first = eol != NULL ? (size_t)(eol - data) : size;
	char *list;

	check_frames(data, first);
	if (eol == NULL)
		return 0;
	list = strndup((const char *)eol + 1, size - first - 1);
	check_list(list);
	free(list);
	return 0;
}
