/* Addresses of listening sockets; see address.h. */
#include "common/base/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int address_resolve(const char *addr, struct addrinfo **ret, struct err *e)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(addr, ':');
	char host[256];
	size_t n = colon != NULL ? (size_t)(colon - addr) : 0;
	int r;

	if (n > 1 && addr[0] == '[' && addr[n - 1] == ']') {
		addr++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(host))
		return err_set(e, -EINVAL, "cannot listen on \"%.80s\": not host:port", addr);
	memcpy(host, addr, n);
	host[n] = '\0';
	r = getaddrinfo(host, colon + 1, &hints, ret);
	if (r != 0)
		return err_set(e, -EADDRNOTAVAIL, "cannot listen on %.200s: %s", addr,
			       gai_strerror(r));
	return 0;
}

void address_free(struct addrinfo *list)
{
	freeaddrinfo(list);
}

void address_bound(int fd, char ret_bound[64])
{
	struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(sa);
	char host[INET6_ADDRSTRLEN], port[8];

	if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		ASSERT(!"a bound socket has an address");
	(void)snprintf(ret_bound, 64, sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* A socket bound to it, or a negative errno. */
static int bind_shared(const struct addrinfo *a)
{
	int on = 1, r = 0;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
	    bind(fd, a->ai_addr, a->ai_addrlen) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

int address_reserve(const char *addr, char ret_bound[64], int *ret_fd, struct err *e)
{
	struct addrinfo *found = NULL;
	int fd = -EADDRNOTAVAIL, r = address_resolve(addr, &found, e);

	if (r < 0)
		return r;
	for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
		fd = bind_shared(a);
	address_free(found);
	if (fd < 0)
		return err_set(e, fd, "cannot listen on %s: %s", addr, strerror(-fd));
	address_bound(fd, ret_bound);
	*ret_fd = fd;
	return 0;
}
