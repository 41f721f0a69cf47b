// SPDX-License-Identifier: MIT
/* Rings that a process shares with the kernel and fills with whole packets. They need CAP_NET_RAW. */
#include "egress.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FRAME_SIZE 2048
#define FRAMES 2

static void *map_memory(size_t size, int flags, int fd, off_t offset)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset);

	step("mmap", memory == MAP_FAILED ? -1 : 0);
	return memory;
}

/* What process and kernel share, and where the kernel looks. Each vector has a process of its own, so one will do. */
static struct {
	unsigned char *frames;
	struct xdp_desc *descriptors;
	unsigned int *producer;
} shared;

static int packet_ring_open(void)
{
	int fd = open_socket(AF_PACKET, SOCK_DGRAM, 0), version = TPACKET_V2;
	struct tpacket_req ring = {
		.tp_block_size = FRAMES * FRAME_SIZE,
		.tp_block_nr = 1,
		.tp_frame_size = FRAME_SIZE,
		.tp_frame_nr = FRAMES,
	};

	set_option(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version));
	set_option(fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof(ring));
	shared.frames = map_memory(FRAMES * FRAME_SIZE, MAP_SHARED, fd, 0);
	return fd;
}

static void send_packet_ring(int fd)
{
	struct tpacket2_hdr *header = (struct tpacket2_hdr *)shared.frames;
	struct sockaddr_ll destination = every_neighbour();

	header->tp_len = ipv4_datagram(shared.frames + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), EVIL_IPV4);
	__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	step("sendto", sendto(fd, NULL, 0, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

static void packet_ring(int)
{
	send_packet_ring(packet_ring_open());
}

/* Straight to the driver: what listens on the interface at this end is not shown it. */
static void packet_bypass(int)
{
	unsigned char packet[128];
	size_t length = ipv4_datagram(packet, EVIL_IPV4);
	int fd = open_socket(AF_PACKET, SOCK_DGRAM, 0), yes = 1;
	struct sockaddr_ll destination = every_neighbour();

	set_option(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
	step("sendto", sendto(fd, packet, length, 0, (struct sockaddr *)&destination, sizeof(destination)));
}

/* A queue of an interface takes one socket, and is free again some time after that was closed. */
static int xdp_open_on(const char *interface)
{
	int fd = open_socket(AF_XDP, SOCK_RAW, 0), entries = FRAMES;
	struct xdp_umem_reg memory = {.len = FRAMES * 4096, .chunk_size = 4096};
	struct sockaddr_xdp here = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY};
	struct xdp_mmap_offsets offsets;
	socklen_t size = sizeof(offsets);
	unsigned char *ring;

	shared.frames = map_memory(memory.len, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory.addr = (unsigned long)shared.frames;
	set_option(fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory));
	set_option(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof(entries));
	set_option(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof(entries));
	set_option(fd, SOL_XDP, XDP_TX_RING, &entries, sizeof(entries));
	step("getsockopt", getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size));
	ring = map_memory(offsets.tx.desc + FRAMES * sizeof(struct xdp_desc), MAP_SHARED, fd, XDP_PGOFF_TX_RING);
	shared.descriptors = (struct xdp_desc *)(ring + offsets.tx.desc);
	shared.producer = (unsigned int *)(ring + offsets.tx.producer);
	here.sxdp_ifindex = if_nametoindex(interface);
	while (note("bind", bind(fd, (struct sockaddr *)&here, sizeof(here))) < 0 && errno == EBUSY)
		usleep(1000);
	return fd;
}

static int xdp_open(void)
{
	return xdp_open_on(OUR_INTERFACE);
}

static int xdp_open_second(void)
{
	return xdp_open_on(SECOND_INTERFACE);
}

static void fill_xdp(void)
{
	static const unsigned char ethernet[ETH_HLEN] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};

	memcpy(shared.frames, ethernet, sizeof(ethernet));
	shared.descriptors[0] = (struct xdp_desc){
		.len = ETH_HLEN + ipv4_datagram(shared.frames + ETH_HLEN, EVIL_IPV4),
	};
	__atomic_store_n(shared.producer, 1, __ATOMIC_RELEASE);
}

static void send_xdp(int fd)
{
	fill_xdp();
	step("sendto", sendto(fd, NULL, 0, MSG_DONTWAIT, NULL, 0));
}

static void xdp_send(int)
{
	send_xdp(xdp_open());
}

static void poll_xdp(int fd)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};

	fill_xdp();
	step("poll", poll(&writable, 1, 1000));
}

static void xdp_poll(int)
{
	poll_xdp(xdp_open_second());
}

const struct vector ring_vectors[] = {
	{"packet_ring", packet_ring},
	{"packet_ring_prepared", send_packet_ring, packet_ring_open},
	{"packet_bypass", packet_bypass},
	/* These first: as long as they live, the others can't have their queue. */
	{"xdp_prepared_send", send_xdp, xdp_open},
	{"xdp_prepared_poll", poll_xdp, xdp_open_second},
	{"xdp_send", xdp_send},
	{"xdp_poll", xdp_poll},
	{},
};
