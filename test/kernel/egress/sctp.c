// SPDX-License-Identifier: MIT
#include "egress.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sctp.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#ifndef IPPROTO_SCTP
#define IPPROTO_SCTP 132
#endif
#define SCTP_STREAM (SOCK_STREAM | SOCK_NONBLOCK)
#define SCTP_MANY (SOCK_SEQPACKET | SOCK_NONBLOCK)

static void sctp_connect(int)
{
	connect_ipv4(open_socket(AF_INET, SCTP_STREAM, IPPROTO_SCTP), EVIL_IPV4);
}

static void sctp6_connect(int)
{
	connect_ipv6(open_socket(AF_INET6, SCTP_STREAM, IPPROTO_SCTP), EVIL_IPV6);
}

static void sctp_connect_many(int)
{
	connect_ipv4(open_socket(AF_INET, SCTP_MANY, IPPROTO_SCTP), EVIL_IPV4);
}

/* The protocol is the only one of this type. */
static void sctp_connect_unnamed(int)
{
	connect_ipv4(open_socket(AF_INET, SCTP_MANY, 0), EVIL_IPV4);
}

/* ./network has the peer that may be reached not answer, so that the kernel tries the next address of an association.
 */
static void wait_for_retry(void)
{
	poll(NULL, 0, 300);
}

static void connect_all(const char *first, const char *second)
{
	struct sockaddr_in addresses[2] = {ipv4(first), ipv4(second)};
	int fd = open_socket(AF_INET, SCTP_STREAM, IPPROTO_SCTP);
	int result = setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_CONNECTX, addresses, sizeof(addresses));

	step("connectx", result && errno == EINPROGRESS ? 0 : result);
	wait_for_retry();
}

static void sctp_connectx_first(int)
{
	connect_all(EVIL_IPV4, OK_IPV4);
}

static void sctp_connectx_second(int)
{
	connect_all(OK_IPV4, EVIL_IPV4);
}

/* A socket of many associations makes one when something is sent. */
static void sctp_sendto(int)
{
	send_ipv4(open_socket(AF_INET, SCTP_MANY, IPPROTO_SCTP), EVIL_IPV4);
}

/* And so does one of one association. */
static void sctp_stream_sendto(int)
{
	send_ipv4(open_socket(AF_INET, SCTP_STREAM, IPPROTO_SCTP), EVIL_IPV4);
}

static void sctp_sendto_ok(int)
{
	send_ipv4(open_socket(AF_INET, SCTP_MANY, IPPROTO_SCTP), OK_IPV4);
}

/* Another address of the same peer, as ancillary data. */
static void sctp_message_second(int)
{
	struct sockaddr_in destination = ipv4(OK_IPV4), second = ipv4(EVIL_IPV4);
	unsigned char control[CMSG_SPACE(sizeof(second.sin_addr))] __attribute__((aligned(8))) = {};
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct msghdr message = {
		.msg_name = &destination,
		.msg_namelen = sizeof(destination),
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = IPPROTO_SCTP;
	header->cmsg_type = SCTP_DSTADDRV4;
	header->cmsg_len = CMSG_LEN(sizeof(second.sin_addr));
	memcpy(CMSG_DATA(header), &second.sin_addr, sizeof(second.sin_addr));
	step("sendmsg", sendmsg(open_socket(AF_INET, SCTP_MANY, IPPROTO_SCTP), &message, 0));
	wait_for_retry();
}

static int sctp_connected(void)
{
	int fd = open_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);

	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

static void sctp_prepared_send(int fd)
{
	send_to(fd, 0, NULL, 0);
}

/* The first of two associations; the socket has the second one's address as its peer. */
static int sctp_connected_twice(void)
{
	int fd = open_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP), flags;

	connect_ipv4(fd, EVIL_IPV4);
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	connect_ipv4(fd, OK_IPV4);
	return fd;
}

/* By its number, as ancillary data. */
static void sctp_send_first(int fd)
{
	struct sctp_assoc_ids *ids;
	unsigned char bytes[sizeof(*ids) + 8 * sizeof(sctp_assoc_t)] = {};
	socklen_t size = sizeof(bytes);
	struct sctp_sndinfo info = {};
	unsigned char control[CMSG_SPACE(sizeof(info))] __attribute__((aligned(8))) = {};
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct msghdr message = {
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	ids = (void *)bytes;
	step("getsockopt", getsockopt(fd, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, ids, &size));
	info.snd_assoc_id = ids->gaids_assoc_id[0];
	header->cmsg_level = IPPROTO_SCTP;
	header->cmsg_type = SCTP_SNDINFO;
	header->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(header), &info, sizeof(info));
	step("sendmsg", sendmsg(fd, &message, MSG_NOSIGNAL));
}

const struct vector sctp_vectors[] = {
	{"sctp_connect", sctp_connect},
	{"sctp6_connect", sctp6_connect},
	{"sctp_connect_many", sctp_connect_many},
	{"sctp_connect_unnamed", sctp_connect_unnamed},
	{"sctp_connectx_first", sctp_connectx_first},
	{"sctp_connectx_second", sctp_connectx_second},
	{"sctp_sendto", sctp_sendto},
	{"sctp_stream_sendto", sctp_stream_sendto},
	{"sctp_sendto_ok", sctp_sendto_ok},
	{"sctp_message_second", sctp_message_second},
	{"sctp_prepared_number", sctp_send_first, sctp_connected_twice, .listener = IPPROTO_SCTP},
	{"sctp_prepared_send", sctp_prepared_send, sctp_connected, .listener = IPPROTO_SCTP},
	{},
};
