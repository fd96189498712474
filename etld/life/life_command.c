/*
 * `etld purge --tenant T` forgets a deleted tenant now, by hand; `etld purge verify RECORD` checks
 * the signature of a record and counts again what there is of its tenant, or of the guest that it
 * is about. Exit 65: the tenant is not deleted, or the record is not what it says.
 */
#include <errno.h>

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "etld/etld.h"
#include "etld/life/life.h"
#include "sql_gen.h"

#define STATEMENT_LIMIT_MS 60000
#define WAIT_MS            1000
#define KEYS_A_LOOK        "20000"

static struct {
	struct etld *etld;
	struct errand_env env;
	struct daemon_timer *again;
	/* a purge */
	struct job job;
	void *errand;
	/* a record that is verified */
	char *record_id, *tenant_id, *job_id, *counts, *control, *key_id, *walked_to;
	bool signature_holds, of_guest;
	int64_t bare, redacted;
} command;

static void quit(enum daemon_exit code)
{
	daemon_quit(command.etld->daemon, code);
}

static void print(struct strbuf *out)
{
	strbuf_append_char(out, '\n');
	(void)fwrite(strbuf_cstr(out), 1, out->len, stdout);
	(void)fflush(stdout);
	strbuf_clear(out);
}

/* ---- purge --tenant */

static void portion(void *arg);

static void on_portion(void *arg, enum errand_outcome outcome, enum job_reason reason,
		       const char *why)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	(void)arg;
	(void)reason;
	if (outcome == ERRAND_FAILED) {
		log_error("not purged", LOG_S("error", why));
		quit(DAEMON_DATA);
	} else if (outcome == ERRAND_DONE) {
		jw_init(&w, &out);
		jw_object(&w);
		jw_key(&w, "recordId");
		jw_str(&w, life_record_id(command.errand));
		jw_end(&w);
		print(&out);
		quit(DAEMON_OK);
	} else {
		daemon_timer_arm(command.again, outcome == ERRAND_WAIT ? WAIT_MS : 0);
	}
}

static void portion(void *arg)
{
	(void)arg;
	errand_purge.portion(command.errand, on_portion, NULL);
}

static void start_purge(const char *tenant)
{
	command.job.claim[CLAIM_ID] = xstrdup("");
	command.job.claim[CLAIM_PARAMS] = xstrdup("{}");
	command.job.claim[CLAIM_TENANT] = xstrdup(tenant);
	command.errand = errand_purge.begin(&command.env, &command.job);
	command.again = daemon_timer_new(command.etld->daemon, 0, 0, portion, NULL);
}

/* ---- purge verify */

static bool failed(const struct err *e)
{
	if (e == NULL)
		return false;
	if (e->code != -ECANCELED) {
		log_error("cannot verify", LOG_S("error", e->msg));
		quit(DAEMON_TEMPORARY);
	}
	return true;
}

/* counts NULL: the record is of a release that kept nothing to look for the guest with. */
static void report(void)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	bool looked = command.counts != NULL;
	bool gone = looked && strcmp(command.counts, "{}") == 0 &&
		    strcmp(command.control, "{}") == 0 && command.bare == 0;

	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "recordId");
	jw_str(&w, command.record_id);
	jw_key(&w, "tenantId");
	jw_str(&w, command.tenant_id);
	jw_key(&w, "keyId");
	jw_str(&w, command.key_id);
	jw_key(&w, "signatureHolds");
	jw_bool(&w, command.signature_holds);
	jw_key(&w, "gone");
	if (looked)
		jw_bool(&w, gone);
	else
		jw_null(&w);
	jw_key(&w, "warehouse");
	jw_raw(&w, slice_of(looked ? command.counts : "null"));
	jw_key(&w, "control");
	jw_raw(&w, slice_of(command.control));
	jw_key(&w, "rawBare");
	jw_i64(&w, command.bare);
	jw_key(&w, "rawRedacted");
	jw_i64(&w, command.redacted);
	jw_end(&w);
	print(&out);
	quit(command.signature_holds && (gone || !looked) ? DAEMON_OK : DAEMON_DATA);
}

static void count_raw(void);

/* One row: (last_key, reached_end, bare, redacted). */
static void on_raw(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (failed(e))
		return;
	command.bare += pgresult_i64(r, 0, 0, 2);
	command.redacted += pgresult_i64(r, 0, 0, 3);
	if (pgresult_bool(r, 0, 0, 1)) {
		report();
		return;
	}
	free(command.walked_to);
	command.walked_to = xstrdup(pgresult_text(r, 0, 0, 0));
	count_raw();
}

static void count_raw(void)
{
	const char *params[] = {command.of_guest ? command.record_id : command.tenant_id,
				command.walked_to, KEYS_A_LOOK};

	pgpool_exec(command.env.warehouse, NULL,
		    command.of_guest ? &SQL_etld_count_guest_raw : &SQL_etld_count_raw, params,
		    STATEMENT_LIMIT_MS, on_raw, NULL);
}

static void on_control(void *arg, const struct pgresult *r, const struct err *e)
{
	(void)arg;
	if (failed(e))
		return;
	command.control = xstrdup(pgresult_text(r, 0, 0, 0));
	count_raw();
}

/* A guest is in the warehouse only; the control database has users. */
static void on_record(void *arg, const struct pgresult *r, const struct err *e)
{
	unsigned char signature[SIGN_LEN + 3];
	size_t len;
	const char *params[2], *counts;

	(void)arg;
	if (failed(e))
		return;
	if (pgresult_rows(r, 0) == 0) {
		log_error("there is no such signed record", LOG_S("record_id", command.record_id));
		quit(DAEMON_DATA);
		return;
	}
	command.tenant_id = xstrdup(pgresult_text(r, 0, 0, 1));
	command.job_id = xstrdup(pgresult_text(r, 0, 0, 2));
	command.key_id = xstrdup(pgresult_text(r, 0, 0, 4));
	command.signature_holds = strcmp(command.key_id, signer_key_id(command.env.signer)) == 0 &&
				  strlen(pgresult_text(r, 0, 0, 5)) == SIGN_TEXT_LEN &&
				  hash_base64url_decode(slice_of(pgresult_text(r, 0, 0, 5)),
							signature, &len) == 0 &&
				  signer_holds(command.env.signer,
					       slice_of(pgresult_text(r, 0, 0, 3)), signature);
	command.of_guest = strcmp(pgresult_text(r, 0, 0, 0), "tenant") != 0;
	counts = pgresult_text(r, 0, 0, 6);
	command.counts = counts != NULL ? xstrdup(counts) : NULL;
	if (command.of_guest) {
		command.control = xstrdup("{}");
		if (counts != NULL)
			count_raw();
		else
			report();
		return;
	}
	params[0] = command.tenant_id;
	params[1] = command.job_id;
	pgpool_exec(command.env.control, NULL, &SQL_etld_count_tenant, params, STATEMENT_LIMIT_MS,
		    on_control, NULL);
}

static void start_verify(const char *record_id)
{
	command.record_id = xstrdup(record_id);
	command.walked_to = xstrdup("");
	pgpool_exec(command.env.warehouse, NULL, &SQL_etld_read_purge, &record_id,
		    STATEMENT_LIMIT_MS, on_record, NULL);
}

/* ---- both */

int etld_purge_start(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	struct etld *st = state;
	bool purge = argc == 2 && strcmp(argv[0], "--tenant") == 0;
	int r;

	if (!purge && (argc != 2 || strcmp(argv[0], "verify") != 0))
		return err_set(e, -EINVAL, "purge: say `--tenant TENANT` or `verify RECORD`");
	command.etld = st;
	st->daemon = d;
	r = etld_open_signer(st, e);
	if (r == 0 && !purge && st->signer == NULL)
		r = err_set(e, -EINVAL, "purge verify: purge_key_file is not set");
	if (r == 0 && purge)
		r = etld_open_redis(st, e);
	if (r < 0)
		return r;
	st->warehouse = etld_open_one_shot(d, "warehouse", "etld purge");
	st->control = etld_open_one_shot(d, "control", "etld purge");
	command.env = (struct errand_env){d,         st->control, st->warehouse,
					  st->redis, st->signer,  NULL};
	if (purge)
		start_purge(argv[1]);
	else
		start_verify(argv[1]);
	return 0;
}

void etld_purge_stop(void)
{
	if (command.etld == NULL)
		return;
	daemon_timer_free(command.again);
	if (command.errand != NULL)
		errand_purge.end(command.errand);
	job_forget(&command.job);
	free(command.record_id);
	free(command.tenant_id);
	free(command.job_id);
	free(command.counts);
	free(command.control);
	free(command.key_id);
	free(command.walked_to);
}
