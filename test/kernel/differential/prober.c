// SPDX-License-Identifier: MIT
/*
 * Connects as whoever it is told to be, and says with which error. The sockets are made when it starts, so that only
 * connect() is judged. Nothing is sent to any address but loopback: there is no route.
 *
 * Standard input, a line each: UID EUID GID EGID COMM CGROUP FAMILY PROTOCOL ADDRESS PORT
 * COMM and ADDRESS are hexadecimal, CGROUP is the directory to be in, FAMILY 4 or 6.
 * Standard output, a line each: the errno of connect(), 0, or -1 where this kernel has no such socket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	int protocol, type;
} kinds[] = {
	{ 1, SOCK_DGRAM }, { 58, SOCK_DGRAM }, { 6, SOCK_STREAM },	 { 17, SOCK_DGRAM },
	{ 33, 6 },	   { 132, SOCK_STREAM }, { 136, SOCK_DGRAM }, { 255, SOCK_RAW },
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

static int sockets[KINDS][2];

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void unhex(const char *text, unsigned char *bytes, int size)
{
	memset(bytes, 0, size);
	for (int i = 0; i < size && text[2 * i] && text[2 * i + 1]; i++)
		sscanf(text + 2 * i, "%2hhx", &bytes[i]);
}

static void move_to(const char *cgroup)
{
	static char current[4096];
	char path[4200];
	int file;

	if (!strcmp(current, cgroup))
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	file = open(path, O_WRONLY);
	must(file, path);
	must(write(file, "0", 1), path);
	close(file);
	snprintf(current, sizeof(current), "%s", cgroup);
}

static int try_connect(int family, int protocol, const unsigned char *address, int port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr unspecified = { .sa_family = AF_UNSPEC };
	int socket = -1, result;

	for (unsigned i = 0; i < KINDS; i++)
		if (kinds[i].protocol == protocol)
			socket = sockets[i][family == 6];
	if (socket < 0)
		return -1;
	memcpy(&six.sin6_addr, address, 16);
	memcpy(&four.sin_addr, address, 4);
	result = family == 6 ? connect(socket, (void *)&six, sizeof(six)) : connect(socket, (void *)&four, sizeof(four));
	result = result ? errno : 0;
	connect(socket, &unspecified, sizeof(unspecified));
	return result;
}

int main(void)
{
	char comm[64], cgroup[4096], address[64];
	unsigned uid, euid, gid, egid;
	int family, protocol, port;

	for (unsigned i = 0; i < KINDS; i++)
		for (int six = 0; six < 2; six++)
			sockets[i][six] = socket(six ? AF_INET6 : AF_INET, kinds[i].type | SOCK_NONBLOCK, kinds[i].protocol);
	setvbuf(stdout, 0, _IOLBF, 0);
	printf("ready\n");
	while (scanf("%u %u %u %u %63s %4095s %d %d %63s %d", &uid, &euid, &gid, &egid, comm, cgroup, &family, &protocol,
		     address, &port) == 10) {
		unsigned char name[16], bytes[16];
		int result;

		move_to(cgroup);
		unhex(comm, name, 15);
		name[15] = 0;
		prctl(PR_SET_NAME, name);
		unhex(address, bytes, sizeof(bytes));
		must(setresgid(gid, egid, 0), "setresgid");
		must(setresuid(uid, euid, 0), "setresuid");
		result = try_connect(family, protocol, bytes, port);
		must(setresuid(0, 0, 0), "setresuid back");
		must(setresgid(0, 0, 0), "setresgid back");
		printf("%d\n", result);
	}
	return 0;
}
