// SPDX-License-Identifier: MIT
/*
 * Threads of mixed priorities on the same processors that preempt each other inside system calls which are to be
 * denied, or, to ask for a route as getaddrinfo() does, to be allowed. Prints how many were denied, and how many were
 * not, as JSON.
 *
 * usage: attack SECONDS UID DENIED-ADDRESS ADDRESS-WITH-DENIED-PORT-514
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum way { SENDTO, CONNECT, SEND, WAYS, ASK = WAYS, COUNTED };

static const char *const names[COUNTED] = {"sendto", "connect", "send", "ask"};

static struct sockaddr_in denied, denied_port;
static unsigned refused[COUNTED], let_through[COUNTED], other;
static double until;
static unsigned uid;
static pthread_barrier_t all_set;

/* Two that are slow inside the programs under test, and three that come between. */
static const struct role {
	int policy, priority;
	const char *name;
} roles[] = {
	{SCHED_OTHER, 19, "slow"}, {SCHED_OTHER, 5, "slow"},  {SCHED_OTHER, -10, "quick"},
	{SCHED_FIFO, 10, "slow"},  {SCHED_FIFO, 20, "quick"},
};
#define ROLES (sizeof(roles) / sizeof(*roles))

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void note(enum way way, long result)
{
	if (result >= 0 || errno == EINPROGRESS)
		__sync_fetch_and_add(&let_through[way], 1);
	else if (errno == EPERM)
		__sync_fetch_and_add(&refused[way], 1);
	else
		__sync_fetch_and_add(&other, 1);
}

static void try(enum way way)
{
	int type = way == CONNECT ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM;
	int made = socket(AF_INET, type, 0), asked;

	if (made < 0)
		fail("socket");
	switch (way) {
	case SENDTO:
		note(way, sendto(made, "x", 1, 0, (void *)&denied, sizeof(denied)));
		break;
	case CONNECT:
		note(way, connect(made, (void *)&denied, sizeof(denied)));
		break;
	default:
		/* Nothing is sent yet, and other ports of that address are allowed. */
		asked = connect(made, (void *)&denied_port, sizeof(denied_port));
		note(ASK, asked);
		if (!asked)
			note(way, send(made, "x", 1, 0));
	}
	close(made);
}

static void *play(void *argument)
{
	unsigned number = (unsigned long)argument, processors = sysconf(_SC_NPROCESSORS_ONLN);
	const struct role *role = &roles[number % ROLES];
	struct sched_param parameter = {.sched_priority = role->policy == SCHED_FIFO ? role->priority : 0};
	struct timespec pause = {.tv_nsec = 300000 + 70000 * number};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number / ROLES % processors, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
	if (role->policy == SCHED_OTHER && setpriority(PRIO_PROCESS, syscall(SYS_gettid), role->priority))
		fail("setpriority");
	if (sched_setscheduler(0, role->policy, &parameter))
		fail("sched_setscheduler");
	prctl(PR_SET_NAME, role->name);
	/* By the system call itself, which changes this thread alone. */
	if (uid && syscall(SYS_setresuid, uid, uid, uid))
		fail("setresuid");
	pthread_barrier_wait(&all_set);
	for (unsigned i = number; now() < until; i++) {
		try(i % WAYS);
		if (role->policy == SCHED_FIFO)
			nanosleep(&pause, 0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned processors = sysconf(_SC_NPROCESSORS_ONLN), count = processors * ROLES;
	pthread_t threads[count];

	if (argc != 5)
		return 2;
	until = now() + atof(argv[1]);
	uid = atoi(argv[2]);
	denied = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(80)};
	denied.sin_addr.s_addr = inet_addr(argv[3]);
	denied_port = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(514)};
	denied_port.sin_addr.s_addr = inet_addr(argv[4]);
	pthread_barrier_init(&all_set, 0, count);
	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&threads[i], 0, play, (void *)(unsigned long)i))
			fail("pthread_create");
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], 0);
	printf("{");
	for (int way = 0; way < COUNTED; way++)
		printf("\"%s\": {\"refused\": %u, \"through\": %u}, ", names[way], refused[way], let_through[way]);
	printf("\"other\": %u}\n", other);
	return 0;
}
