/* SPDX-License-Identifier: MIT */
#ifndef ATTEMPT_H
#define ATTEMPT_H

/* Ends the program with what errno says when a step that only prepares fails. */
int must(int result, const char *what);

/* Says "denied" when the error of a connect() is EPERM, else "allowed": there is no route anyway. */
void tell(int result);

/* Connects and prints the result. */
void attempt(void);

/* The same, by a worker of io_uring. */
void attempt_by_worker(void);

/* Makes the program at `path` what /proc/self/exe and mm->exe_file say, without executing it. Needs no privilege. */
void pretend(const char *path);

#endif
