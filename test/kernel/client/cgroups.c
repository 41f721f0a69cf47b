// SPDX-License-Identifier: MIT
/*
 * Makes cgroups as a user who was given one.
 *
 * usage: cgroups HOW TIMES DIRECTORY UID
 *
 * HOW: chain, each in the one before; churn, made and removed at once; wide, all in one, "wide/inner-0" and so on.
 * unchain and unwide remove them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static void chain(unsigned long times, int make)
{
	for (unsigned long i = 0; make && i < times; i++) {
		must(mkdir("link", 0755), "mkdir");
		must(chdir("link"), "chdir");
	}
	if (make)
		return;
	for (unsigned long i = 0; i < times; i++)
		must(chdir("link"), "chdir");
	for (unsigned long i = 0; i < times; i++) {
		must(chdir(".."), "chdir");
		must(rmdir("link"), "rmdir");
	}
}

static void wide(unsigned long times, int make)
{
	char name[32];

	if (make)
		must(mkdir("wide", 0755), "mkdir");
	must(chdir("wide"), "chdir");
	for (unsigned long i = 0; i < times; i++) {
		snprintf(name, sizeof(name), "inner-%lu", i);
		must(make ? mkdir(name, 0755) : rmdir(name), name);
	}
}

static void churn(unsigned long times)
{
	for (unsigned long i = 0; i < times; i++) {
		must(mkdir("churn", 0755), "mkdir");
		must(rmdir("churn"), "rmdir");
	}
}

int main(int argc, char **argv)
{
	unsigned long times;
	int uid;

	if (argc != 5)
		return 2;
	times = strtoul(argv[2], 0, 10);
	uid = atoi(argv[4]);
	must(chdir(argv[3]), argv[3]);
	must(setresgid(uid, uid, uid), "setresgid");
	must(setresuid(uid, uid, uid), "setresuid");
	if (!strcmp(argv[1], "churn"))
		churn(times);
	else if (strstr(argv[1], "chain"))
		chain(times, argv[1][0] != 'u');
	else
		wide(times, argv[1][0] != 'u');
	return 0;
}
