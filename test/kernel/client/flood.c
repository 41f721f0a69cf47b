// SPDX-License-Identifier: MIT
/*
 * Sends datagrams that a policy denies, as fast as it can, and counts how many were refused.
 *
 * usage: flood TIMES HOW UID CGROUP ADDRESS
 *
 * HOW: plain, all alike; ports, another destination each time; names, another name of the process each time; threads,
 * from eight threads; forks, from a new process each time; namespace, in a user namespace of its own. CGROUP is the
 * directory to move to, or -. Standard output: the number of denials.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8

static struct sockaddr_in to = {.sin_family = AF_INET};
static const char *how;
static unsigned long times, *denied;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void attempt(int sock, unsigned long number)
{
	struct sockaddr_in there = to;

	there.sin_port = htons(9);
	if (!strcmp(how, "ports")) {
		there.sin_port = htons(1 + number % 65535);
		there.sin_addr.s_addr ^= htonl(number >> 16);
	}
	if (!strcmp(how, "names")) {
		char name[16];

		snprintf(name, sizeof(name), "n%08x", (unsigned int)number);
		prctl(PR_SET_NAME, name);
	}
	if (sendto(sock, "x", 1, 0, (void *)&there, sizeof(there)) >= 0)
		return;
	must(errno == EPERM ? 0 : -1, "sendto");
	__sync_fetch_and_add(denied, 1);
}

static int open_socket(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	must(sock, "socket");
	return sock;
}

static void *attempt_all(void *share)
{
	int sock = open_socket();

	for (unsigned long i = 0; i < (unsigned long)share; i++)
		attempt(sock, i);
	return 0;
}

static void flood_from_threads(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], 0, attempt_all, (void *)(times / THREADS)))
			must(-1, "thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], 0);
}

static void flood_from_children(void)
{
	char *again[] = {"flood", "1", "plain", "-1", "-", inet_ntoa(to.sin_addr), 0};

	for (unsigned long i = 0; i < times; i++) {
		int status;
		pid_t child;

		must(-posix_spawn(&child, "/proc/self/exe", 0, 0, again, 0), "posix_spawn");
		must(waitpid(child, &status, 0), "waitpid");
		must(status ? -1 : 0, "child");
		(*denied)++;
	}
}

static void move_to(const char *cgroup)
{
	char path[4200];
	int file;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = open(path, O_WRONLY | O_CLOEXEC);
	must(file, path);
	must(write(file, "0", 1), path);
	close(file);
}

int main(int argc, char **argv)
{
	int uid;

	if (argc != 6)
		return 2;
	times = strtoul(argv[1], 0, 10);
	how = argv[2];
	uid = atoi(argv[3]);
	denied = mmap(0, sizeof(*denied), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(denied == MAP_FAILED ? -1 : 0, "mmap");
	if (strcmp(argv[4], "-"))
		move_to(argv[4]);
	if (uid >= 0)
		must(setresuid(uid, uid, uid), "setresuid");
	if (inet_pton(AF_INET, argv[5], &to.sin_addr) != 1)
		return 2;
	if (!strcmp(how, "namespace"))
		must(unshare(CLONE_NEWUSER), "unshare");
	if (!strcmp(how, "forks"))
		flood_from_children();
	else if (!strcmp(how, "threads"))
		flood_from_threads();
	else
		attempt_all((void *)times);
	/* A child that was denied says so by its end alone. */
	if (uid < 0)
		return *denied == times ? 0 : 1;
	printf("%lu\n", *denied);
	return 0;
}
