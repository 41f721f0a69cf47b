// SPDX-License-Identifier: MIT
/*
 * Makes one kind of system call many times over loopback and prints the CPU time of one, in nanoseconds of this thread.
 * Under `-icount shift=0` that is the number of instructions. What stands around the call (reading the clock, an
 * accept() for each connect()) is the same with and without programs.
 *
 * usage: calls CALL [6]   (6: over IPv6)
 *   udp-connect, tcp-connect, udp-sendto, tcp-send   to one destination
 *   udp-connect-many     to 64 destinations in turn, IPv4 only
 *   udp-connect-cold     after a prctl(PR_SET_NAME), which makes a profiler look at the process anew
 *   tcp-exchange         all of a short exchange, from socket() to close() at both ends, and whatever is between
 *   fork, exec
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 4711
#define EXEC_TIMES 200

static struct sockaddr_storage target;
static socklen_t target_length;
static int family = AF_INET;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int check(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

static void set_target(void)
{
	if (family == AF_INET) {
		struct sockaddr_in *address = (void *)&target;

		address->sin_family = AF_INET;
		address->sin_port = htons(PORT);
		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		target_length = sizeof(*address);
	} else {
		struct sockaddr_in6 *address = (void *)&target;

		address->sin6_family = AF_INET6;
		address->sin6_port = htons(PORT);
		address->sin6_addr = in6addr_loopback;
		target_length = sizeof(*address);
	}
}

static int listen_on_target(void)
{
	int listener = check(socket(family, SOCK_STREAM, 0), "socket"), on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(listener, (void *)&target, target_length), "bind");
	check(listen(listener, 128), "listen");
	return listener;
}

static int connection, listener;
static long long spent, begun;

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void begin(void)
{
	begun = now();
}

static void end(void)
{
	spent += now() - begun;
}

static void udp_connect(void)
{
	check(connect(connection, (void *)&target, target_length), "connect");
}

static void udp_connect_many(void)
{
	static unsigned last;
	struct sockaddr_in *address = (void *)&target;

	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK + (last++ & 63));
	udp_connect();
}

static void udp_connect_cold(void)
{
	prctl(PR_SET_NAME, "calls");
	udp_connect();
}

static void udp_sendto(void)
{
	check(sendto(connection, "x", 1, 0, (void *)&target, target_length), "sendto");
}

static void tcp_connect(void)
{
	struct linger reset = {.l_onoff = 1};
	int client = check(socket(family, SOCK_STREAM, 0), "socket");

	begin();
	check(connect(client, (void *)&target, target_length), "connect");
	end();
	/* No TIME_WAIT, or the loop runs out of ports. */
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
	close(check(accept(listener, 0, 0), "accept"));
}

static int accepted;

static void tcp_send(void)
{
	char byte;

	begin();
	check(send(connection, "x", 1, 0), "send");
	end();
	/* Not to fill the window. */
	check(recv(accepted, &byte, 1, 0), "recv");
}

static void tcp_exchange(void)
{
	static char text[200];
	struct linger reset = {.l_onoff = 1};
	int client = check(socket(family, SOCK_STREAM, 0), "socket"), server;

	check(connect(client, (void *)&target, target_length), "connect");
	server = check(accept(listener, 0, 0), "accept");
	check(send(client, text, sizeof(text), 0), "send");
	check(recv(server, text, sizeof(text), MSG_WAITALL), "recv");
	check(send(server, text, sizeof(text), 0), "send");
	check(recv(client, text, sizeof(text), MSG_WAITALL), "recv");
	/* As above. */
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
	close(server);
}

static void fork_wait(void)
{
	pid_t child;

	begin();
	child = check(fork(), "fork");
	if (!child)
		_exit(0);
	end();
	waitpid(child, 0, 0);
}

/* This program executes itself: its CPU time goes on counting. */
static int exec_times(int left)
{
	char text[16];

	if (!left) {
		printf("%lld\n", now() / EXEC_TIMES);
		return 0;
	}
	snprintf(text, sizeof(text), "%d", left - 1);
	execl("/proc/self/exe", "calls", "exec", text, (char *)0);
	fail("exec");
	return 1;
}

static const struct {
	const char *name;
	void (*call)(void);
	int type;
	int times;
	bool itself; /* the call tells begin and end */
} calls[] = {
	{"udp-connect", udp_connect, SOCK_DGRAM, 4000, false},
	{"udp-connect-many", udp_connect_many, SOCK_DGRAM, 4000, false},
	{"udp-connect-cold", udp_connect_cold, SOCK_DGRAM, 1000, false},
	{"udp-sendto", udp_sendto, SOCK_DGRAM, 2000, false},
	{"tcp-connect", tcp_connect, 0, 1000, true},
	{"tcp-exchange", tcp_exchange, 0, 2000, false},
	{"tcp-send", tcp_send, SOCK_STREAM, 2000, true},
	{"fork", fork_wait, 0, 200, true},
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exec"))
		return exec_times(argc > 2 ? atoi(argv[2]) : EXEC_TIMES);
	if (argc > 2)
		family = AF_INET6;
	set_target();
	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (argc < 2 || strcmp(calls[i].name, argv[1]))
			continue;
		listener = listen_on_target();
		if (calls[i].type)
			connection = check(socket(family, calls[i].type, 0), "socket");
		if (calls[i].type == SOCK_STREAM) {
			int on = 1;

			check(connect(connection, (void *)&target, target_length), "connect");
			setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			accepted = check(accept(listener, 0, 0), "accept");
		}
		/* Once around for whatever is allocated or looked up only once. */
		for (int n = 0; n < 50; n++)
			calls[i].call();
		spent = 0;
		if (!calls[i].itself)
			begin();
		for (int n = 0; n < calls[i].times; n++)
			calls[i].call();
		if (!calls[i].itself)
			end();
		printf("%lld\n", spent / calls[i].times);
		return 0;
	}
	fprintf(stderr, "calls: no such call\n");
	return 2;
}
