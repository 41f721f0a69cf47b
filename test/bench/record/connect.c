/*
 * Real connections for the recorder's benchmark: connect CGROUP RATE SECONDS goes into the cgroup and makes RATE TCP
 * connections a second to closed ports of loopback addresses. Prints how many it made, of how long, and its CPU
 * seconds.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Distinct addresses, and the port, at which no server listens. */
#define DESTINATIONS 10000
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

static void connect_once(unsigned long number)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = htonl(0x7f010000 + number % DESTINATIONS),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	connect(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

int main(int argc, char **argv)
{
	struct timespec pause = {.tv_nsec = 1000000};
	unsigned long made = 0;
	struct rusage usage;
	double rate, seconds, began;

	if (argc != 4)
		return 2;
	enter(argv[1]);
	rate = atof(argv[2]);
	seconds = atof(argv[3]);
	began = now();
	for (double at = 0; at < seconds; at = now() - began) {
		unsigned long due = rate * at;
		/* So that the clock is looked at again. */
		int behind = due > made + AT_ONCE;

		for (due = behind ? made + AT_ONCE : due; made < due; made++)
			connect_once(made);
		if (!behind)
			nanosleep(&pause, NULL);
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%lu %f %f\n", made, now() - began,
	       usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	return 0;
}
