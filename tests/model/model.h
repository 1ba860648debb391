/* SPDX-License-Identifier: MIT */
/*
 * model.h - small models of the protocols between threads, walked to the end
 *
 * A model is a few threads, each a step machine that stands beside the code it
 * models: a step is one access to memory that is shared. walk() goes through
 * all sequences of steps, to every state that can be reached, and check_model()
 * through mutants of the model, too, in each of which it must find the fault
 * that is named: an order that is weakened, a second look that is left out.
 *
 * Memory is as weak as C11 says, not as this machine has it. Each place keeps
 * all its values, in modification order. A load may give any value that is not
 * older than what its thread has seen; a store may land anywhere behind that;
 * a read-modify-write lands right behind what it read. An acquire that reads
 * from a release takes over what that thread had seen, through a sequence of
 * read-modify-writes, too. Sequentially consistent accesses see, of their
 * place, at least what those before them saw. That has store buffers (TSO), and
 * what ARM and POWER do beyond that but for one thing: no value is read before
 * it was stored by anybody (C11 forbids out of thin air, and with it this
 * machine load buffering). The order of sequentially consistent accesses is
 * that of the walk.
 *
 * Memory that is not atomic is an *object*: its accesses must be ordered, and
 * none may come after it was freed. Locks and the kernel are *ports*: what was
 * seen goes in by one thread and comes out at another, and what they hold lies
 * in `v`, which is the model's own and sequentially consistent.
 *
 * A step that cannot move (asleep, or a loop that spins) returns false. Of a
 * state in which nothing moves, the model says whether that is the end.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    MODEL_THREADS = 5,
    MODEL_BYTES = 27,
    MODEL_PLACES = 6,
    MODEL_VALUES = 16, /* of a place, which somebody may still see */
    MODEL_OBJECTS = 8,
    MODEL_PORTS = 6,
    DONE = 255 /* a thread's step after its last */
};

enum order { RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };

/* What was seen: of each place the oldest value that may still be read, and
 * whose last access to which object. */
struct view {
    uint64_t objects; /* bit object * MODEL_THREADS + thread */
    uint8_t places[8];
};

struct value {
    struct view view; /* what comes with it */
    uint8_t value;
    uint8_t followed; /* by a read-modify-write: nothing lands between */
    uint8_t unused[6];
};

/* Compared as bytes, so there is no padding, and what is not in use is 0. */
struct state {
    uint8_t pc[MODEL_THREADS];
    uint8_t v[MODEL_BYTES]; /* the model's own */
    uint8_t count[8];       /* of a place's values */
    uint8_t strong[8];      /* seen by sequentially consistent accesses */
    uint8_t writer[8];      /* of an object: 1 + who wrote last */
    uint64_t freed;         /* objects */
    struct view thread[MODEL_THREADS];
    struct view port[MODEL_PORTS];
    struct view fence;
    struct value values[MODEL_PLACES][MODEL_VALUES];
};

struct model {
    unsigned threads;
    /* One step of the thread; false: it cannot move. */
    bool (*step)(struct state *s, unsigned thread, unsigned mutant);
    /* What is wrong with a state in which nothing moves any more; or NULL. */
    const char *(*judge)(const struct state *s);
    /* What is not 0 at the beginning; may be NULL. */
    void (*begin)(struct state *s);
};

struct mutant {
    unsigned mutant;   /* what step() is told; 0: the end of a list */
    const char *wrong; /* what must be found */
};

/* NULL, or what goes wrong; in how many states it was looked for. */
const char *walk(const struct model *model, unsigned mutant, unsigned *states);

/* The model is right, in more than so many states, and each mutant goes wrong
 * as it says. */
void check_model(const struct model *model, unsigned states,
                 const struct mutant *mutants);

/* ---- in a step ----------------------------------------------------------- */

/* What must never be otherwise. */
void must(bool holds, const char *what);

/* `strong`, or `weak` in this mutant. */
static inline enum order order_in(unsigned mutant, unsigned weakened_by,
                                  enum order strong, enum order weak)
{
    return mutant == weakened_by ? weak : strong;
}

/* Places. At most one of these in a step: it may go on in several ways. */
uint8_t load(struct state *s, unsigned who, unsigned place, enum order order);
void store(struct state *s, unsigned who, unsigned place, uint8_t value,
           enum order order);
uint8_t swap(struct state *s, unsigned who, unsigned place, uint8_t value,
             enum order order);
uint8_t add(struct state *s, unsigned who, unsigned place, int change,
            enum order order);
uint8_t or_into(struct state *s, unsigned who, unsigned place, uint8_t bits,
                enum order order);
uint8_t and_into(struct state *s, unsigned who, unsigned place, uint8_t bits,
                 enum order order);
/* What was there; it was exchanged if that is `from`. */
uint8_t compare_swap(struct state *s, unsigned who, unsigned place,
                     uint8_t from, uint8_t to, enum order order,
                     enum order failed);
void fence(struct state *s, unsigned who); /* sequentially consistent */

/* The value that comes last: for judges. */
uint8_t last_of(const struct state *s, unsigned place);

/* Objects, beside an access to a place or alone. */
void plain_read(struct state *s, unsigned who, unsigned object);
void plain_write(struct state *s, unsigned who, unsigned object);
void object_use(struct state *s, unsigned who, unsigned object); /* atomics */
void object_free(struct state *s, unsigned who, unsigned object);

void port_in(struct state *s, unsigned who, unsigned port);
void port_out(struct state *s, unsigned who, unsigned port);

/* A lock: a byte of `v` and a port. False: somebody has it. */
bool lock(struct state *s, unsigned who, unsigned byte, unsigned port);
void unlock(struct state *s, unsigned who, unsigned byte, unsigned port);

/*
 * futex(2): a byte of `v`, a bit for each thread that sleeps, and a port, the
 * kernel's own lock: who goes to sleep sees what those stored who woke before.
 * False: the place has another value. A sleeper stays while futex_sleeps().
 */
bool futex_wait(struct state *s, unsigned who, unsigned place, uint8_t expected,
                unsigned byte, unsigned port);
bool futex_sleeps(const struct state *s, unsigned who, unsigned byte);
void futex_wake(struct state *s, unsigned who, unsigned byte, unsigned port);

/* ---- between walk.c and memory.c ----------------------------------------- */

/* The way that this step goes, below `of`; all are gone, one after another. */
unsigned choose(unsigned of);

void state_begin(const struct model *model, struct state *s);
void state_forget(struct state *s); /* what nobody can read any more */

#endif
