/* SPDX-License-Identifier: MIT */
/*
 * reference.h - what the primitives should do, said as simply as possible
 *
 * Three actors, each with a program of one-letter instructions, one primitive
 * and the queue of ready actors; all in one small structure of bytes, so that
 * states can be compared. Nothing of src/ is used here.
 *
 *   mutex       L lock, D with a deadline, P with one that has passed, Y try,
 *               U unlock
 *   semaphore   a, b acquire 1, 2, d 2 with a deadline, p 1 with one that has
 *               passed, y try 1, v release 1; it begins with 1
 *   rwlock      r, w lock, R, W with a deadline, x, z try, u unlock,
 *               g downgrade
 *   event       e, E wait, s set, t reset
 *   wait group  q, Q wait, i add, o done; it begins with 1
 *   condition   k, K wait, n notify one, m notify all
 *   barrier     h, H wait; for two
 *   any         0, 1, 2 cancel that actor, ! let time pass
 *
 * What would be misuse (to unlock what one does not hold) is skipped.
 */
#ifndef TESTS_SYNC_REFERENCE_H
#define TESTS_SYNC_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { ACTORS = 3, SKIPPED = 9 };
enum primitive {
    MUTEX,
    SEMAPHORE,
    RWLOCK,
    EVENT,
    WAIT_GROUP,
    CONDITION,
    BARRIER
};
enum where { AT_GATE, GATE_OPEN, WAITING, WOKEN, ENDED };

struct reference_actor {
    uint8_t where;
    uint8_t pc;
    uint8_t cancelled;
    uint8_t holds;  /* 1: the lock, or a share of it; 2: as its writer */
    int8_t result;  /* of the last instruction */
    int8_t outcome; /* of the wait under way */
};

struct reference {
    struct reference_actor actor[ACTORS];
    uint8_t ready[ACTORS];
    uint8_t ready_count;
    struct {
        uint8_t actor;
        uint8_t dead; /* its wait has ended, but it has not left */
        char instruction;
    } queue[ACTORS];
    uint8_t queued;
    uint8_t owner; /* 1 + the actor who holds it alone */
    uint8_t readers;
    uint8_t units;
    uint8_t set;
};

/* May the actor hold what the instruction asks for, or would it wait for
 * itself? For both sides. */
bool reference_skips(const struct reference_actor *actor, char instruction);

/* Does a call with this instruction have a deadline (that has not passed)? */
bool reference_has_deadline(char instruction);

void reference_init(struct reference *r, const char *const *programs);

/* An actor's gate is opened: it is ready to run its next instruction. */
void reference_open_gate(struct reference *r, unsigned actor);

/* The first of those that are ready runs, to its next gate or wait. */
void reference_run(struct reference *r, const char *const *programs);

#endif
