/* Identifier table and its reading; see ident.h. */
#include "ingestd/reading/ident.h"

static const struct {
	struct slice seen;
	const char *canonical;
} prefixes[] = {
	{SLICE_INIT("t"), "tnt"},          /* tenant */
	{SLICE_INIT("ten"), "tnt"},        /* the same */
	{SLICE_INIT("prp"), "ppt"},        /* property */
	{SLICE_INIT("prop"), "ppt"},       /* the same */
	{SLICE_INIT("pty"), "ppt"},        /* the same */
	{SLICE_INIT("rom"), "rmu"},        /* room */
	{SLICE_INIT("rty"), "rmt"},        /* room type */
	{SLICE_INIT("res"), "rsv"},        /* reservation */
	{SLICE_INIT("tnt_session"), NULL}, /* a booking session: left alone */
};

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Crockford's base 32 has no I, L, O and U. */
static bool is_ulid_char(char c)
{
	char lower = (char)(c | 0x20);

	if (!is_lower(lower))
		return is_digit(c);
	return lower != 'i' && lower != 'l' && lower != 'o' && lower != 'u';
}

bool ident_shaped(struct slice s)
{
	size_t prefix;

	if (s.len < 1 + 1 + ULID_LEN || !is_lower(s.ptr[0]))
		return false;
	prefix = s.len - ULID_LEN - 1;
	if (s.ptr[prefix] != '_')
		return false;
	for (size_t i = 1; i < prefix; i++)
		if (!is_lower(s.ptr[i]) && !is_digit(s.ptr[i]) && s.ptr[i] != '_')
			return false;
	for (size_t i = prefix + 1; i < s.len; i++)
		if (!is_ulid_char(s.ptr[i]))
			return false;
	return true;
}

struct slice ident_canonical(struct slice s, char out[IDENT_MAX])
{
	struct slice prefix;

	if (!ident_shaped(s))
		return s;
	prefix = (struct slice){s.ptr, s.len - ULID_LEN - 1};
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!slice_eq(prefix, prefixes[i].seen))
			continue;
		if (prefixes[i].canonical == NULL)
			return s;
		prefix = slice_of(prefixes[i].canonical);
		break;
	}
	if (prefix.len + 1 + ULID_LEN + 1 > IDENT_MAX)
		return s;
	memcpy(out, prefix.ptr, prefix.len);
	out[prefix.len] = '_';
	ulid_canonical((struct slice){s.ptr + s.len - ULID_LEN, ULID_LEN}, out + prefix.len + 1);
	return (struct slice){out, prefix.len + 1 + ULID_LEN};
}

bool ident_is_tenant(struct slice s)
{
	if (s.len != 4 + ULID_LEN || !slice_starts(s, "tnt_"))
		return false;
	for (size_t i = 4; i < s.len; i++)
		if (!is_ulid_char(s.ptr[i]) || is_lower(s.ptr[i]))
			return false;
	return true;
}

struct slice ident_event_key(struct slice id, char out[ULID_LEN + 1])
{
	struct slice ulid = id;

	if (slice_starts(id, "evt_"))
		ulid = (struct slice){id.ptr + 4, id.len - 4};
	if (!ulid_valid(ulid))
		return id;
	ulid_canonical(ulid, out);
	return (struct slice){out, ULID_LEN};
}
