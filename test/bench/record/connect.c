/*
 * Real connections for the recorder's benchmark: connect CGROUP RATE SECONDS KIND DESTINATIONS goes into the cgroup and
 * makes RATE connections a second to so many loopback addresses, at a port where nobody listens. KIND is `tcp`;
 * `datagrams`, all by one socket, as a client of statsd sends them; or `queries`, a connect() and a send() by a socket
 * of their own, as a resolver's client does. Prints how many attempts to send it made, of how long, and its CPU
 * seconds.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 9
#define AT_ONCE 1000

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void enter(const char *cgroup)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1) {
		perror(path);
		exit(2);
	}
	close(fd);
}

static unsigned long destinations;
static int kept = -1;

static struct sockaddr_in destination(unsigned long number)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(0x7f010000 + number % destinations),
	};
}

/* Each returns how many attempts to send it made. */
static int connect_once(unsigned long number)
{
	struct sockaddr_in to = destination(number);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return 1;
}

static int send_datagram(unsigned long number)
{
	struct sockaddr_in to = destination(number);

	sendto(kept, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	return 1;
}

static int send_query(unsigned long number)
{
	struct sockaddr_in to = destination(number);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
	send(fd, "x", 1, 0);
	close(fd);
	return 2;
}

static const struct {
	const char *name;
	int (*once)(unsigned long number);
} kinds[] = {{"tcp", connect_once}, {"datagrams", send_datagram}, {"queries", send_query}};

int main(int argc, char **argv)
{
	struct timespec pause = {.tv_nsec = 1000000};
	unsigned long made = 0, attempts = 0;
	int (*once)(unsigned long number) = 0;
	struct rusage usage;
	double rate, seconds, began;

	if (argc != 6)
		return 2;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(argv[4], kinds[i].name))
			once = kinds[i].once;
	destinations = strtoul(argv[5], 0, 10);
	if (!once || !destinations)
		return 2;
	enter(argv[1]);
	kept = socket(AF_INET, SOCK_DGRAM, 0);
	rate = atof(argv[2]);
	seconds = atof(argv[3]);
	began = now();
	for (double at = 0; at < seconds; at = now() - began) {
		unsigned long due = rate * at;
		/* So that the clock is looked at again. */
		int behind = due > made + AT_ONCE;

		for (due = behind ? made + AT_ONCE : due; made < due; made++)
			attempts += once(made);
		if (!behind)
			nanosleep(&pause, NULL);
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%lu %f %f\n", attempts, now() - began,
	       usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	return 0;
}
