// SPDX-License-Identifier: MIT
/* io_uring by bare system calls, with a connect() that is not tried by the caller first but handed to a worker. */
#include "attempt.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *map(int ring, size_t size, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);

	must(memory == MAP_FAILED ? -1 : 0, "mmap");
	return memory;
}

void attempt_by_worker(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct io_uring_params given = {};
	struct io_uring_sqe *submissions;
	struct io_uring_cqe *completions;
	char *submit, *complete;
	unsigned int head;
	int ring;

	inet_pton(AF_INET, "203.0.113.9", &to.sin_addr);
	ring = must(syscall(SYS_io_uring_setup, 1, &given), "io_uring_setup");
	submit = map(ring, given.sq_off.array + given.sq_entries * sizeof(unsigned int), IORING_OFF_SQ_RING);
	complete = map(ring, given.cq_off.cqes + given.cq_entries * sizeof(*completions), IORING_OFF_CQ_RING);
	submissions = map(ring, given.sq_entries * sizeof(*submissions), IORING_OFF_SQES);
	completions = (void *)(complete + given.cq_off.cqes);
	submissions[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT,
		.flags = IOSQE_ASYNC,
		.fd = must(socket(AF_INET, SOCK_DGRAM, 0), "socket"),
		.addr = (unsigned long)&to,
		.off = sizeof(to),
	};
	((unsigned int *)(submit + given.sq_off.array))[0] = 0;
	__atomic_store_n((unsigned int *)(submit + given.sq_off.tail), 1, __ATOMIC_SEQ_CST);
	must(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), "io_uring_enter");
	head = *(unsigned int *)(complete + given.cq_off.head);
	tell(-completions[head & *(unsigned int *)(complete + given.cq_off.ring_mask)].res);
}
