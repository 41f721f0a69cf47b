// SPDX-License-Identifier: MIT
/*
 * Sends datagrams by one socket for each family, again and again, as it is told by lines of standard input. Each is
 * answered by a line: how many were sent, and how many were refused with EPERM.
 *
 * send COUNT PORTS ADDRESS PORT   by name, to so many ports from PORT on in turn
 * threads COUNT ADDRESS PORT      from each of four threads at the same time
 * as UID                          becomes that user, or 0 again
 * name NAME                       takes a name
 * new                             takes other sockets
 * route                           has a child that is root set a source route on the socket of IPv4; 1 refused if it
 *                                 may not
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4

struct target {
	struct sockaddr_storage address;
	socklen_t length;
	unsigned long count, ports;
};

static int sockets[2] = {-1, -1};
static unsigned long sent, refused;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void open_sockets(void)
{
	int families[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++) {
		if (sockets[i] >= 0)
			close(sockets[i]);
		sockets[i] = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
		must(sockets[i], "socket");
	}
}

static void read_target(struct target *to, const char *address, int port)
{
	struct sockaddr_in *four = (void *)&to->address;
	struct sockaddr_in6 *six = (void *)&to->address;

	memset(&to->address, 0, sizeof(to->address));
	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		to->length = sizeof(*four);
		return;
	}
	must(inet_pton(AF_INET6, address, &six->sin6_addr) == 1 ? 0 : -1, address);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	to->length = sizeof(*six);
}

static void *send_all(void *argument)
{
	struct target to = *(struct target *)argument;
	/* The same place in both. */
	struct sockaddr_in *name = (void *)&to.address;
	int sock = sockets[to.address.ss_family == AF_INET6];
	unsigned long first = ntohs(name->sin_port), done = 0, denied = 0;

	for (unsigned long i = 0; i < to.count; i++) {
		name->sin_port = htons(first + i % to.ports);
		if (sendto(sock, "x", 1, 0, (void *)&to.address, to.length) >= 0)
			done++;
		else if (errno == EPERM)
			denied++;
		else
			must(-1, "sendto");
	}
	__sync_fetch_and_add(&sent, done);
	__sync_fetch_and_add(&refused, denied);
	return 0;
}

static void send_in_threads(struct target *to)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		must(-pthread_create(&threads[i], 0, send_all, to), "thread");
	for (int i = 0; i < THREADS; i++)
		must(-pthread_join(threads[i], 0), "join");
}

static void set_route(void)
{
	unsigned char loose[] = {131, 7, 4, 127, 0, 0, 1, 0};
	pid_t child = fork();
	int status;

	must(child, "fork");
	if (!child) {
		must(setresuid(0, 0, 0), "setresuid");
		if (setsockopt(sockets[0], IPPROTO_IP, IP_OPTIONS, loose, sizeof(loose)) >= 0)
			_exit(0);
		_exit(errno == EPERM ? 1 : 2);
	}
	must(waitpid(child, &status, 0), "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		must(-1, "IP_OPTIONS");
	sent = !WEXITSTATUS(status);
	refused = WEXITSTATUS(status);
}

int main(void)
{
	char line[256], word[64];
	struct target to;
	int number;

	open_sockets();
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		sent = refused = 0;
		to.ports = 1;
		if (sscanf(line, "send %lu %lu %63s %d", &to.count, &to.ports, word, &number) == 4) {
			read_target(&to, word, number);
			send_all(&to);
		} else if (sscanf(line, "threads %lu %63s %d", &to.count, word, &number) == 3) {
			read_target(&to, word, number);
			send_in_threads(&to);
		} else if (sscanf(line, "as %d", &number) == 1) {
			must(setresuid(number, number, 0), "setresuid");
		} else if (sscanf(line, "name %15s", word) == 1) {
			must(prctl(PR_SET_NAME, word), "name");
		} else if (!strcmp(line, "new\n")) {
			open_sockets();
		} else if (!strcmp(line, "route\n")) {
			set_route();
		} else {
			return 2;
		}
		printf("%lu %lu\n", sent, refused);
		fflush(stdout);
	}
	return 0;
}
