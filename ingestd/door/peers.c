/* The list of CURVE clients; see peers.h. */
#include "ingestd/door/peers.h"

#include <errno.h>

#include "common/base/arena.h"
#include "common/base/xalloc.h"
#include "common/net/zsock.h"
#include "ingestd/reading/ident.h"

#define SPACE " \t\r"

struct peer {
	struct peer *next;
	char *key;
	struct caller_tenants tenants;
};

struct peers {
	struct arena *arena; /* holds them */
	struct peer *first;
};

/* The next word of a line, which it is taken off; empty at the end. */
static struct slice next_word(struct slice *line)
{
	struct slice word;

	while (line->len > 0 && strchr(SPACE, line->ptr[0]) != NULL) {
		line->ptr++;
		line->len--;
	}
	word = (struct slice){line->ptr, 0};
	while (word.len < line->len && strchr(SPACE, line->ptr[word.len]) == NULL)
		word.len++;
	line->ptr += word.len;
	line->len -= word.len;
	return word;
}

/* A key may contain '#', but not begin with it: Z85's highest digit would be too large there. */
static bool is_comment(struct slice word)
{
	return word.len > 0 && word.ptr[0] == '#';
}

static int add_peer(struct peers *p, struct slice line, struct err *e)
{
	struct slice word = next_word(&line);
	struct peer *peer;

	if (word.len == 0 || is_comment(word))
		return 0;
	peer = arena_alloc(p->arena, sizeof(*peer));
	peer->key = arena_strndup(p->arena, word.ptr, word.len);
	if (!zsock_key_valid(peer->key))
		return err_set(e, -EINVAL, "not a CURVE public key (%d characters of Z85)",
			       ZSOCK_KEY_LEN);
	if (peers_find(p, peer->key) != NULL)
		return err_set(e, -EINVAL, "this key was there before");
	peer->tenants.ids = arena_alloc(p->arena, (line.len / 2 + 1) * sizeof(char *));
	while ((word = next_word(&line)).len > 0 && !is_comment(word)) {
		if (!ident_is_tenant(word))
			return err_set(e, -EINVAL, "not a tenant id: \"%.*s\"", (int)word.len,
				       word.ptr);
		peer->tenants.limited = true;
		peer->tenants.ids[peer->tenants.n++] = arena_strndup(p->arena, word.ptr, word.len);
	}
	peer->next = p->first;
	p->first = peer;
	return 0;
}

int peers_parse(const char *text, struct peers **ret, struct err *e)
{
	struct peers *p = xcalloc(1, sizeof(*p));
	int r = 0;

	p->arena = arena_new();
	for (size_t number = 1; r == 0 && *text != '\0'; number++) {
		size_t len = strcspn(text, "\n");

		r = add_peer(p, (struct slice){text, len}, e);
		if (r < 0)
			(void)err_wrap(e, r, "line %zu", number);
		text += len + (text[len] != '\0');
	}
	if (r == 0 && p->first == NULL)
		r = err_set(e, -EINVAL, "no client is listed");
	if (r < 0)
		peers_free(p);
	else
		*ret = p;
	return r;
}

void peers_free(struct peers *p)
{
	if (p == NULL)
		return;
	arena_free(p->arena);
	free(p);
}

const struct caller_tenants *peers_find(const struct peers *p, const char *public_key)
{
	for (const struct peer *peer = p->first; peer != NULL; peer = peer->next)
		if (strcmp(peer->key, public_key) == 0)
			return &peer->tenants;
	return NULL;
}
