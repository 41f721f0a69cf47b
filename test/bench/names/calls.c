// SPDX-License-Identifier: MIT
/*
 * Makes one kind of system call many times over loopback and prints the CPU time of one, in nanoseconds of this thread:
 * under `-icount shift=0` the number of instructions. Over loopback a send pays for the receiving socket too.
 *
 * usage: calls lookup SUFFIX BYTES CNAMES ADDRESSES new|again
 *                                                     prints what the query takes, and what its answer takes
 *        calls connect 4|6 DESTINATIONS               UDP, to so many in turn, whatever the verdict is
 *        calls send udp|named|tcp BYTES               UDP with a peer, UDP without one, TCP
 *
 * `lookup` prints a line when its resolver holds port 53, and waits for one before it goes on. Each look-up has a name
 * of its own of BYTES bytes that ends with SUFFIX, and addresses in 10.0.0.0/8 of its own, or `again` those of the one
 * before.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOKUPS 100
#define WARM 10
#define TIMES 2000
#define PORT 4711
#define DNS_HEADER 12

static int check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct sockaddr_in loopback(int port, unsigned last)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = {htonl(INADDR_LOOPBACK - 1 + last)},
	};
}

static int bound(int type, int port)
{
	int made = check(socket(AF_INET, type, 0), "socket"), on = 1;
	struct sockaddr_in address = loopback(port, 1);

	setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(made, (void *)&address, sizeof(address)), "bind");
	return made;
}

static int connected(int type, int port)
{
	int made = check(socket(AF_INET, type, 0), "socket");
	struct sockaddr_in address = loopback(port, 1);

	check(connect(made, (void *)&address, sizeof(address)), "connect");
	return made;
}

/* A name of so many bytes in text: a number, fill, and the suffix. Returns the bytes that it has in a message. */
static int put_name(unsigned char *to, const char *suffix, int bytes, int number)
{
	char text[256], *label, *rest = text;
	int at = 0, fill = bytes - 7 - (int)strlen(suffix);

	snprintf(text, sizeof(text), "n%05d%.*s.%s", number, fill > 0 ? fill : 0,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", suffix);
	while ((label = strsep(&rest, "."))) {
		to[at++] = strlen(label);
		memcpy(to + at, label, strlen(label));
		at += strlen(label);
	}
	to[at++] = 0;
	return at;
}

static int put_record(unsigned char *to, int type, int length, const void *data)
{
	unsigned char head[12] = {0xc0, DNS_HEADER, 0, type, 0, 1, 0, 0, 0, 60, 0, length};

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), data, length);
	return sizeof(head) + length;
}

static void look_up(char **words)
{
	int cnames = atoi(words[2]), addresses = atoi(words[3]), resolver = bound(SOCK_DGRAM, 53);
	static const unsigned char edge[] = "\4edge\4test";
	long long asked = 0, answered = 0, begun;
	unsigned char message[4096], received[4096];
	struct sockaddr_in from;
	socklen_t size;
	unsigned next = getpid() << 12, first = next;
	bool again = words[4][0] == 'a';
	int client;

	printf("ready\n");
	fflush(stdout);
	check(read(0, received, sizeof(received)), "read");
	client = connected(SOCK_DGRAM, 53);
	for (int i = 0; i < LOOKUPS + WARM; i++) {
		int end = DNS_HEADER;

		if (i == WARM)
			asked = answered = 0;
		memset(message, 0, DNS_HEADER);
		message[1] = i;
		message[2] = 1;
		message[5] = 1;
		end += put_name(message + end, words[0], atoi(words[1]), i);
		memcpy(message + end, "\0\1\0\1", 4);
		end += 4;
		begun = now();
		check(send(client, message, end, 0), "send");
		asked += now() - begun;
		size = sizeof(from);
		check(recvfrom(resolver, received, sizeof(received), 0, (void *)&from, &size), "recvfrom");
		message[2] = 0x81;
		message[7] = cnames + addresses;
		for (int j = 0; j < cnames; j++)
			end += put_record(message + end, 5, sizeof(edge), edge);
		if (again)
			next = first;
		for (int j = 0; j < addresses; j++) {
			unsigned char address[4] = {10, next >> 16, next >> 8, next};

			next++;
			end += put_record(message + end, 1, 4, address);
		}
		begun = now();
		check(sendto(resolver, message, end, 0, (void *)&from, size), "sendto");
		answered += now() - begun;
		check(recv(client, received, sizeof(received), 0), "recv");
	}
	printf("%lld %lld\n", asked / LOOKUPS, answered / LOOKUPS);
}

static void connect_to(char **words)
{
	int six = words[0][0] == '6', count = atoi(words[1]);
	struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT), .sin6_addr = in6addr_loopback};
	struct sockaddr_in to4 = loopback(PORT, 1);
	int made = check(socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), "socket");
	long long begun = 0;

	for (int i = -WARM * count; i < TIMES; i++) {
		if (!i)
			begun = now();
		to4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(i + WARM * count) % count);
		if (connect(made, six ? (void *)&to6 : (void *)&to4, six ? sizeof(to6) : sizeof(to4)) && errno != EPERM)
			check(-1, "connect");
	}
	printf("%lld\n", (now() - begun) / TIMES);
}

static void send_to(char **words)
{
	int stream = words[0][0] == 't', named = words[0][0] == 'n', bytes = atoi(words[1]);
	int type = stream ? SOCK_STREAM : SOCK_DGRAM, here = bound(type, PORT), there, on = 1;
	struct sockaddr_in to = loopback(PORT, 1);
	static char data[1 << 16];
	long long spent = 0, begun;

	if (stream)
		check(listen(here, 1), "listen");
	there = named ? check(socket(AF_INET, type, 0), "socket") : connected(type, PORT);
	if (stream) {
		setsockopt(there, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		here = check(accept(here, 0, 0), "accept");
	}
	for (int i = -WARM; i < TIMES; i++) {
		if (!i)
			spent = 0;
		begun = now();
		check(sendto(there, data, bytes, 0, named ? (void *)&to : 0, named ? sizeof(to) : 0), "sendto");
		spent += now() - begun;
		check(recv(here, data, sizeof(data), stream ? MSG_DONTWAIT : 0), "recv");
	}
	printf("%lld\n", spent / TIMES);
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "lookup"))
		look_up(argv + 2);
	else if (argc == 4 && !strcmp(argv[1], "connect"))
		connect_to(argv + 2);
	else if (argc == 4 && !strcmp(argv[1], "send"))
		send_to(argv + 2);
	else
		return 2;
	return 0;
}
