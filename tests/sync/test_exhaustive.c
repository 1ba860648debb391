/* SPDX-License-Identifier: MIT */
/*
 * test_exhaustive.c - short programs in every interleaving, against a reference
 *
 * Three tasks run programs of one-letter instructions (reference.h) on one
 * primitive. Before each instruction a task stands at a gate. A step opens the
 * gate of one of them or runs the one that is ready first. All sequences of
 * steps are tried, to every state that the reference can reach; after each the
 * tasks, their results and the primitive must be what the reference says.
 *
 * The loop stands on the scripted kernel, whose clock moves when told to.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/scripted/scripted.h"
#include "loop/loop.h"
#include "sync/kinds.h"
#include "sync/reference.h"
#include "sync/waiter.h"
#include "task/fiber_tools.h"
#include "task/task.h"

enum { RUN = ACTORS, STEPS_MAX = 64, SEEN_MAX = 1 << 13, DELAY_NS = 1000000 };

struct run;

struct actor {
    struct run *run;
    unsigned number;
    gyre_task *task;
    unsigned pc;
    int result;
    uint8_t holds;
    bool at_gate;
    bool ended;
};

/* One execution: three tasks, from their start to where a path leads. */
struct run {
    struct scripted *kernel;
    gyre_loop *loop;
    enum primitive primitive;
    unsigned flags;
    const char *programs[ACTORS];
    struct object object;
    struct actor actors[ACTORS];
    bool given_up;
};

struct search {
    struct run run;
    struct {
        unsigned round;
        struct reference state;
    } seen[SEEN_MAX];
    unsigned round;
    uint8_t path[STEPS_MAX];
    unsigned long steps;
};

/* ---- instructions -------------------------------------------------------- */

static uint64_t deadline_of(const struct run *run, char instruction)
{
    if (instruction == 'P' || instruction == 'p')
        return 1;
    return reference_has_deadline(instruction)
               ? scripted_now(run->kernel) + DELAY_NS
               : GYRE_NEVER;
}

static int wait_cond(struct object *o, uint64_t deadline_ns)
{
    int err = gyre_mutex_lock(&o->beside);

    if (err < 0)
        return err;
    err = gyre_cond_wait_until(&o->cond, &o->beside, deadline_ns);
    gyre_mutex_unlock(&o->beside);
    return err;
}

static int unlock(struct actor *a, gyre_rwlock *lock)
{
    if (a->holds == 2)
        gyre_rwlock_write_unlock(lock);
    else
        gyre_rwlock_read_unlock(lock);
    a->holds = 0;
    return 0;
}

static int held(struct actor *a, int result, bool got, uint8_t as)
{
    if (got)
        a->holds = as;
    return result;
}

static int do_lock(struct actor *a, char instruction, uint64_t until)
{
    struct object *o = &a->run->object;
    int result;

    switch (instruction) {
    case 'Y':
        result = gyre_mutex_try_lock(&o->mutex);
        return held(a, result, result == 1, 2);
    case 'U':
        gyre_mutex_unlock(&o->mutex);
        a->holds = 0;
        return 0;
    case 'r':
    case 'R':
        result = gyre_rwlock_read_until(&o->rwlock, until);
        return held(a, result, result == 0, 1);
    case 'w':
    case 'W':
        result = gyre_rwlock_write_until(&o->rwlock, until);
        return held(a, result, result == 0, 2);
    case 'x':
        result = gyre_rwlock_try_read(&o->rwlock);
        return held(a, result, result == 1, 1);
    case 'z':
        result = gyre_rwlock_try_write(&o->rwlock);
        return held(a, result, result == 1, 2);
    case 'u':
        return unlock(a, &o->rwlock);
    case 'g':
        gyre_rwlock_downgrade(&o->rwlock);
        a->holds = 1;
        return 0;
    default: /* L, D, P */
        result = gyre_mutex_lock_until(&o->mutex, until);
        return held(a, result, result == 0, 2);
    }
}

static int do_other(struct object *o, char instruction, uint64_t until)
{
    switch (instruction) {
    case 'a':
    case 'p':
        return gyre_semaphore_acquire_until(&o->semaphore, 1, until);
    case 'b':
    case 'd':
        return gyre_semaphore_acquire_until(&o->semaphore, 2, until);
    case 'y':
        return gyre_semaphore_try_acquire(&o->semaphore, 1);
    case 'v':
        gyre_semaphore_release(&o->semaphore, 1);
        return 0;
    case 'e':
    case 'E':
        return gyre_event_wait_until(&o->event, NULL, until);
    case 's':
        return gyre_event_set(&o->event, NULL);
    case 't':
        gyre_event_reset(&o->event);
        return 0;
    case 'q':
    case 'Q':
        return gyre_wait_group_wait_until(&o->group, until);
    case 'i':
        gyre_wait_group_add(&o->group, 1);
        return 0;
    case 'o':
        if (o->group.count_ == 0)
            return SKIPPED;
        gyre_wait_group_done(&o->group);
        return 0;
    case 'k':
    case 'K':
        return wait_cond(o, until);
    case 'n':
        gyre_cond_notify_one(&o->cond);
        return 0;
    case 'm':
        gyre_cond_notify_all(&o->cond);
        return 0;
    default: /* h, H */
        return gyre_barrier_wait_until(&o->barrier, until);
    }
}

static int pass_time(struct run *run)
{
    scripted_advance(run->kernel, 1000 * DELAY_NS);
    (void)gyre_loop_update_now(run->loop);
    loop_expire_timers(run->loop, UINT32_MAX);
    return 0;
}

static int execute(struct actor *a, char instruction)
{
    struct run *run = a->run;
    struct reference_actor self = { .holds = a->holds };

    if (reference_skips(&self, instruction))
        return SKIPPED;
    if (instruction == '!')
        return pass_time(run);
    if (instruction >= '0' && instruction < '0' + ACTORS) {
        struct actor *target = &run->actors[instruction - '0'];

        if (!target->ended)
            gyre_task_cancel(target->task);
        return 0;
    }
    return strchr("LDPYUrRwWxzug", instruction) != NULL
               ? do_lock(a, instruction, deadline_of(run, instruction))
               : do_other(&run->object, instruction,
                          deadline_of(run, instruction));
}

static int actor_main(void *arg)
{
    struct actor *a = arg;
    const char *program = a->run->programs[a->number];

    a->task = gyre_task_current();
    while (program[a->pc] != '\0') {
        a->at_gate = true;
        task_wait(a->task, NULL, "gate", a);
        if (a->run->given_up)
            break;
        a->at_gate = false;
        a->result = execute(a, program[a->pc]);
        scribble();
        if (a->run->given_up)
            break;
        a->pc++;
    }
    a->ended = true;
    return 0;
}

/* ---- one run ------------------------------------------------------------- */

static void object_init(struct object *o, enum primitive primitive,
                        unsigned flags)
{
    memset(o, 0, sizeof *o);
    switch (primitive) {
    case MUTEX:
        gyre_mutex_init(&o->mutex, flags);
        break;
    case SEMAPHORE:
        gyre_semaphore_init(&o->semaphore, 1, flags);
        break;
    case RWLOCK:
        gyre_rwlock_init(&o->rwlock, flags);
        break;
    case EVENT:
        gyre_event_init(&o->event, flags);
        break;
    case WAIT_GROUP:
        gyre_wait_group_init(&o->group, flags);
        gyre_wait_group_add(&o->group, 1);
        break;
    case CONDITION:
        gyre_cond_init(&o->cond, flags);
        gyre_mutex_init(&o->beside, flags);
        break;
    case BARRIER:
        gyre_barrier_init(&o->barrier, 2, flags);
        break;
    }
}

static void run_start(struct run *run)
{
    object_init(&run->object, run->primitive, run->flags);
    run->given_up = false;
    for (unsigned i = 0; i < ACTORS; i++) {
        run->actors[i] = (struct actor){ .run = run, .number = i };
        CHECK_OK(gyre_spawn(gyre_loop_scope(run->loop), actor_main,
                            &run->actors[i]));
    }
    while (gyre_loop_run_one_ready(run->loop))
        ;
}

/* Let all go to their ends: nobody may be left in the queue. */
static void run_end(struct run *run)
{
    run->given_up = true;
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *a = &run->actors[i];

        if (!a->ended && a->at_gate && a->task->waiting)
            task_wake(a->task);
        else if (!a->ended)
            gyre_task_cancel(a->task);
    }
    while (gyre_loop_run_one_ready(run->loop))
        ;
    for (unsigned i = 0; i < ACTORS; i++)
        CHECK(run->actors[i].ended);
    sync_destroy(&run->object.sync, "the primitive"); /* I12 */
}

static enum where where_is(const struct actor *a)
{
    if (a->ended)
        return ENDED;
    if (a->at_gate)
        return a->task->waiting ? AT_GATE : GATE_OPEN;
    return a->task->waiting ? WAITING : WOKEN;
}

static bool is_as_said(struct run *run, const struct reference *r)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        const struct actor *a = &run->actors[i];

        if (where_is(a) != (enum where)r->actor[i].where ||
            a->result != r->actor[i].result || a->pc != r->actor[i].pc)
            return false;
    }
    if (queue_length(&run->object) != r->queued)
        return false;
    switch (run->primitive) {
    case SEMAPHORE:
        return gyre_semaphore_units(&run->object.semaphore) == r->units;
    case RWLOCK:
        return run->object.rwlock.readers_ == r->readers;
    case MUTEX:
        return (run->object.mutex.state_ != 0) == (r->owner != 0);
    case EVENT:
        return gyre_event_is_set(&run->object.event) == (r->set != 0);
    default:
        return true;
    }
}

/* ---- all of them --------------------------------------------------------- */

static void follow(struct search *s, unsigned length, const struct reference *r)
{
    struct run *run = &s->run;

    run_start(run);
    for (unsigned i = 0; i < length; i++) {
        if (s->path[i] == RUN)
            CHECK(gyre_loop_run_one_ready(run->loop));
        else
            task_wake(run->actors[s->path[i]].task);
    }
    s->steps++;
    if (!is_as_said(run, r)) {
        char path[STEPS_MAX + 1] = "";

        for (unsigned i = 0; i < length; i++)
            path[i] = "012R"[s->path[i]];
        FAIL("primitive %d (flags %u), programs %s | %s | %s, steps %s: not as "
             "the reference says",
             (int)run->primitive, run->flags, run->programs[0],
             run->programs[1], run->programs[2], path);
    }
    run_end(run);
}

static bool is_new(struct search *s, const struct reference *r)
{
    const unsigned char *bytes = (const unsigned char *)r;
    uint64_t h = 1469598103934665603U;

    for (size_t i = 0; i < sizeof *r; i++)
        h = (h ^ bytes[i]) * 1099511628211U;
    for (h ^= h >> 29;; h++) {
        unsigned at = h & (SEEN_MAX - 1);

        if (s->seen[at].round != s->round) {
            s->seen[at].round = s->round;
            s->seen[at].state = *r;
            return true;
        }
        if (memcmp(&s->seen[at].state, r, sizeof *r) == 0)
            return false;
    }
}

static void search_from(struct search *s, unsigned length,
                        const struct reference *from)
{
    CHECK_LT(length, (unsigned)STEPS_MAX);
    for (unsigned step = 0; step <= RUN; step++) {
        struct reference r = *from;

        if (step == RUN ? r.ready_count == 0 : r.actor[step].where != AT_GATE)
            continue;
        if (step == RUN)
            reference_run(&r, s->run.programs);
        else
            reference_open_gate(&r, step);
        s->path[length] = (uint8_t)step;
        follow(s, length + 1, &r);
        if (is_new(s, &r))
            search_from(s, length + 1, &r);
    }
}

static void search_programs(struct search *s, const char *first,
                            const char *second, const char *third)
{
    struct reference r;

    s->round++;
    s->run.programs[0] = first;
    s->run.programs[1] = second;
    s->run.programs[2] = third;
    reference_init(&r, s->run.programs);
    search_from(s, 0, &r);
}

/* The n-th string of one to `longest` letters; false: there are not so many. */
static bool nth_string(char *text, const char *letters, unsigned longest,
                       unsigned n)
{
    unsigned base = (unsigned)strlen(letters), count = base;

    for (unsigned length = 1; length <= longest; length++, count *= base) {
        if (n >= count) {
            n -= count;
            continue;
        }
        for (unsigned i = 0; i < length; i++, n /= base)
            text[i] = letters[n % base];
        text[length] = '\0';
        return true;
    }
    return false;
}

/*
 * Each two of the clients beside each program of one or two letters of the
 * third, who interferes; and some of those of three letters.
 */
static void search_all(enum primitive primitive, const char *const *clients,
                       const char *letters)
{
    struct search *s = calloc(1, sizeof *s);
    /* ThreadSanitizer is slow with tasks, and sees one thread here. */
    unsigned slow = test_scale() * (GYRE_TSAN ? 8 : 1), count = 0;
    char third[8];

    CHECK(s != NULL);
    s->run.kernel = scripted_create(8, 0);
    CHECK(s->run.kernel != NULL);
    CHECK_OK(loop_create_on(&s->run.loop, scripted_kernel(s->run.kernel),
                            &(gyre_loop_options){ .entries = 8 }));
    s->run.primitive = primitive;
    for (unsigned i = 0; clients[i] != NULL; i++)
        for (unsigned j = i; clients[j] != NULL; j++)
            for (unsigned n = 0; nth_string(third, letters, 3, n); n++) {
                count++;
                if (count % (strlen(third) < 3 ? slow : 41 * slow) != 0)
                    continue;
                s->run.flags = count / slow % 2 ? GYRE_LOCAL : 0;
                search_programs(s, clients[i], clients[j], third);
            }
    CHECK_GT(s->steps, GYRE_TSAN ? 100ul : 1000ul);
    gyre_loop_destroy(s->run.loop);
    free(s);
}

#define SEARCH(name, primitive, letters, ...)                                  \
    TEST(name)                                                                 \
    {                                                                          \
        static const char *const clients[] = { __VA_ARGS__, NULL };            \
                                                                               \
        search_all(primitive, clients, letters);                               \
    }

/* I12 */
SEARCH(M14_M3_all_interleavings_of_a_mutex, MUTEX, "LU01!", "LU", "DU", "YU",
       "LUL", "P")
SEARCH(M14_M8_all_interleavings_of_a_semaphore, SEMAPHORE, "v01!b", "av", "bv",
       "d", "y", "p")
SEARCH(M14_M4_all_interleavings_of_a_rwlock, RWLOCK, "wu01!", "ru", "wu", "R",
       "W", "wg", "x", "z")
SEARCH(M14_M1_all_interleavings_of_an_event, EVENT, "st01!", "e", "E", "te",
       "s")
SEARCH(M14_M7_all_interleavings_of_a_wait_group, WAIT_GROUP, "io01!", "q", "Q",
       "qo", "i")
SEARCH(M14_M5_all_interleavings_of_a_condition, CONDITION, "nm01!", "k", "K",
       "kn", "kk")
SEARCH(M14_M8_all_interleavings_of_a_barrier, BARRIER, "h01!", "h", "H", "hh")
