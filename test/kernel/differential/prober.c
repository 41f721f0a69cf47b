// SPDX-License-Identifier: MIT
/*
 * Connects or opens a socket as the subject that it is asked to be, and prints the error. The sockets to connect with
 * are made when it starts, so that only connect() is judged. Nothing is sent to any address but loopback: there is no
 * route.
 *
 * Standard input, a line each: UID EUID FSUID GID EGID FSGID GROUPS COMM CGROUP FAMILY PROTOCOL ADDRESS PORT KIND
 * GROUPS is - or a list such as 7,8. COMM and ADDRESS are hexadecimal, CGROUP is the directory to be in, FAMILY 4 or 6.
 * KIND is 0 for a connection, else an enum socket_kind: then PORT chooses among the ways to open one. Standard output,
 * a line each: the errno of the system call, 0, or -1 where this kernel has no such socket.
 *
 * It keeps its capabilities as any user, so that nothing but a policy answers EPERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	int protocol, type;
} kinds[] = {
	{1, SOCK_DGRAM}, {58, SOCK_DGRAM},   {6, SOCK_STREAM},	{17, SOCK_DGRAM},
	{33, 6},	 {132, SOCK_STREAM}, {136, SOCK_DGRAM}, {255, SOCK_RAW},
};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

static int sockets[KINDS][2];

/* As in bpf/program/wire.h. */
enum { SOCKET_RAW = 1, SOCKET_PACKET = 2, SOCKET_OTHER = 3, SOCKET_SOURCE_ROUTE = 4 };

#define PROTOCOL_SCTP 132
#define PROTOCOL_OWN 255
#define ROUTING_HEADER 57

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

static void set_groups(const char *list)
{
	gid_t groups[128];
	int count = 0;

	for (const char *at = list; *at && *at != '-' && count < 128; at++) {
		groups[count++] = strtoul(at, (char **)&at, 10);
		if (!*at)
			break;
	}
	must(setgroups(count, groups), "setgroups");
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

static int socket_of(int protocol, int six)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (kinds[i].protocol == protocol)
			return sockets[i][six];
	return -1;
}

static int try_connect(int family, int protocol, const unsigned char *address, int port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
	int socket = socket_of(protocol, family == 6), result;

	if (socket < 0)
		return -1;
	memcpy(&six.sin6_addr, address, 16);
	memcpy(&four.sin_addr, address, 4);
	result =
		family == 6 ? connect(socket, (void *)&six, sizeof(six)) : connect(socket, (void *)&four, sizeof(four));
	result = result ? errno : 0;
	connect(socket, &unspecified, sizeof(unspecified));
	return result;
}

static int error_of(int result)
{
	return result < 0 ? errno : 0;
}

static int try_open(int family, int type, int protocol)
{
	int socket_ = socket(family, type, protocol), error = error_of(socket_);

	close(socket_);
	return error;
}

static int try_option(int socket_, int level, int option, const void *value, int length)
{
	return error_of(setsockopt(socket_, level, option, value, length));
}

/* Every way that the kernel side takes for one of this kind; whatever is no EPERM was not denied. */
static int try_kind(int kind, int way)
{
	int six = way & 1, family = six ? AF_INET6 : AF_INET;
	const int on = 1;

	switch (kind) {
	case SOCKET_RAW:
		if (way & 2)
			return try_option(socket_of(PROTOCOL_OWN, 0), IPPROTO_IP, IP_HDRINCL, &on, sizeof(on));
		return try_open(family, SOCK_RAW, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	case SOCKET_PACKET:
		return six ? try_open(AF_XDP, SOCK_RAW, 0) : try_open(AF_PACKET, way & 2 ? SOCK_DGRAM : SOCK_RAW, 0);
	case SOCKET_OTHER:
		return way & 2 ? try_open(AF_VSOCK, SOCK_STREAM, 0) : try_open(family, SOCK_STREAM, PROTOCOL_SCTP);
	case SOCKET_SOURCE_ROUTE:
		if (six)
			return try_option(socket_of(IPPROTO_UDP, 1), IPPROTO_IPV6, ROUTING_HEADER, 0, 0);
		return try_option(socket_of(IPPROTO_UDP, 0), IPPROTO_IP, IP_OPTIONS, 0, 0);
	}
	return -1;
}

int main(void)
{
	char comm[64], cgroup[4096], address[64];
	char groups[2048];
	unsigned uid, euid, fsuid, gid, egid, fsgid;
	int family, protocol, port, kind;

	for (unsigned i = 0; i < KINDS; i++)
		for (int six = 0; six < 2; six++)
			sockets[i][six] =
				socket(six ? AF_INET6 : AF_INET, kinds[i].type | SOCK_NONBLOCK, kinds[i].protocol);
	must(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP), "PR_SET_SECUREBITS");
	setvbuf(stdout, 0, _IOLBF, 0);
	printf("ready\n");
	while (scanf("%u %u %u %u %u %u %2047s %63s %4095s %d %d %63s %d %d", &uid, &euid, &fsuid, &gid, &egid, &fsgid,
		     groups, comm, cgroup, &family, &protocol, address, &port, &kind) == 14) {
		unsigned char name[16], bytes[16];
		int result;

		move_to(cgroup);
		unhex(comm, name, 15);
		name[15] = 0;
		prctl(PR_SET_NAME, name);
		unhex(address, bytes, sizeof(bytes));
		set_groups(groups);
		must(setresgid(gid, egid, 0), "setresgid");
		setfsgid(fsgid);
		must(setresuid(uid, euid, 0), "setresuid");
		setfsuid(fsuid);
		result = kind ? try_kind(kind, port) : try_connect(family, protocol, bytes, port);
		must(setresuid(0, 0, 0), "setresuid back");
		must(setresgid(0, 0, 0), "setresgid back");
		printf("%d\n", result);
	}
	return 0;
}
