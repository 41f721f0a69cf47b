// SPDX-License-Identifier: MIT
/*
 * Tries to connect after a trick that confuses who is connecting, and says "allowed" or "denied".
 *
 * usage: attempt connect            as it is
 *        attempt named NAME         after it has named itself
 *        attempt pretend PATH [uring]  after it has put another program into mm->exe_file
 *        attempt memfd NAME         as a copy in memory that has no file
 *        attempt deleted PATH       as the program at PATH, which is unlinked before it starts
 *        attempt fork               by a child that executes nothing
 *        attempt start PATH         by a child that executes PATH
 *        attempt thread             by a second thread
 *        attempt exec-in-thread     by what a second thread executes: this program again
 *        attempt without-leader     by a second thread, when the first has ended
 *        attempt uring              by a worker of io_uring
 *        attempt later              when it has read a byte from standard input
 *        attempt open PATH          as the program at PATH, by a descriptor of it
 *        attempt share-memory PATH  while another process that shares its memory puts the program into mm->exe_file
 *        attempt share-root PATH    as the program at PATH, while a process in a user namespace of its own can change
 * its root
 */
#include "attempt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *self;

int must(int result, const char *what)
{
	if (result >= 0)
		return result;
	perror(what);
	exit(2);
}

void tell(int error)
{
	puts(error == EPERM ? "denied" : "allowed");
	fflush(stdout);
}

void attempt(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	int sock = must(socket(AF_INET, SOCK_DGRAM, 0), "socket");

	inet_pton(AF_INET, "203.0.113.9", &to.sin_addr);
	tell(connect(sock, (void *)&to, sizeof(to)) ? errno : 0);
}

static void execute(int file, const char *name)
{
	char *words[] = {(char *)name, "connect", NULL};
	char *nothing[] = {NULL};

	fexecve(file, words, nothing);
	must(-1, "fexecve");
}

static void attempt_from_memory(const char *name)
{
	int file = must(open(self, O_RDONLY), self), memory = must(memfd_create(name, MFD_CLOEXEC), "memfd_create");

	while (must(sendfile(memory, file, NULL, 1 << 20), "sendfile") > 0)
		;
	execute(memory, name);
}

static void attempt_as_deleted(const char *path)
{
	int file = must(open(path, O_RDONLY | O_CLOEXEC), path);

	must(unlink(path), path);
	execute(file, path);
}

static void attempt_in_child(const char *path)
{
	pid_t child = must(fork(), "fork");
	int status;

	if (!child) {
		if (path)
			must(execl(path, path, "connect", NULL), path);
		attempt();
		_exit(0);
	}
	must(waitpid(child, &status, 0), "waitpid");
	exit(status ? 2 : 0);
}

static void attempt_with_shared_root(const char *path)
{
	pid_t child;
	int status;

	must(unshare(CLONE_NEWUSER), "unshare");
	child = must(syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0), "clone");
	if (!child)
		must(execl(path, path, "connect", NULL), path);
	must(waitpid(child, &status, 0), "waitpid");
	exit(status ? 2 : 0);
}

/* Tells whether it may replace mm->exe_file, which fails in any case: our own file is still mapped. */
static int replace_file(void *path)
{
	int file = open(path, O_RDONLY);

	tell(prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, file, 0, 0) ? errno : 0);
	_exit(0);
}

static void attempt_with_shared_memory(const char *path)
{
	static char stack[1 << 16];
	int status;

	must(clone(replace_file, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)path), "clone");
	must(wait(&status), "wait");
	attempt();
}

static void *attempt_here(void *nothing)
{
	attempt();
	return nothing;
}

static void *execute_again(void *nothing)
{
	must(execl(self, self, "connect", NULL), self);
	return nothing;
}

static void *attempt_alone(void *nothing)
{
	/* The first thread has nothing more to do than to end. */
	usleep(200000);
	attempt();
	exit(0);
	return nothing;
}

static void in_thread(void *(*work)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, NULL))
		must(-1, "pthread_create");
	if (work == attempt_alone)
		pthread_exit(NULL);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	const char *trick = argc > 1 ? argv[1] : "connect", *argument = argc > 2 ? argv[2] : NULL;

	self = argv[0];
	if (!strcmp(trick, "named")) {
		must(prctl(PR_SET_NAME, argument), "prctl");
		attempt();
	} else if (!strcmp(trick, "pretend")) {
		pretend(argument);
		if (argc > 3)
			attempt_by_worker();
		else
			attempt();
	} else if (!strcmp(trick, "memfd")) {
		attempt_from_memory(argument);
	} else if (!strcmp(trick, "deleted")) {
		attempt_as_deleted(argument);
	} else if (!strcmp(trick, "fork") || !strcmp(trick, "start")) {
		attempt_in_child(argument);
	} else if (!strcmp(trick, "thread")) {
		in_thread(attempt_here);
	} else if (!strcmp(trick, "exec-in-thread")) {
		in_thread(execute_again);
	} else if (!strcmp(trick, "without-leader")) {
		in_thread(attempt_alone);
	} else if (!strcmp(trick, "uring")) {
		attempt_by_worker();
	} else if (!strcmp(trick, "later")) {
		char byte;

		must(read(0, &byte, 1), "read");
		attempt();
	} else if (!strcmp(trick, "open")) {
		execute(must(open(argument, O_RDONLY | O_CLOEXEC), argument), argument);
	} else if (!strcmp(trick, "share-root")) {
		attempt_with_shared_root(argument);
	} else if (!strcmp(trick, "share-memory")) {
		attempt_with_shared_memory(argument);
	} else {
		attempt();
	}
	return 0;
}
