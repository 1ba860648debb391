/* SPDX-License-Identifier: MIT */
/*
 * judge.h - do both kernels give the same?
 */
#ifndef FUZZ_JUDGE_H
#define FUZZ_JUDGE_H

#include "run.h"

enum outcome {
    SAME,
    SAME_PATIENTLY, /* when both were waited for */
    UNSTEADY,       /* Linux differs from itself: the program does not count */
    DIFFERENT,
    VERDICTS
};

/* Where two logs differ; a side that has no such entry has a NULL. */
struct difference {
    const struct entry *linux_, *emu;
    const char *what;
};

struct judge {
    struct side uring, emu;
    struct log uring_log, emu_log, second_log;
    struct difference difference; /* of what was DIFFERENT; in the logs */
};

void judge_prepare(struct judge *judge, const char *directory);
void judge_finish(struct judge *judge, const char *directory);

enum outcome judge_program(struct judge *judge, const struct program *program);

/* bare.c: Linux's ring, and nothing of ours in it */
int bare_open(struct kernel **kernel, const struct kernel_options *options);

/* compare.c: true if they are the same but for docs/DIFFERENCES.md. */
bool logs_are_same(const struct program *program, const struct log *linux_,
                   const struct log *emu, struct difference *difference);

/* print.c */
void print_request(const struct program *program, unsigned id);
void print_entry(const struct program *program, const struct entry *entry);
void print_logs(const struct program *program, const struct log *linux_,
                const struct log *emu);

/* shrink.c: leave requests out as long as it is still different. */
void shrink(struct judge *judge, struct program *program);

/* census.c */
struct census {
    uint64_t opcodes[256], flags[8];
    uint64_t programs, with_links, with_cancels, requests;
};

void census_count(struct census *census, const struct program *program,
                  uint64_t muted);
void census_add(struct census *sum, const struct census *census);
void census_print(const struct census *census);
/* Does each opcode come 1,000 times, each flag 5,000 times, and links and
 * cancels in 30 of 100 programs? Tells what does not. */
bool census_is_met(const struct census *census);

#endif
