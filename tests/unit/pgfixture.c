/* The private Postgres of the unit tests; see pgfixture.h. */
#include "tests/unit/pgfixture.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/strbuf.h"

#define INITDB   "/usr/lib/postgresql/15/bin/initdb"
#define PG_CTL   "/usr/lib/postgresql/15/bin/pg_ctl"
#define PSQL     "/usr/lib/postgresql/15/bin/psql"
#define LIMIT_MS 30000

static struct {
	char dir[32], data[48], log[48], url[128], role_url[256];
	pid_t creator;
} pg;

static NORETURN void die(const char *what)
{
	fprintf(stderr, "pgfixture: %s (see %s)\n", what, pg.log);
	if (getpid() == pg.creator)
		pgfixture_stop("immediate");
	pg.creator = 0; /* keep the directory */
	exit(1);
}

/* In the child: the server refuses to run as root. Nothing of the user's own settings counts. */
static void become_postgres(void)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;

	if (setenv("HOME", pg.dir, 1) < 0)
		_exit(126);
	if (geteuid() != 0)
		return;
	if (pw == NULL || setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 ||
	    setuid(pw->pw_uid) < 0)
		_exit(126);
}

static int run(const char *const *argv)
{
	union { /* execv promises not to write, but not in its type */
		const char *const *in;
		char *const *out;
	} args = {argv};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(pg.log, O_WRONLY | O_APPEND);

		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir("/") < 0)
			_exit(126);
		become_postgres();
		execv(args.in[0], args.out);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 ? status : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void destroy(void)
{
	if (getpid() != pg.creator) /* a test that was forked off */
		return;
	pgfixture_stop("immediate");
	(void)nftw(pg.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *mode, const char *text)
{
	char path[96];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", pg.data, name);
	f = fopen(path, mode);
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		die("cannot write settings");
}

void pgfixture_create(void)
{
	const struct passwd *pw = getpwnam("postgres");
	char settings[256];
	int fd;

	(void)snprintf(pg.dir, sizeof(pg.dir), "/tmp/pgunit-XXXXXX");
	if (mkdtemp(pg.dir) == NULL)
		die("no directory");
	(void)snprintf(pg.data, sizeof(pg.data), "%s/data", pg.dir);
	(void)snprintf(pg.log, sizeof(pg.log), "%s/log", pg.dir);
	(void)snprintf(pg.url, sizeof(pg.url), "postgresql://postgres@/postgres?host=%s", pg.dir);
	fd = open(pg.log, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0 || close(fd) < 0)
		die("no log");
	if (geteuid() == 0 && (pw == NULL || chown(pg.dir, pw->pw_uid, pw->pw_gid) < 0 ||
			       chown(pg.log, pw->pw_uid, pw->pw_gid) < 0))
		die("no user postgres");
	pg.creator = getpid();
	if (run((const char *const[]){INITDB, "-D", pg.data, "-U", "postgres", "-E", "UTF8",
				      "--locale=C", "--no-sync", NULL}) != 0)
		die("initdb failed");
	(void)snprintf(settings, sizeof(settings),
		       "listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\n"
		       "synchronous_commit = off\nfull_page_writes = off\nmax_connections = 60\n"
		       "autovacuum = off\nshared_buffers = 16MB\n",
		       pg.dir);
	write_file("postgresql.conf", "a", settings);
	write_file("pg_hba.conf", "w", "local all postgres trust\nlocal all all scram-sha-256\n");
	(void)atexit(destroy);
	pgfixture_start();
}

void pgfixture_start(void)
{
	if (run((const char *const[]){PG_CTL, "-D", pg.data, "-w", "-t", "30", "-l", pg.log,
				      "start", NULL}) != 0)
		die("server does not start");
}

void pgfixture_stop(const char *mode)
{
	(void)run((const char *const[]){PG_CTL, "-D", pg.data, "-w", "-m", mode, "stop", NULL});
}

const char *pgfixture_dir(void)
{
	return pg.dir;
}

const char *pgfixture_url(void)
{
	return pg.url;
}

const char *pgfixture_role_url(const char *role, const char *password)
{
	(void)snprintf(pg.role_url, sizeof(pg.role_url), "postgresql://%s:%s@/postgres?host=%s",
		       role, password, pg.dir);
	return pg.role_url;
}

void pgfixture_sql(const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vappendf(&text, fmt, ap);
	va_end(ap);
	if (run((const char *const[]){PSQL, "-qXAt", "-v", "ON_ERROR_STOP=1", "-d", pg.url, "-c",
				      strbuf_cstr(&text), NULL}) != 0)
		die(strbuf_cstr(&text));
	strbuf_clear(&text);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static bool loop(struct event_base *base, const bool *done, int64_t ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	bool late = false;
	struct event *timer = evtimer_new(base, on_limit, &late);

	ASSERT(timer != NULL);
	(void)event_add(timer, &tv);
	while (!*done && !late)
		(void)event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
	return *done;
}

void pgfixture_loop(struct event_base *base, const bool *done)
{
	if (!loop(base, done, LIMIT_MS))
		die("nothing happened within 30 s");
}

void pgfixture_idle(struct event_base *base, int64_t ms)
{
	bool never = false;

	(void)loop(base, &never, ms);
}
