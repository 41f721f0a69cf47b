// SPDX-License-Identifier: MIT
/*
 * prctl(PR_SET_MM_MAP) replaces mm->exe_file when nothing of the old file is mapped any more. In a user namespace of
 * its own any process has the privilege for it.
 */
#include "attempt.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MAPPINGS 16

/* Puts a copy in memory in the place of each mapping of our own file; we go on as if nothing had happened. */
static void leave_file(void)
{
	struct mapping {
		unsigned long start, end;
		int rights;
	} mappings[MAPPINGS];
	char line[512], letters[5], own[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	long length = must(readlink("/proc/self/exe", own, sizeof(own) - 1), "/proc/self/exe");
	int count = 0;

	must(maps ? 0 : -1, "/proc/self/maps");
	own[length] = 0;
	while (fgets(line, sizeof(line), maps)) {
		struct mapping *each = &mappings[count];

		if (!strstr(line, own) || count == MAPPINGS ||
		    sscanf(line, "%lx-%lx %4s", &each->start, &each->end, letters) != 3)
			continue;
		each->rights = (letters[0] == 'r' ? PROT_READ : 0) | (letters[1] == 'w' ? PROT_WRITE : 0) |
			       (letters[2] == 'x' ? PROT_EXEC : 0);
		count++;
	}
	fclose(maps);
	for (int i = 0; i < count; i++) {
		size_t size = mappings[i].end - mappings[i].start;
		char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(copy == MAP_FAILED ? -1 : 0, "mmap");
		memcpy(copy, (void *)mappings[i].start, size);
		must(mprotect(copy, size, mappings[i].rights), "mprotect");
		must(mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, mappings[i].start) == MAP_FAILED ? -1 : 0,
		     "mremap");
	}
}

/* Field `wanted` of /proc/self/stat, as proc(5) numbers them. */
static unsigned long field(const char *stat, int wanted)
{
	const char *at = strrchr(stat, ')') + 1;

	for (int i = 3; i < wanted; i++)
		at = strchr(at + 1, ' ');
	return strtoul(at, NULL, 10);
}

void pretend(const char *path)
{
	struct prctl_mm_map layout = {.auxv = NULL, .auxv_size = 0};
	char stat[2048] = {};
	int file;

	file = must(open(path, O_RDONLY), path);
	must(unshare(CLONE_NEWUSER), "unshare");
	layout.exe_fd = file;
	file = must(open("/proc/self/stat", O_RDONLY), "/proc/self/stat");
	must(read(file, stat, sizeof(stat) - 1), "/proc/self/stat");
	layout.start_code = field(stat, 26);
	layout.end_code = field(stat, 27);
	layout.start_stack = field(stat, 28);
	layout.start_data = field(stat, 45);
	layout.end_data = field(stat, 46);
	layout.start_brk = field(stat, 47);
	layout.brk = (unsigned long)sbrk(0);
	layout.arg_start = field(stat, 48);
	layout.arg_end = field(stat, 49);
	layout.env_start = field(stat, 50);
	layout.env_end = field(stat, 51);
	leave_file();
	must(prctl(PR_SET_MM, PR_SET_MM_MAP, &layout, sizeof(layout), 0), "PR_SET_MM_MAP");
	/* Or the trick has failed and there is nothing to test. */
	memset(stat, 0, sizeof(stat));
	must(readlink("/proc/self/exe", stat, sizeof(stat) - 1), "/proc/self/exe");
	if (strcmp(stat, path)) {
		fprintf(stderr, "/proc/self/exe is %s\n", stat);
		exit(2);
	}
}
