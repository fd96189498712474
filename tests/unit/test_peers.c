/* peers: the list of CURVE clients, and each way in which it can be wrong. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "ingestd/door/peers.h"

#define KEY_A  "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_B  "1#:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" /* '#' is a digit of Z85 */
#define TENANT "tnt_01HZ0000000000000000000001"

START_TEST(test_list)
{
	struct peers *p;
	struct err e = ERR_INIT;
	const struct caller_tenants *t;

	ck_assert_msg(peers_parse("# the bus\n\n " KEY_A " \t# all\r\n" KEY_B "\t" TENANT
				  " tnt_01HZ0000000000000000000002 # two\n\t\n",
				  &p, &e) == 0,
		      "%s", e.msg);
	t = peers_find(p, KEY_A);
	ck_assert_ptr_nonnull(t);
	ck_assert(caller_may_send_for(t, SLICE_LIT(TENANT)));
	ck_assert(caller_may_send_for(t, SLICE_LIT("_platform")));
	t = peers_find(p, KEY_B);
	ck_assert_ptr_nonnull(t);
	ck_assert(caller_may_send_for(t, SLICE_LIT(TENANT)));
	ck_assert(caller_may_send_for(t, SLICE_LIT("tnt_01HZ0000000000000000000002")));
	ck_assert(!caller_may_send_for(t, SLICE_LIT("tnt_01HZ0000000000000000000003")));
	ck_assert(!caller_may_send_for(t, SLICE_LIT("_platform")));
	ck_assert_ptr_null(peers_find(p, ""));
	ck_assert_ptr_null(peers_find(p, "Rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"));
	peers_free(p);
}
END_TEST

static const struct {
	const char *text, *said;
} refused[] = {
	{"", "no client is listed"},
	{"# none\n", "no client is listed"},
	{KEY_A "\nx", "line 2: not a CURVE public key"},
	{"\n" KEY_A "x", "line 2: not a CURVE public key"},
	{"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf~", "line 1: not a CURVE public key"},
	{KEY_A "\n" KEY_A, "line 2: this key was there before"},
	{KEY_A " tnt_1", "line 1: not a tenant id: \"tnt_1\""},
	{KEY_A " " TENANT " all", "line 1: not a tenant id: \"all\""},
};

START_TEST(test_refused)
{
	struct peers *p;
	struct err e = ERR_INIT;

	ck_assert_int_eq(peers_parse(refused[_i].text, &p, &e), -EINVAL);
	ck_assert_msg(strncmp(e.msg, refused[_i].said, strlen(refused[_i].said)) == 0, "%s", e.msg);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("peers");
	TCase *tc = tcase_create("peers");

	tcase_add_test(tc, test_list);
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
	suite_add_tcase(s, tc);
	return unit_main(s);
}
