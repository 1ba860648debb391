/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the benchmarks share
 *
 * A bench is a list of cases ("batch 32"), a case a list of contenders ("gyre,
 * callbacks", "by hand"), of which one is the limit that the others are
 * measured by. One sample of a contender is taken in a child process of its
 * own, and says how much CPU time how many operations took. Samples are taken
 * in rounds, A B C A B C, so that a noisy machine is noisy to all alike, and
 * what is reported is first of all ratios: of the medians, and of the minima,
 * since noise can only add.
 *
 *   main.c          the command line
 *   run.c           rounds of samples, each in a child
 *   peer.c peers/   contenders that are programs of their own, in any language
 *   report.c        medians, minima, ratios; a table, or JSON
 *   instructions.c  user-space instructions, by callgrind
 *   calls.c         system calls, by a counter of Linux's
 *   flight.c        requests, so many under way at a time
 *   nop.c timers.c switch.c spawn.c echo.c reads.c sharing.c post.c pingpong.c
 *   tree.c          benches, gyre's contenders
 *   by_hand_uring.c, *_by_*.c   the others
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <gyre/loop.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define NS_PER_S UINT64_C(1000000000)
#define ENGINES_MAX 64

/* A sample lasts for so many ns, or operations, whichever ends first; 0 is no
 * limit. */
struct budget {
    uint64_t ns;
    uint64_t ops;
};

struct sample {
    const struct contender *by; /* whose it is */
    uint64_t ops;
    uint64_t cpu_ns;  /* or bytes, if the case says so */
    uint64_t wall_ns; /* 0: nobody looked */
    uint64_t calls;   /* of the kernel; CALLS_UNKNOWN: nobody counted */
    int64_t pid;      /* of the process that did the work */
};

#define CALLS_UNKNOWN UINT64_MAX

struct bench_case;
struct box_class;
struct echo_job;
struct engines_job;
struct flight;

struct contender {
    const char *name;
    /* Take a sample: 0, or a negative errno if it cannot be had here. NULL: ask
     * the program `peer` (peers/) for its test of this name. */
    int (*take)(const struct bench_case *of, const struct budget *budget,
                struct sample *sample);
    /* What `take` is to take, if several share one; it finds it by sample->by.
     */
    union {
        const struct box_class *box;
        int (*serve)(struct echo_job *job);
        int (*serve_engines)(const struct engines_job *job);
        void (*begin)(struct flight *flight, unsigned i);
        uint64_t (*chunk)(void *arg);
    };
    const char *peer;
    const char *test;
    const char *kernel; /* GYRE_KERNEL for it; NULL: as it comes */
    const char *loop;   /* options of its loops (--loop), or NULL */
    bool is_limit;
    /* Valgrind cannot run it: while one of its threads waits in its ring, it
     * runs no other. */
    bool uncounted;
};

struct bench_case {
    const char *name;
    const struct contender *contenders;
    unsigned count;
    /* What these mean is the bench's own affair. */
    unsigned n;
    unsigned size;
    unsigned chunk; /* operations between two looks at the clock */
    bool in_bytes;  /* of memory, not in ns of CPU time */
    bool in_wall;   /* ns by the clock on the wall: who waits is not idle */
    bool one_cpu;   /* for all threads */
    bool engines;   /* n is what --engines says */
    bool anew;      /* a connection for each operation */
};

struct bench {
    const char *name;
    const char *unit; /* what an operation is */
    const struct bench_case *cases;
    unsigned count;
    double seconds; /* of one sample, unless told otherwise */
    unsigned rounds;
    uint64_t instruction_ops; /* a run under callgrind: so many, and twice */
    bool engines;             /* it is of several threads: --engines */
};

extern const struct bench bench_nop;
extern const struct bench bench_timers;
extern const struct bench bench_switch;
extern const struct bench bench_spawn;
extern const struct bench bench_mutex;
extern const struct bench bench_channel;
extern const struct bench bench_echo;
extern const struct bench bench_echo_engines; /* of several threads */
extern const struct bench bench_http;
extern const struct bench bench_reads;
extern const struct bench bench_sharing;
extern const struct bench bench_post;
extern const struct bench bench_pingpong;
extern const struct bench bench_tree;

/* What was measured of one contender of one case. */
struct series {
    struct sample *samples;
    unsigned count;
    int error;           /* why there are none */
    double instructions; /* for each operation in user space; 0: not asked */
    double calls;        /* of the kernel, counted; < 0: not asked */
};

int bench_main(int argc, char **argv);

/* The options of the loops of gyre's contenders, in a sample's process. */
extern gyre_loop_options bench_loop;

/* What --engines says. */
extern unsigned bench_engines;

/* ---- run.c -------------------------------------------------------------- */

/* Take `rounds` samples of each contender; series[i] is of contender i. 0, or a
 * negative errno. */
int run_case(const struct bench_case *of, unsigned rounds, uint64_t ns,
             struct series *series);

uint64_t wall_ns(void);
uint64_t cpu_ns(void); /* of this process, all threads */
uint64_t cpu_ns_of(int64_t pid);

/* Measure `chunk(arg)`, which does some operations and returns how many, again
 * and again until the budget is used up; after one that is not counted. */
void measure(const struct budget *budget, uint64_t (*chunk)(void *arg),
             void *arg, struct sample *sample);

/* One sample in a child of its own. */
int take_one(const struct bench_case *of, const struct contender *contender,
             uint64_t ns, struct sample *sample);

/* Let a contender of `of` take its sample, in this process. */
int take_sample(const struct bench_case *of, const struct contender *contender,
                const struct budget *budget, struct sample *sample);

/* ---- peer.c ------------------------------------------------------------- */

/* A sample of a contender that has a `peer`. -ENOENT: the peer was not built;
 * -ENOTSUP: it has no such test; -EPROTO: it is another's peer. */
int peer_take(const struct bench_case *of, const struct contender *contender,
              const struct budget *budget, struct sample *sample);

/* Where the program of a peer is: 0; -ENOENT: nowhere. */
int peer_find(const char *peer, char *path, size_t size);

/* The package that a peer is built with, by its name in Debian if it is there.
 */
const char *peer_package(const char *peer);

/* ---- report.c ----------------------------------------------------------- */

void report_begin(const struct bench *bench, bool json, unsigned rounds,
                  double seconds);
void report_case(const struct bench_case *of, const struct series *series,
                 bool json, bool first);
void report_end(bool json);

/* ---- calls.c ------------------------------------------------------------ */

/* Fill in series[].calls, by a sample more of each contender, whose times are
 * nobody's business. 0, or why Linux does not let us. */
int count_calls(const struct bench_case *of, uint64_t ns,
                struct series *series);

/* A sample's process begins. 0 or a negative errno. */
int calls_begin(void);

/* In a sample's process: is it such a sample? Then its system calls so far,
 * those of its threads and of its children included; else 0. */
bool calls_are_counted(void);
uint64_t calls_so_far(void);

/* The same of another process alone, which has not done anything yet: a
 * descriptor to read a uint64_t from, or a negative errno. */
int calls_of(int64_t pid);

/* ---- instructions.c ----------------------------------------------------- */

/* Fill in series[].instructions. 0; -ENOENT: there is no valgrind. */
int count_instructions(const struct bench *bench, unsigned case_index,
                       const struct bench_case *of, struct series *series);

/* The child's side: one sample of `ops`, told as "OPS PID" on stdout. */
int take_for_callgrind(const struct bench_case *of, unsigned contender,
                       uint64_t ops);

/* ---- by hand and by others ---------------------------------------------- */

int nop_by_hand(const struct bench_case *of, const struct budget *budget,
                struct sample *sample);
int timers_by_hand(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample);
int rearm_by_hand(const struct bench_case *of, const struct budget *budget,
                  struct sample *sample);

/* Without the library at build time: -ENOTSUP. */
int timers_by_libuv(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample);
int rearm_by_libuv(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample);
int timers_by_libev(const struct bench_case *of, const struct budget *budget,
                    struct sample *sample);
int rearm_by_libev(const struct bench_case *of, const struct budget *budget,
                   struct sample *sample);

#endif
