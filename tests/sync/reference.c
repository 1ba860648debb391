/* SPDX-License-Identifier: MIT */
/*
 * reference.c - see reference.h
 */
#include "sync/reference.h"

#include <errno.h>
#include <string.h>

static bool is_one_of(char instruction, const char *set)
{
    return strchr(set, instruction) != NULL;
}

bool reference_has_deadline(char instruction)
{
    return is_one_of(instruction, "DdRWEQKH");
}

bool reference_skips(const struct reference_actor *actor, char instruction)
{
    if (is_one_of(instruction, "LDPYrwRWxz"))
        return actor->holds != 0;
    if (is_one_of(instruction, "Uu"))
        return actor->holds == 0;
    if (instruction == 'g')
        return actor->holds != 2;
    return false;
}

/* ---- ready and queued ---------------------------------------------------- */

static void make_ready(struct reference *r, unsigned actor, enum where where)
{
    r->actor[actor].where = (uint8_t)where;
    r->ready[r->ready_count++] = (uint8_t)actor;
}

static void end_wait(struct reference *r, unsigned actor, int outcome)
{
    r->actor[actor].outcome = (int8_t)outcome;
    make_ready(r, actor, WOKEN);
}

static void take_out(struct reference *r, unsigned place)
{
    r->queued--;
    for (unsigned i = place; i < r->queued; i++)
        r->queue[i] = r->queue[i + 1];
    memset(&r->queue[r->queued], 0, sizeof r->queue[0]);
}

static void kill_wait(struct reference *r, unsigned place, int outcome)
{
    r->queue[place].dead = 1;
    end_wait(r, r->queue[place].actor, outcome);
}

/* ---- the primitives ------------------------------------------------------ */

static unsigned units_of(char instruction)
{
    return is_one_of(instruction, "bd") ? 2 : 1;
}

static bool can_have(const struct reference *r, char instruction)
{
    if (is_one_of(instruction, "LDPYrRx"))
        return r->owner == 0;
    if (is_one_of(instruction, "wWz"))
        return r->owner == 0 && r->readers == 0;
    if (is_one_of(instruction, "abdpy"))
        return r->units >= units_of(instruction);
    if (is_one_of(instruction, "eE"))
        return r->set != 0;
    if (is_one_of(instruction, "qQ"))
        return r->units == 0;
    return false;
}

static void have(struct reference *r, unsigned actor, char instruction)
{
    if (is_one_of(instruction, "LDPYwWz")) {
        r->owner = (uint8_t)(actor + 1);
        r->actor[actor].holds = 2;
    } else if (is_one_of(instruction, "rRx")) {
        r->readers++;
        r->actor[actor].holds = 1;
    } else if (is_one_of(instruction, "abdpy")) {
        r->units = (uint8_t)(r->units - units_of(instruction));
    }
}

/* Give the first in line what he waits for, whoever he is: dead or alive. */
static bool give_first(struct reference *r)
{
    unsigned actor = r->queue[0].actor;
    char instruction = r->queue[0].instruction;
    bool dead = r->queue[0].dead != 0;

    take_out(r, 0);
    if (dead)
        return false;
    have(r, actor, instruction);
    end_wait(r, actor, 0);
    return true;
}

static void serve(struct reference *r)
{
    while (r->queued > 0 && can_have(r, r->queue[0].instruction))
        give_first(r);
}

static void notify(struct reference *r, bool all)
{
    while (r->queued > 0)
        if (give_first(r) && !all)
            return;
}

/* Both go on, if another is there and alive. */
static bool meet(struct reference *r)
{
    for (unsigned i = 0; i < r->queued; i++) {
        if (r->queue[i].dead)
            continue;
        end_wait(r, r->queue[i].actor, 0);
        take_out(r, i);
        return true;
    }
    return false;
}

static int release(struct reference *r, unsigned actor, char instruction)
{
    if (instruction == 'U' || instruction == 'u') {
        if (r->actor[actor].holds == 2)
            r->owner = 0;
        else
            r->readers--;
        r->actor[actor].holds = 0;
    } else if (instruction == 'g') {
        r->owner = 0;
        r->readers = 1;
        r->actor[actor].holds = 1;
    } else if (instruction == 'v') {
        r->units++;
    } else if (instruction == 'o') {
        if (r->units == 0)
            return SKIPPED;
        r->units--;
    } else if (r->set) { /* s */
        return -EALREADY;
    } else {
        r->set = 1;
    }
    serve(r);
    return 0;
}

static void cancel(struct reference *r, unsigned actor)
{
    if (r->actor[actor].where == ENDED)
        return;
    r->actor[actor].cancelled = 1;
    for (unsigned i = 0; i < r->queued; i++)
        if (r->queue[i].actor == actor && !r->queue[i].dead)
            kill_wait(r, i, -ECANCELED);
}

static void time_passes(struct reference *r)
{
    for (unsigned i = 0; i < r->queued; i++)
        if (!r->queue[i].dead &&
            reference_has_deadline(r->queue[i].instruction))
            kill_wait(r, i, -ETIMEDOUT);
}

/* ---- actors -------------------------------------------------------------- */

/* A call that may wait; false: it does. */
static bool ask(struct reference *r, unsigned actor, char instruction,
                int *result)
{
    *result = 0;
    if (r->actor[actor].cancelled) {
        *result = -ECANCELED;
    } else if (is_one_of(instruction, "hH") && meet(r)) {
        *result = 1;
    } else if (r->queued == 0 && can_have(r, instruction)) {
        have(r, actor, instruction);
    } else if (is_one_of(instruction, "Pp")) {
        *result = -ETIMEDOUT;
    } else {
        r->queue[r->queued].actor = (uint8_t)actor;
        r->queue[r->queued].instruction = instruction;
        r->queued++;
        r->actor[actor].where = WAITING;
        return false;
    }
    return true;
}

/* False: it waits. */
static bool execute(struct reference *r, unsigned actor, char instruction,
                    int *result)
{
    *result = 0;
    if (reference_skips(&r->actor[actor], instruction)) {
        *result = SKIPPED;
    } else if (is_one_of(instruction, "YxzY") || instruction == 'y') {
        *result = r->queued == 0 && can_have(r, instruction);
        if (*result)
            have(r, actor, instruction);
    } else if (is_one_of(instruction, "Uugvos")) {
        *result = release(r, actor, instruction);
    } else if (instruction == 't') {
        r->set = 0;
    } else if (instruction == 'i') {
        r->units++;
    } else if (instruction == 'n' || instruction == 'm') {
        notify(r, instruction == 'm');
    } else if (is_one_of(instruction, "012")) {
        cancel(r, (unsigned)(instruction - '0'));
    } else if (instruction == '!') {
        time_passes(r);
    } else {
        return ask(r, actor, instruction, result);
    }
    return true;
}

static void leave_queue(struct reference *r, unsigned actor)
{
    for (unsigned i = 0; i < r->queued; i++)
        if (r->queue[i].actor == actor) {
            take_out(r, i);
            break;
        }
    serve(r);
}

void reference_run(struct reference *r, const char *const *programs)
{
    unsigned number = r->ready[0];
    struct reference_actor *actor = &r->actor[number];
    int result;

    r->ready_count--;
    memmove(r->ready, r->ready + 1, r->ready_count);
    r->ready[r->ready_count] = 0;
    if (actor->where == WOKEN) {
        result = actor->outcome;
        if (result < 0)
            leave_queue(r, number);
    } else if (!execute(r, number, programs[number][actor->pc], &result)) {
        return;
    }
    actor->result = (int8_t)result;
    actor->outcome = 0;
    actor->pc++;
    actor->where = programs[number][actor->pc] == '\0' ? ENDED : AT_GATE;
}

void reference_open_gate(struct reference *r, unsigned actor)
{
    make_ready(r, actor, GATE_OPEN);
}

void reference_init(struct reference *r, const char *const *programs)
{
    memset(r, 0, sizeof *r);
    r->units = 1;
    for (unsigned i = 0; i < ACTORS; i++)
        r->actor[i].where = programs[i][0] == '\0' ? ENDED : AT_GATE;
}
