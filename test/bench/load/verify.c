// SPDX-License-Identifier: MIT
/*
 * Loads a BPF object as libbpf does and prints what the verifier took for each program, as JSON.
 *
 * usage: verify OBJECT
 */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG_STATS 4
#define LOG_SIZE 65536
#define MAX_PROGRAMS 64

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static double milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static long number_after(const char *log, const char *words)
{
	const char *found = strstr(log, words);

	return found ? atol(found + strlen(words)) : -1;
}

int main(int argc, char **argv)
{
	static char logs[MAX_PROGRAMS][LOG_SIZE];
	struct bpf_program *program;
	struct bpf_object *object;
	double begun, opened;
	unsigned count = 0;

	if (argc != 2)
		return 2;
	libbpf_set_print(quiet);
	begun = milliseconds();
	object = bpf_object__open_file(argv[1], 0);
	if (!object)
		return 1;
	opened = milliseconds();
	bpf_object__for_each_program(program, object)
	{
		if (count == MAX_PROGRAMS)
			return 1;
		bpf_program__set_log_buf(program, logs[count++], LOG_SIZE);
		bpf_program__set_log_level(program, LOG_STATS);
	}
	if (bpf_object__load(object))
		return 1;
	printf("{\"open\": %.3f, \"load\": %.3f, \"programs\": [", opened - begun, milliseconds() - opened);
	count = 0;
	bpf_object__for_each_program(program, object)
	{
		const char *log = logs[count];

		printf("%s{\"name\": \"%s\", \"microseconds\": %ld, \"instructions\": %ld}", count++ ? ", " : "",
		       bpf_program__name(program), number_after(log, "verification time "),
		       number_after(log, "processed "));
	}
	printf("]}\n");
	bpf_object__close(object);
	return 0;
}
