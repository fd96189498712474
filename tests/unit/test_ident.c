/* ident and fold: every row of the tables, and what they must leave alone. */
#include "tests/unit/unit.h"

#include "ingestd/reading/fold.h"
#include "ingestd/reading/ident.h"

#define U "01HZX3M5K7N9P2Q4R6S8TAVBWC"
#define L "01hzx3m5k7n9p2q4r6s8tavbwc"

static const struct {
	const char *seen, *canonical;
} idents[] = {
	{"tnt_" U, "tnt_" U},
	{"t_" U, "tnt_" U},
	{"ten_" U, "tnt_" U},
	{"ppt_" U, "ppt_" U},
	{"prp_" U, "ppt_" U},
	{"prop_" U, "ppt_" U},
	{"pty_" U, "ppt_" U},
	{"rom_" U, "rmu_" U},
	{"rty_" U, "rmt_" U},
	{"res_" U, "rsv_" U},
	/* the ULID in upper case, whatever the prefix */
	{"tnt_" L, "tnt_" U},
	{"t_" L, "tnt_" U},
	{"gst_" L, "gst_" U},
	{"inv_doc_" L, "inv_doc_" U},
	{"t_01HZX3M5K7n9p2q4r6s8tavbwc", "tnt_" U},
	/* left alone */
	{"", ""},
	{"t_", "t_"},
	{U, U},
	{L, L},
	{"_" L, "_" L},
	{"tnt-" L, "tnt-" L},
	{"TNT_" L, "TNT_" L},
	{"T_" L, "T_" L},
	{"tnt_session_" U, "tnt_session_" U},
	{"tnt_session_" L, "tnt_session_" L},
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBW", "t_01HZX3M5K7N9P2Q4R6S8TAVBW"},     /* 25 */
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBWC0", "t_01HZX3M5K7N9P2Q4R6S8TAVBWC0"}, /* 27 */
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBWI", "t_01HZX3M5K7N9P2Q4R6S8TAVBWI"},   /* I L O U */
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBWl", "t_01HZX3M5K7N9P2Q4R6S8TAVBWl"},
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBWo", "t_01HZX3M5K7N9P2Q4R6S8TAVBWo"},
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBWU", "t_01HZX3M5K7N9P2Q4R6S8TAVBWU"},
	{"t_01HZX3M5K7N9P2Q4R6S8TAVBW-", "t_01HZX3M5K7N9P2Q4R6S8TAVBW-"},
	{"t_" U " ", "t_" U " "},
	{"tnt_550e8400-e29b-41d4-a716-446655440000", "tnt_550e8400-e29b-41d4-a716-446655440000"},
	{"a_prefix_that_is_far_too_long_for_anything_" L,
	 "a_prefix_that_is_far_too_long_for_anything_" L},
};

START_TEST(test_canonical)
{
	char out[IDENT_MAX];
	struct slice s = ident_canonical(slice_of(idents[_i].seen), out);

	ck_assert_msg(slice_eq_str(s, idents[_i].canonical), "%s -> %.*s", idents[_i].seen,
		      (int)s.len, s.ptr);
	/* what is canonical stays so */
	ck_assert(slice_eq_str(ident_canonical(slice_of(idents[_i].canonical), out),
			       idents[_i].canonical));
}
END_TEST

static const struct {
	const char *text;
	bool tenant, shaped;
} shapes[] = {
	{"tnt_" U, true, true},
	{"tnt_9ZZZZZZZZZZZZZZZZZZZZZZZZZ", true, true},
	{"tnt_" L, false, true},
	{"t_" U, false, true},
	{"pay_" U, false, true},
	{"tnt_session_" U, false, true},
	{"tnt_" U "0", false, false},
	{"tnt_01HZX3M5K7N9P2Q4R6S8TAVBWI", false, false},
	{"_platform", false, false},
	{U, false, false},
	{"", false, false},
	{"tnt_", false, false},
	{"tnt_01HZX3M5K7N9P2Q4R6S8TAV\"--", false, false},
};

START_TEST(test_shapes)
{
	struct slice s = slice_of(shapes[_i].text);

	ck_assert(ident_is_tenant(s) == shapes[_i].tenant);
	ck_assert(ident_shaped(s) == shapes[_i].shaped);
}
END_TEST

static const struct {
	const char *id, *key;
} keys[] = {
	{"evt_" U, U},
	{"evt_" L, U},
	{U, U},
	{L, U},
	{"evt_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
	{"evt_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "evt_8ZZZZZZZZZZZZZZZZZZZZZZZZZ"}, /* no ULID */
	{"evt_abc", "evt_abc"},
	{"evt_evt_" U, "evt_evt_" U},
	{"EVT_" U, "EVT_" U},
	{"cor_" U, "cor_" U},
	{"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"},
	{"2070443601311540", "2070443601311540"},
	{"evt_", "evt_"},
};

START_TEST(test_event_key)
{
	char out[ULID_LEN + 1];

	ck_assert(slice_eq_str(ident_event_key(slice_of(keys[_i].id), out), keys[_i].key));
}
END_TEST

static const struct {
	const char *word, *folded;
} retentions[] = {
	{"operational", "operational"},
	{"operational_2y", "operational"},
	{"operational_7y", "operational"},
	{"standard", "operational"},
	{"short", "operational"},
	{"long", "operational"},
	{"regulated", "regulated"},
	{"regulatory_10y_objectlock", "regulated"},
	{"transactional", "regulated"},
	{"pii", "regulated"},
	{"audit", "audit"},
	{"security", "audit"},
	{"analytical", "analytical"},
	{"analytics", "analytical"},
	{"", "operational"},
	{"Operational", "regulated"},
	{"whatever", "regulated"},
};

START_TEST(test_retention)
{
	ck_assert(
		slice_eq_str(fold_retention(slice_of(retentions[_i].word)), retentions[_i].folded));
}
END_TEST

static const struct {
	const char *word, *folded;
} regions[] = {
	{"AF", "me-central1"},
	{"KSA", "me-central1"},
	{"gcp-me-central1", "me-central1"},
	{"me-central1", "me-central1"},
	{"IN", "asia-south1"},
	{"gcp-asia-south1", "asia-south1"},
	{"asia-south1", "asia-south1"},
	{"EU", "europe-west3"},
	{"gcp-europe-west3", "europe-west3"},
	{"europe-west3", "europe-west3"},
	{"gcp-europe-west4", "europe-west3"},
	{"europe-west4", "europe-west3"},
	{"", ""},
	{"af", ""},
	{"us-east1", ""},
};

START_TEST(test_residency)
{
	ck_assert(slice_eq_str(fold_residency(slice_of(regions[_i].word)), regions[_i].folded));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ident");
	TCase *tc = tcase_create("ident");

	tcase_add_loop_test(tc, test_canonical, 0, ARRAY_SIZE(idents));
	tcase_add_loop_test(tc, test_shapes, 0, ARRAY_SIZE(shapes));
	tcase_add_loop_test(tc, test_event_key, 0, ARRAY_SIZE(keys));
	tcase_add_loop_test(tc, test_retention, 0, ARRAY_SIZE(retentions));
	tcase_add_loop_test(tc, test_residency, 0, ARRAY_SIZE(regions));
	suite_add_tcase(s, tc);
	return unit_main(s);
}
