/*
 * `etld backfill --archive [--again] PATH…`: lands an event archive and applies it. Landing is
 * ingestd's: its one-shot (`load_command`) runs as a child, so that an archived event is read by
 * the same rules as one that comes in. Then this is `etld run`: what has landed is due, and the
 * keys that it touches are rebuilt. Killed anywhere, the same command goes on.
 *
 * Exit 0; 65: all is applied, and there were dead letters or conflicts; else the code of the child
 * that could not go on, or of the run.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "etld/etld.h"

#define LOOK_EVERY_MS 50
#define WORDS_MAX     32 /* of the command */

extern char **environ;

static struct {
	struct etld *etld;
	struct daemon_timer *timer;
	pid_t child; /* 0: there is none */
	char *command, **argv;
} archive;

/* Signals that the daemon handles or ignores are the child's own again. */
static int spawn(struct err *e)
{
	posix_spawnattr_t how;
	sigset_t set;
	int r;

	(void)posix_spawnattr_init(&how);
	(void)sigemptyset(&set);
	(void)posix_spawnattr_setsigmask(&how, &set);
	(void)sigaddset(&set, SIGPIPE);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)posix_spawnattr_setsigdefault(&how, &set);
	(void)posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(&archive.child, archive.argv[0], NULL, &how, archive.argv, environ);
	(void)posix_spawnattr_destroy(&how);
	if (r == 0)
		return 0;
	archive.child = 0;
	return err_set(e, -r, "cannot run '%s' (load_command): %s", archive.argv[0], strerror(r));
}

static void on_landed(int status)
{
	struct etld *st = archive.etld;
	struct err e = ERR_INIT;
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : DAEMON_TEMPORARY;

	if (code != DAEMON_OK && code != DAEMON_DATA) {
		log_error("the archive was not landed", LOG_S("command", archive.argv[0]),
			  LOG_I("exit_code", code));
		daemon_quit(st->daemon, (enum daemon_exit)code);
		return;
	}
	st->done_code = (enum daemon_exit)code;
	if (etld_run_start(st->daemon, st, 0, NULL, &e) < 0) {
		log_error("what has landed cannot be applied", LOG_S("error", e.msg));
		daemon_quit(st->daemon, DAEMON_UNAVAILABLE);
	}
}

static void on_timer(void *arg)
{
	int status;

	(void)arg;
	if (archive.child == 0)
		return;
	if (waitpid(archive.child, &status, WNOHANG) != archive.child) {
		daemon_timer_arm(archive.timer, LOOK_EVERY_MS);
		return;
	}
	archive.child = 0;
	on_landed(status);
}

int etld_archive_start(struct daemon *d, struct etld *st, int argc, char **argv, struct err *e)
{
	const struct etld_config *conf = daemon_conf(d);
	size_t n = 0;
	int r;

	if (argc == 0)
		return err_set(e, -EINVAL, "backfill: --archive takes files or folders");
	archive.etld = st;
	st->daemon = d;
	archive.command = xstrdup(conf->load_command);
	archive.argv = xcalloc((size_t)argc + WORDS_MAX + 1, sizeof(*archive.argv));
	for (char *word = archive.command; *word != '\0' && n < WORDS_MAX;) {
		size_t len = strcspn(word, " ");

		if (len > 0)
			archive.argv[n++] = word;
		word += len;
		if (*word == ' ')
			*word++ = '\0';
	}
	if (n == 0 || n == WORDS_MAX)
		return err_set(e, -EINVAL, "load_command is no command of 1 to %d words",
			       WORDS_MAX - 1);
	for (int i = 0; i < argc; i++)
		archive.argv[n++] = argv[i];
	r = spawn(e);
	if (r == 0)
		archive.timer = daemon_timer_new(d, LOOK_EVERY_MS, 0, on_timer, NULL);
	return r;
}

void etld_archive_stop(void)
{
	if (archive.child != 0) { /* it may be stopped anywhere */
		(void)kill(archive.child, SIGTERM);
		(void)waitpid(archive.child, NULL, 0);
		archive.child = 0;
	}
	daemon_timer_free(archive.timer);
	archive.timer = NULL;
	free(archive.argv);
	free(archive.command);
	archive.argv = NULL;
	archive.command = NULL;
}
