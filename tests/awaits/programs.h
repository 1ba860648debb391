/* SPDX-License-Identifier: MIT */
/*
 * programs.h - programs in which one thing after the other fails
 *
 * Each is written as a careful user would: every error is passed on, and what
 * was acquired is released by whoever acquired it or by its scope. So whatever
 * fails, the result of the whole is that error (or 0, where the program copes
 * with it, which its entry says), and nothing is left. test_failures.c makes
 * things fail; docs/TESTING.md lists the programs.
 */
#ifndef AWAITS_PROGRAMS_H
#define AWAITS_PROGRAMS_H

#include <gyre/gyre.h>

#include "runner/test.h"

enum { PROGRAM_FDS = 8, PROGRAM_HELD = 8, PROGRAM_BYTES = 4096 };

/* A descriptor that is closed with its scope. */
struct held {
    gyre_deferred deferred;
    int fd;
};

struct program;

struct stage {
    const struct program *program;
    int fds[PROGRAM_FDS]; /* made by set_up, closed afterwards; -1: none */
    struct held held[PROGRAM_HELD];
    unsigned held_count;
    unsigned count; /* what the program counts, for its own checks */
    unsigned live;  /* acquired and not released: 0 in the end */
    gyre_local local;
    void *shared; /* what its tasks share, in the frame of its first */
    char path[600];
    char bytes[PROGRAM_BYTES];
};

enum { COPES_MAX = 4 };

struct program {
    const char *name;
    int (*main)(gyre_scope *scope, void *stage); /* of gyre_scope_run() */
    void (*set_up)(struct stage *stage);         /* outside; may be NULL */
    gyre_scope_options options;                  /* of its scope */
    int copes[COPES_MAX]; /* errors of an op after which it still returns 0 */
    unsigned ops;         /* it starts at least so many */
    unsigned spawns;      /* and spawns at least so many tasks */
};

#define PROGRAM(name_, ...)                                                    \
    const struct program program_##name_ = { .name = #name_,                   \
                                             .main = name_##_main,             \
                                             __VA_ARGS__ }

/* Keep an open descriptor until the scope closes; an error passes through. */
int hold(struct stage *stage, gyre_scope *scope, int fd);

/* Spawn fn(stage) into the scope, as often as that. */
int spawn_some(gyre_scope *scope, int (*fn)(void *stage), struct stage *stage,
               unsigned times);

#define PROGRAMS(X)                                                            \
    X(file_written_and_read)                                                   \
    X(file_copied)                                                             \
    X(directory_listed)                                                        \
    X(echo_over_tcp)                                                           \
    X(echo_of_exact_sizes)                                                     \
    X(acceptor_of_two)                                                         \
    X(file_sent)                                                               \
    X(poll_and_receive)                                                        \
    X(messages_and_vectors)                                                    \
    X(stream_shut_down)                                                        \
    X(stream_taken_in_pieces)                                                  \
    X(connections_taken_one_by_one)                                            \
    X(buffers_taken_in_turn)                                                   \
    X(blocking_calls)                                                          \
    X(detached_calls)                                                          \
    X(op_with_timeout)                                                         \
    X(sleepers)                                                                \
    X(spawn_storm)                                                             \
    X(tree_of_joins)                                                           \
    X(nested_scopes)                                                           \
    X(bounded_spawns)                                                          \
    X(spawns_aside)                                                            \
    X(commit_in_a_shield)                                                      \
    X(receive_until_a_deadline)                                                \
    X(siblings_go_on)                                                          \
    X(bound_values)                                                            \
    X(tasks_cancelled_singly)                                                  \
    X(mutex_and_guard)                                                         \
    X(readers_and_a_writer)                                                    \
    X(bounded_buffer)                                                          \
    X(workers_by_semaphore)                                                    \
    X(all_who_meet)                                                            \
    X(once_for_all)                                                            \
    X(channel_pipeline)                                                        \
    X(channel_of_many)                                                         \
    X(oneshot_answers)                                                         \
    X(select_of_two)                                                           \
    X(race_of_three)                                                           \
    X(all_of_three)                                                            \
    X(all_settled)

#endif
