/* Sealing and opening cursors; see cursor.h. */
#include "queryd/compute/cursor.h"

#include <errno.h>

#include "common/base/hash.h"
#include "common/base/strbuf.h"

#define MAC_HEX 32 /* 128 bits */

static void mac_of(struct slice key, const char *context, struct slice position,
		   char out[MAC_HEX + 1])
{
	struct strbuf text = STRBUF_INIT;
	unsigned char mac[HASH_SHA256_LEN];

	/* "cursor" first: nothing else that is signed with this key begins so */
	strbuf_appendf(&text, "cursor|%zu|%s|", strlen(context), context);
	strbuf_append_slice(&text, position);
	hash_hmac_sha256(key, strbuf_slice(&text), mac);
	hash_hex(mac, MAC_HEX / 2, out);
	strbuf_clear(&text);
}

/* Covers or uncovers the position, so that it cannot be read: it may hold what counts all tenants'
 * transactions. The mac stands for context and position, so two different ones are covered
 * differently; "cover" first, for the same reason as above. */
static void cover(struct slice key, const char *mac, char *position, size_t n)
{
	unsigned char stream[HASH_SHA256_LEN];
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		if (i % sizeof(stream) == 0) {
			strbuf_reset(&text);
			strbuf_appendf(&text, "cover|%.*s|%zu", MAC_HEX, mac, i / sizeof(stream));
			hash_hmac_sha256(key, strbuf_slice(&text), stream);
		}
		position[i] = (char)((unsigned char)position[i] ^ stream[i % sizeof(stream)]);
	}
	strbuf_clear(&text);
}

const char *cursor_seal(struct slice key, const char *context, struct slice position,
			struct arena *a)
{
	char *text = arena_alloc(a, MAC_HEX + 1 + 2 * position.len + 1);
	char *covered = arena_strndup(a, position.ptr, position.len);

	mac_of(key, context, position, text);
	cover(key, text, covered, position.len);
	text[MAC_HEX] = '.';
	hash_hex((const unsigned char *)covered, position.len, text + MAC_HEX + 1);
	return text;
}

static int nibble(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int)(found - digits) : -1;
}

int cursor_open(struct slice key, const char *context, const char *cursor, struct arena *a,
		struct slice *ret)
{
	size_t len = strlen(cursor), n;
	char mac[MAC_HEX + 1], *position;

	if (len < MAC_HEX + 1 || cursor[MAC_HEX] != '.' || (len - MAC_HEX - 1) % 2 != 0)
		return -EINVAL;
	n = (len - MAC_HEX - 1) / 2;
	position = arena_alloc(a, n + 1);
	for (size_t i = 0; i < n; i++) {
		int high = nibble(cursor[MAC_HEX + 1 + 2 * i]);
		int low = nibble(cursor[MAC_HEX + 2 + 2 * i]);

		if (high < 0 || low < 0)
			return -EINVAL;
		position[i] = (char)(high << 4 | low);
	}
	cover(key, cursor, position, n);
	mac_of(key, context, (struct slice){position, n}, mac);
	if (!hash_equal_consttime(mac, cursor, MAC_HEX))
		return -EINVAL;
	*ret = (struct slice){position, n};
	return 0;
}
