/* The sd_notify protocol; see notify.h. */
#include "common/daemon/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/num.h"

/* $NOTIFY_SOCKET: a path, or a name in the abstract namespace when it starts with '@'. */
static bool supervisor_address(struct sockaddr_un *ret, socklen_t *ret_len)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t n;

	if (name == NULL || (name[0] != '/' && name[0] != '@'))
		return false;
	n = strlen(name);
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n < 2 || n >= sizeof(ret->sun_path))
		return false;
	memcpy(ret->sun_path, name, n);
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

int notify_send(const char *fmt, ...)
{
	struct sockaddr_un address;
	socklen_t len;
	char text[1024];
	va_list ap;
	int fd, n, r = 1;

	if (!supervisor_address(&address, &len))
		return 0;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -EMSGSIZE;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
		   len) < 0)
		r = -errno;
	(void)close(fd); /* the datagram has left */
	return r;
}

int notify_reloading(void)
{
	return notify_send("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
}

int64_t notify_watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	int64_t n;

	if (usec == NULL || num_i64(slice_of(usec), 1000, INT64_MAX, &n) < 0)
		return 0;
	/* the variables are inherited: they may be meant for our parent */
	if (pid != NULL && strcmp(pid, "") != 0) {
		int64_t p;

		if (num_i64(slice_of(pid), 1, INT32_MAX, &p) < 0 || p != getpid())
			return 0;
	}
	return n / 1000;
}
