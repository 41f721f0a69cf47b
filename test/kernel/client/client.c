// SPDX-License-Identifier: MIT
/*
 * Connects to its destinations in turn, again and again, and counts how often each was allowed and denied.
 *
 * usage: client CONNECT|TCP|SEND ROUNDS plain|threads|forks UID CGROUP (ADDRESS PORT)...
 *
 * CONNECT and SEND are of UDP. Each round is made by the process itself, by a new thread or by a new process. No number
 * of rounds (0) means until SIGTERM, with pauses. CGROUP is the directory to move to, or -. Every attempt
 * uses a socket of its own. Standard output: "ready", and at the end a line "ALLOWED DENIED" for each destination.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 16

/* Shared with children. */
static struct destination {
	struct sockaddr_storage address;
	socklen_t length;
	unsigned long allowed, denied;
} * destinations;

static int count;
static bool tcp, sends;
static volatile sig_atomic_t ended;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void attempt(struct destination *to)
{
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM, result;
	int sock = socket(to->address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	must(sock, "socket");
	if (sends)
		result = sendto(sock, "x", 1, 0, (void *)&to->address, to->length);
	else
		result = connect(sock, (void *)&to->address, to->length);
	/* There may be no route or server: that is found out after the verdict. */
	if (result >= 0 || errno == EINPROGRESS || errno == ECONNREFUSED || errno == ENETUNREACH)
		to->allowed++;
	else if (errno == EPERM)
		to->denied++;
	else
		must(-1, "attempt");
	close(sock);
}

static void *attempt_all(void *nothing)
{
	for (int i = 0; i < count; i++)
		attempt(&destinations[i]);
	return nothing;
}

static void attempt_in_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, 0, attempt_all, 0) || pthread_join(thread, 0))
		must(-1, "thread");
}

static void attempt_in_child(void)
{
	pid_t child = fork();
	int status;

	must(child, "fork");
	if (!child) {
		attempt_all(0);
		_exit(0);
	}
	must(waitpid(child, &status, 0), "waitpid");
	if (status)
		exit(1);
}

static void move_to(const char *cgroup)
{
	char path[4200];
	int file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = open(path, O_WRONLY);
	must(file, path);
	must(write(file, "0", 1), path);
	close(file);
}

static void read_destination(const char *address, const char *port)
{
	struct destination *to = &destinations[count++];
	struct sockaddr_in *four = (void *)&to->address;
	struct sockaddr_in6 *six = (void *)&to->address;

	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons(atoi(port));
		to->length = sizeof(*four);
		return;
	}
	must(inet_pton(AF_INET6, address, &six->sin6_addr) == 1 ? 0 : -1, address);
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(atoi(port));
	to->length = sizeof(*six);
}

int main(int argc, char **argv)
{
	unsigned long rounds;

	if (argc < 8 || argc > 6 + 2 * MOST)
		return 2;
	tcp = !strcmp(argv[1], "TCP");
	sends = !strcmp(argv[1], "SEND");
	rounds = strtoul(argv[2], 0, 10);
	destinations = mmap(0, MOST * sizeof(*destinations), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(destinations == MAP_FAILED ? -1 : 0, "mmap");
	for (int i = 6; i + 1 < argc; i += 2)
		read_destination(argv[i], argv[i + 1]);
	if (strcmp(argv[5], "-"))
		move_to(argv[5]);
	must(setresuid(atoi(argv[4]), atoi(argv[4]), atoi(argv[4])), "setresuid");
	signal(SIGTERM, end);
	printf("ready\n");
	fflush(stdout);
	for (unsigned long round = 0; !ended && (!rounds || round < rounds); round++) {
		if (!strcmp(argv[3], "threads"))
			attempt_in_thread();
		else if (!strcmp(argv[3], "forks"))
			attempt_in_child();
		else
			attempt_all(0);
		/* The process that ends it has work to do meanwhile. */
		if (!rounds)
			usleep(3000);
	}
	for (int i = 0; i < count; i++)
		printf("%lu %lu\n", destinations[i].allowed, destinations[i].denied);
	return 0;
}
