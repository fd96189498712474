/* The supervisor of serving processes; see prefork.h. */
#include "common/daemon/prefork.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/daemon/log.h"
#include "common/daemon/notify.h"
#include "common/daemon/worker.h"

#define TURN_MS        500
#define PING_MS        2000
#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 10000
#define STEADY_MS      30000 /* who served so long starts again at once */
#define KILL_AFTER_MS  5000  /* the time to drain */
#define EXIT_UNUSABLE  70

struct slot {
	pid_t pid;   /* 0: none */
	int channel; /* -1 */
	bool listening, ready;
	int64_t started_ms, heard_ms, restart_ms; /* restart_ms: of a slot without a process */
	struct backoff backoff;
};

struct prefork {
	struct prefork_options o;
	struct slot slots[WORKERS_MAX];
	sigset_t before; /* the signals that were blocked */
	int signals;
	int serving; /* told last */
	int64_t pinged_ms, kill_ms;
	bool all_served, stopping;
	int code;
};

/* ---- processes */

/* In the new process: nothing of the supervisor stays but the channel. */
static void become_worker(struct prefork *p, int channel, pid_t supervisor)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != supervisor)
		(void)raise(SIGTERM); /* it was gone before that; comes when it is unblocked */
	for (int i = 0; i < p->o.count; i++)
		if (p->slots[i].channel >= 0)
			(void)close(p->slots[i].channel);
	(void)close(p->signals);
	(void)unsetenv("NOTIFY_SOCKET"); /* the supervisor speaks for all */
	(void)unsetenv("WATCHDOG_USEC");
	ASSERT(channel >= 0);
}

/* 0 in the supervisor, the channel in the worker. */
static int start(struct prefork *p, struct slot *s)
{
	pid_t self = getpid(), pid;
	int ends[2];

	s->restart_ms = clock_mono_ms() + backoff_next_ms(&s->backoff, backoff_random());
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		log_error("no channel for a worker", LOG_S("error", strerror(errno)));
		return 0;
	}
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		become_worker(p, ends[1], self);
		return ends[1];
	}
	(void)close(ends[1]);
	if (pid < 0) {
		log_error("no worker was started", LOG_S("error", strerror(errno)));
		(void)close(ends[0]);
		return 0;
	}
	s->pid = pid;
	s->channel = ends[0];
	s->listening = s->ready = false;
	s->started_ms = s->heard_ms = clock_mono_ms();
	return 0;
}

static void signal_all(const struct prefork *p, int number)
{
	for (int i = 0; i < p->o.count; i++)
		if (p->slots[i].pid > 0)
			(void)kill(p->slots[i].pid, number);
}

static void stop(struct prefork *p)
{
	if (!p->stopping) {
		(void)notify_send("STOPPING=1");
		p->kill_ms = clock_mono_ms() + p->o.drain_ms + KILL_AFTER_MS;
	}
	p->stopping = true;
	signal_all(p, SIGTERM);
}

/* ---- what is told */

static void tell_serving(struct prefork *p)
{
	struct worker_message m = {.kind = WORKER_SERVING};
	int listening = 0;

	for (int i = 0; i < p->o.count; i++) {
		listening += p->slots[i].listening;
		m.count += p->slots[i].ready;
	}
	if (listening == p->o.count && !p->all_served) {
		p->all_served = true;
		p->o.on_all_serving(p->o.arg);
	}
	if (m.count == p->serving)
		return;
	p->serving = m.count;
	for (int i = 0; i < p->o.count; i++)
		if (p->slots[i].pid > 0)
			(void)!worker_send(p->slots[i].channel, &m, -1);
}

static void ended(struct prefork *p, struct slot *s, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_UNUSABLE;
	int64_t lived_ms = clock_mono_ms() - s->started_ms;

	(void)close(s->channel);
	s->channel = -1;
	s->pid = 0;
	s->listening = s->ready = false;
	if (p->stopping) {
		/* who was past its loop already is ended by our signal itself; the first code says
		 * why */
		if (p->code == 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
			p->code = code;
		return;
	}
	if (!p->all_served) {
		log_error("a worker could not start", LOG_I("code", code));
		p->code = code != 0 ? code : EXIT_UNUSABLE;
		stop(p);
		return;
	}
	if (lived_ms > STEADY_MS)
		backoff_reset(&s->backoff);
	s->restart_ms = clock_mono_ms() + backoff_next_ms(&s->backoff, backoff_random());
	log_error("a worker ended, another takes its place", LOG_I("worker", s - p->slots + 1),
		  LOG_I("code", code), LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

static void reap(struct prefork *p)
{
	for (int i = 0; i < p->o.count; i++) {
		int status;

		if (p->slots[i].pid > 0 && waitpid(p->slots[i].pid, &status, WNOHANG) > 0)
			ended(p, &p->slots[i], status);
	}
	tell_serving(p);
}

/* ---- messages */

/* The question goes to all who run: so many answers will come. */
static void pass_question(struct prefork *p, int asker, uint32_t serial)
{
	struct worker_message m = {.kind = WORKER_TELL, .about = asker, .serial = serial};

	for (int i = 0; i < p->o.count; i++)
		m.count += p->slots[i].pid > 0;
	for (int i = 0; i < p->o.count; i++)
		if (p->slots[i].pid > 0)
			(void)!worker_send(p->slots[i].channel, &m, -1);
}

static void take(struct prefork *p, int from, struct worker_message *m, int fd)
{
	struct slot *s = &p->slots[from];

	switch ((enum worker_message_kind)m->kind) {
	case WORKER_STATE:
		s->listening = m->listening;
		s->ready = m->listening && m->ready;
		tell_serving(p);
		break;
	case WORKER_ASK:
		pass_question(p, from, m->serial);
		break;
	case WORKER_METRICS:
		m->kind = WORKER_TOLD;
		if (m->about >= 0 && m->about < p->o.count && p->slots[m->about].pid > 0)
			(void)!worker_send(p->slots[m->about].channel, m, fd);
		break;
	case WORKER_ALIVE: /* that it spoke is enough */
	case WORKER_SERVING:
	case WORKER_PING:
	case WORKER_TELL:
	case WORKER_TOLD:
		break;
	}
}

static void read_channel(struct prefork *p, int from)
{
	struct worker_message m;
	int fd = -1, budget = 64;

	while (p->slots[from].channel >= 0 && budget-- > 0 &&
	       worker_receive(p->slots[from].channel, &m, &fd) == 1) {
		p->slots[from].heard_ms = clock_mono_ms();
		take(p, from, &m, fd);
		if (fd >= 0)
			(void)close(fd);
	}
}

/* ---- signals and time */

static void on_signal(struct prefork *p)
{
	struct signalfd_siginfo info;

	if (read(p->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		reap(p);
	} else if (info.ssi_signo == SIGHUP) {
		(void)notify_reloading();
		p->o.reload(p->o.arg);
		signal_all(p, SIGHUP);
		(void)notify_send("READY=1");
	} else {
		stop(p);
	}
}

static void watch(struct prefork *p, int64_t now)
{
	const struct worker_message ping = {.kind = WORKER_PING};

	if (now - p->pinged_ms < PING_MS)
		return;
	p->pinged_ms = now;
	(void)notify_send("WATCHDOG=1");
	for (int i = 0; i < p->o.count; i++) {
		struct slot *s = &p->slots[i];

		if (s->pid > 0 && now - s->heard_ms > PREFORK_SILENT_MS) {
			log_error("a worker is stuck", LOG_I("worker", i + 1));
			(void)kill(s->pid, SIGKILL);
		} else if (s->pid > 0) {
			(void)!worker_send(s->channel, &ping, -1);
		}
	}
}

/* 0; in a new worker its index. */
static int start_due(struct prefork *p, int64_t now, int *ret_channel)
{
	for (int i = 0; i < p->o.count && !p->stopping; i++) {
		if (p->slots[i].pid > 0 || p->slots[i].restart_ms > now)
			continue;
		*ret_channel = start(p, &p->slots[i]);
		if (*ret_channel > 0)
			return i + 1;
	}
	return 0;
}

static bool any_runs(const struct prefork *p)
{
	for (int i = 0; i < p->o.count; i++)
		if (p->slots[i].pid > 0)
			return true;
	return false;
}

static void wait_for_something(struct prefork *p)
{
	struct pollfd fds[WORKERS_MAX + 1] = {{.fd = p->signals, .events = POLLIN}};

	for (int i = 0; i < p->o.count; i++)
		fds[i + 1] = (struct pollfd){.fd = p->slots[i].channel, .events = POLLIN};
	if (poll(fds, (nfds_t)p->o.count + 1, TURN_MS) <= 0)
		return;
	for (int i = 0; i < p->o.count; i++)
		if ((fds[i + 1].revents & POLLIN) != 0)
			read_channel(p, i);
	if (fds[0].revents != 0)
		on_signal(p);
}

static void open_signals(struct prefork *p)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		(void)sigaddset(&set, numbers[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &p->before);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT(p->signals >= 0);
}

struct prefork_self prefork_run(const struct prefork_options *o)
{
	struct prefork p = {.o = *o, .serving = -1};
	int channel = -1, index;

	ASSERT(o->count >= 2 && o->count <= WORKERS_MAX);
	for (int i = 0; i < o->count; i++)
		p.slots[i] = (struct slot){.channel = -1,
					   .backoff = {RESTART_MIN_MS, RESTART_MAX_MS, 0}};
	open_signals(&p);
	do {
		int64_t now = clock_mono_ms();

		index = start_due(&p, now, &channel);
		if (index > 0)
			return (struct prefork_self){
				.index = index, .channel = channel, .mask = p.before};
		watch(&p, now);
		if (p.stopping && now > p.kill_ms)
			signal_all(&p, SIGKILL);
		wait_for_something(&p);
		reap(&p);
	} while (!p.stopping || any_runs(&p));
	(void)close(p.signals);
	(void)sigprocmask(SIG_SETMASK, &p.before, NULL);
	return (struct prefork_self){.code = p.code};
}
