/* The end of jobs, and those in flight; see job.h. */
#include "queryd/compute/job.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"

/* How old a running job may be for one that does not know the data's version to wait for it. */
#define SHARE_UNSURE_MS 500

/* ---- the end of a job */

void job_free(struct compute_job *j)
{
	daemon_timer_free(j->pause);
	metric_set_unref(j->platform);
	metric_set_unref(j->own);
	arena_free(j->arena);
	j->magic = 0;
	free(j);
}

void job_end(struct compute_job *j, const struct compute_outcome *o)
{
	if (j->fn != NULL)
		j->fn(j->arg, o);
	if (j->starting)
		j->ended = true;
	else
		job_free(j);
}

void job_end_problem(struct compute_job *j, enum problem_code code, const char *detail)
{
	job_end(j, &(struct compute_outcome){.code = code, .detail = detail});
}

static void end_answer(struct compute_job *j, const struct answer *found)
{
	struct answer a = *found;

	a.key = j->key;
	a.quality = j->quality;
	a.partial = j->partial;
	metric_add(metrics_with(j->compute->outcomes, (const char *const[]){a.cache}), 1);
	job_end(j, &(struct compute_outcome){.answer = &a});
}

void job_end_all(struct compute_job *j, const struct answer *a, enum problem_code code,
		 const char *detail)
{
	struct compute_job *k;

	if (j->in_flight)
		TAILQ_REMOVE(&j->compute->in_flight, j, link);
	if (a == NULL && j->lease[0] != '\0') /* what others wait for will not come */
		cache_let_go(j->compute->st->cache, &j->name, j->versions, j->lease);
	while ((k = TAILQ_FIRST(&j->waiters)) != NULL) {
		TAILQ_REMOVE(&j->waiters, k, link);
		if (a != NULL)
			end_answer(k, a);
		else
			job_end_problem(k, code, detail);
	}
	if (a != NULL)
		end_answer(j, a);
	else
		job_end_problem(j, code, detail);
}

/* ---- in flight */

/* A job in flight whose result is as good as j's own would be. */
static struct compute_job *find_leader(const struct compute_job *j)
{
	int64_t now_us = clock_mono_us();
	struct compute_job *k;

	TAILQ_FOREACH (k, &j->compute->in_flight, link) {
		bool young = now_us - k->started_mono_us < SHARE_UNSURE_MS * 1000;

		if (!k->given_up && strcmp(k->key, j->key) == 0 &&
		    strcmp(k->versions, j->versions) == 0 && (j->versions[0] != '\0' || young))
			return k;
	}
	return NULL;
}

bool job_awaited(const struct compute_job *leader)
{
	return leader->fn != NULL || !TAILQ_EMPTY(&leader->waiters);
}

void job_fly(struct compute_job *j)
{
	if (j->in_flight)
		return;
	j->in_flight = true;
	j->started_mono_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&j->compute->in_flight, j, link);
}

bool job_follow(struct compute_job *j)
{
	struct compute_job *leader = j->in_flight ? NULL : find_leader(j);

	if (leader == NULL)
		return false;
	j->leader = leader;
	j->started_mono_us = clock_mono_us();
	TAILQ_INSERT_TAIL(&leader->waiters, j, link);
	if (j->lease[0] != '\0') /* the leader had none, or lost it */
		memcpy(leader->lease, j->lease, sizeof(j->lease));
	return true;
}

void job_renew_leases(void *arg)
{
	struct compute *c = arg;
	const struct compute_job *j;
	bool any = false;

	TAILQ_FOREACH (j, &c->in_flight, link) {
		if (j->lease[0] == '\0')
			continue;
		any = true;
		cache_extend(c->st->cache, &j->name, j->versions, j->lease);
	}
	c->renewing = any;
	if (any)
		daemon_timer_arm(c->renew, CACHE_LEASE_MS / 3);
}

void job_keep_lease(struct compute_job *j)
{
	struct compute *c = j->compute;

	if (j->lease[0] == '\0' || c->renewing)
		return;
	c->renewing = true;
	daemon_timer_arm(c->renew, CACHE_LEASE_MS / 3);
}
