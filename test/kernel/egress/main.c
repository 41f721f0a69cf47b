// SPDX-License-Identifier: MIT
/*
 * usage: egress UID [BEGINNING...]
 *
 * Runs every vector, or those whose names begin so, as UID in the network `client`, one after the other, each in a
 * process of its own. First all of them prepare; then {"ready":N} is printed and a line is read from standard input,
 * which gives the caller the time to put a policy in force; then they send. At last a line a vector is printed: its
 * process, the system call it ended at, that call's error, and where its packets went.
 */
#include "egress.h"

#include <err.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_VECTORS 512
/* A vector that hangs is ended. */
#define LIMIT_SECONDS 5
/* What kernel threads still have to send when the last vector is done. */
#define SETTLE_MILLISECONDS 500

static const struct vector *const tables[] = {
	tcp_vectors,	udp_vectors,  raw_vectors,	icmp_vectors,	  route_vectors,   route_row_vectors,
	uring_vectors,	sctp_vectors, protocol_vectors, prepared_vectors, process_vectors, compat_vectors,
	device_vectors, ring_vectors, again_vectors,	group_vectors,
};

static const struct vector *vectors[MAX_VECTORS];
static int release[MAX_VECTORS];
static struct sightings seen[MAX_VECTORS];
static struct outcome *outcomes;
static int count;
/* Sniffers at this end and at the other. */
static int leaving, arriving;

static unsigned short port_of(int place)
{
	return vectors[place]->port ? vectors[place]->port : FIRST_PORT + place;
}

static int place_of(unsigned short port)
{
	if (port >= FIRST_PORT && port < FIRST_PORT + count)
		return port - FIRST_PORT;
	for (int i = 0; i < count; i++)
		if (vectors[i]->port && vectors[i]->port == port)
			return i;
	return -1;
}

static void enter(const char *network)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", network);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(2, "%s", path);
	close(fd);
}

static void become(uid_t uid)
{
	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		err(2, "uid %u", uid);
	/* As if it had been this user's from its exec on: others of the same user may trace it. */
	prctl(PR_SET_DUMPABLE, 1);
}

static void run(int place, uid_t uid, int ready, int go)
{
	const struct vector *vector = vectors[place];
	int prepared = -1;
	char byte = 0;

	self.port = port_of(place);
	self.outcome = &outcomes[place];
	snprintf(self.marker, sizeof(self.marker), "egress-%05u", self.port);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	become(uid);
	alarm(LIMIT_SECONDS);
	if (vector->prepare)
		prepared = vector->prepare();
	alarm(0);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		_exit(2);
	alarm(LIMIT_SECONDS);
	vector->send(prepared);
	end();
}

/* Starts the process of a vector and waits until it has prepared. */
static void start(int place, uid_t uid)
{
	int ready[2], go[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		err(2, "pipe");
	pid = fork();
	if (pid < 0)
		err(2, "fork");
	if (pid == 0) {
		close(ready[0]);
		close(go[1]);
		run(place, uid, ready[1], go[0]);
	}
	outcomes[place].pid = pid;
	close(ready[1]);
	close(go[0]);
	/* Nothing comes from one that has ended already. */
	if (read(ready[0], &byte, 1) < 0)
		err(2, "read");
	close(ready[0]);
	release[place] = go[1];
}

static void finish(int place)
{
	close(release[place]);
	waitpid(outcomes[place].pid, NULL, 0);
}

static void drain(struct sightings *sightings)
{
	drain_sniffer(leaving, false, sightings, place_of);
	drain_sniffer(arriving, true, sightings, place_of);
}

static void settle(void)
{
	struct pollfd captured[] = {{.fd = leaving, .events = POLLIN}, {.fd = arriving, .events = POLLIN}};
	struct timespec now, last;

	clock_gettime(CLOCK_MONOTONIC, &now);
	last = now;
	for (;;) {
		long left;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = SETTLE_MILLISECONDS - (now.tv_sec - last.tv_sec) * 1000 - (now.tv_nsec - last.tv_nsec) / 1000000;
		if (left <= 0)
			return;
		poll(captured, 2, left);
		drain(seen);
	}
}

static void print(int place)
{
	const struct outcome *outcome = &outcomes[place];
	const struct sightings *sightings = &seen[place];

	printf("{\"name\":\"%s\",\"pid\":%d,\"absent\":%s,\"step\":\"%s\",\"error\":\"%s\",\"wire\":[",
	       vectors[place]->name, outcome->pid, outcome->absent ? "true" : "false", outcome->step,
	       !outcome->ended	? "hung"
	       : outcome->error ? strerrorname_np(outcome->error)
				: "");
	for (int i = 0; i < sightings->count; i++)
		printf("%s{\"to\":\"%s\",\"protocol\":%u,\"port\":%u}", i ? "," : "", sightings->sighting[i].address,
		       sightings->sighting[i].protocol, sightings->sighting[i].port);
	printf("]}\n");
}

static bool is_wanted(const char *name, char **beginnings)
{
	if (!*beginnings)
		return true;
	for (; *beginnings; beginnings++)
		if (!strncmp(name, *beginnings, strlen(*beginnings)))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	char line[16];
	uid_t uid;

	if (argc < 2)
		errx(2, "usage: egress UID [BEGINNING...]");
	uid = atoi(argv[1]);
	for (size_t table = 0; table < sizeof(tables) / sizeof(*tables); table++)
		for (const struct vector *vector = tables[table]; vector->name; vector++) {
			if (count == MAX_VECTORS)
				errx(2, "too many vectors");
			if (is_wanted(vector->name, argv + 2))
				vectors[count++] = vector;
		}
	outcomes = mmap(NULL, count * sizeof(*outcomes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcomes == MAP_FAILED)
		err(2, "mmap");

	enter("peers");
	for (int i = 0; i < count; i++) {
		if (vectors[i]->listener == DIALS)
			dial(port_of(i));
		else
			listen_on(port_of(i), vectors[i]->listener);
	}
	arriving = open_sniffer();
	enter("client");
	leaving = open_sniffer();

	for (int i = 0; i < count; i++)
		start(i, uid);
	drain(NULL);
	printf("{\"ready\":%d}\n", count);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 2;

	for (int i = 0; i < count; i++) {
		/* One that has ended while preparing does not read. */
		if (!outcomes[i].ended && write(release[i], "", 1) != 1)
			warn("%s", vectors[i]->name);
		finish(i);
		drain(seen);
	}
	settle();
	for (int i = 0; i < count; i++)
		print(i);
	return 0;
}
