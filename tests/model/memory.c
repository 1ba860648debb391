/* SPDX-License-Identifier: MIT */
/*
 * memory.c - what the threads of a model share, as weak as C11 has it
 *
 * A value's number is its place in the modification order, and views are made
 * of such numbers: who lands in the middle moves those behind it up. What
 * nobody can read any more is forgotten after each step, so that states which
 * differ in nothing else are the same.
 */
#include "model/model.h"

#include <string.h>

#include "runner/test.h"

_Static_assert(MODEL_PLACES <= 8 && MODEL_OBJECTS <= 8 &&
                   MODEL_OBJECTS * MODEL_THREADS <= 64,
               "views have room for all");
_Static_assert(sizeof(struct value) == 24 && sizeof(struct view) == 16 &&
                   sizeof(struct state) ==
                       MODEL_THREADS + MODEL_BYTES + 32 +
                           16 * (MODEL_THREADS + MODEL_PORTS + 1) +
                           24 * MODEL_PLACES * MODEL_VALUES,
               "there is no padding");

/* ---- views --------------------------------------------------------------- */

static void join(struct view *view, const struct view *other)
{
    view->objects |= other->objects;
    for (unsigned i = 0; i < MODEL_PLACES; i++)
        if (view->places[i] < other->places[i])
            view->places[i] = other->places[i];
}

/* Call fn for each view that there is, of threads first. */
static void each_view(struct state *s, void (*fn)(struct view *view, void *arg),
                      void *arg)
{
    for (unsigned i = 0; i < MODEL_THREADS; i++)
        fn(&s->thread[i], arg);
    for (unsigned i = 0; i < MODEL_PORTS; i++)
        fn(&s->port[i], arg);
    fn(&s->fence, arg);
    for (unsigned i = 0; i < MODEL_PLACES; i++)
        for (unsigned k = 0; k < s->count[i]; k++)
            fn(&s->values[i][k].view, arg);
}

static bool acquires(enum order order)
{
    return order == ACQUIRE || order == ACQ_REL || order == SEQ_CST;
}

static bool releases(enum order order)
{
    return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

/* ---- places -------------------------------------------------------------- */

/* The oldest value that the thread may read, or land behind. */
static unsigned oldest(const struct state *s, unsigned who, unsigned place,
                       enum order order)
{
    unsigned seen = s->thread[who].places[place];

    return order == SEQ_CST && s->strong[place] > seen ? s->strong[place]
                                                       : seen;
}

static void see(struct state *s, unsigned who, unsigned place, unsigned at,
                enum order order)
{
    s->thread[who].places[place] = (uint8_t)at;
    if (order == SEQ_CST && s->strong[place] < at)
        s->strong[place] = (uint8_t)at;
}

static uint8_t read_at(struct state *s, unsigned who, unsigned place,
                       unsigned at, enum order order)
{
    see(s, who, place, at, order);
    if (acquires(order))
        join(&s->thread[who], &s->values[place][at].view);
    return s->values[place][at].value;
}

struct landing {
    unsigned place;
    unsigned at;
};

static void move_up(struct view *view, void *arg)
{
    const struct landing *l = arg;

    if (view->places[l->place] >= l->at)
        view->places[l->place]++;
}

/* A new value becomes the at-th. With it comes `inherited` (may be NULL), and
 * what the thread has seen if it releases. */
static void land(struct state *s, unsigned who, unsigned place, unsigned at,
                 uint8_t value, enum order order, const struct view *inherited)
{
    struct landing landing = { place, at };
    struct value *values = s->values[place];
    struct view comes = { 0 };

    if (s->count[place] == MODEL_VALUES) {
        must(false, "the model needs more values");
        return;
    }
    if (inherited != NULL)
        comes = *inherited;
    each_view(s, move_up, &landing);
    move_up(&comes, &landing);
    if (s->strong[place] >= at)
        s->strong[place]++;
    memmove(&values[at + 1], &values[at],
            (s->count[place]++ - at) * sizeof *values);
    see(s, who, place, at, order);
    if (releases(order))
        join(&comes, &s->thread[who]);
    comes.places[place] = (uint8_t)at;
    values[at] = (struct value){ .view = comes, .value = value };
}

uint8_t load(struct state *s, unsigned who, unsigned place, enum order order)
{
    unsigned first = oldest(s, who, place, order);

    return read_at(s, who, place, first + choose(s->count[place] - first),
                   order);
}

void store(struct state *s, unsigned who, unsigned place, uint8_t value,
           enum order order)
{
    uint8_t room[MODEL_VALUES]; /* where it may land: behind these */
    unsigned count = 0;

    for (unsigned i = oldest(s, who, place, order); i < s->count[place]; i++)
        if (!s->values[place][i].followed)
            room[count++] = (uint8_t)i;
    land(s, who, place, room[choose(count)] + 1u, value, order, NULL);
}

enum operation { SWAP, ADD, OR, AND, COMPARE };

static uint8_t apply(enum operation operation, uint8_t was, uint8_t with)
{
    switch (operation) {
    case ADD:
        return (uint8_t)(was + with);
    case OR:
        return was | with;
    case AND:
        return was & with;
    default:
        return with;
    }
}

/* COMPARE with `from`: of a value that is another, it is a mere load. */
static uint8_t modify(struct state *s, unsigned who, unsigned place,
                      enum operation operation, uint8_t with, uint8_t from,
                      enum order order, enum order failed)
{
    const struct value *values = s->values[place];
    uint8_t may[MODEL_VALUES];
    unsigned count = 0;
    struct view inherited;
    unsigned at;
    uint8_t was;

    for (unsigned i = oldest(s, who, place, order); i < s->count[place]; i++)
        if (!values[i].followed ||
            (operation == COMPARE && values[i].value != from))
            may[count++] = (uint8_t)i;
    at = may[choose(count)];
    was = values[at].value;
    if (operation == COMPARE && was != from)
        return read_at(s, who, place, at, failed);
    (void)read_at(s, who, place, at, order);
    inherited = values[at].view;
    s->values[place][at].followed = 1;
    land(s, who, place, at + 1, apply(operation, was, with), order, &inherited);
    return was;
}

uint8_t swap(struct state *s, unsigned who, unsigned place, uint8_t value,
             enum order order)
{
    return modify(s, who, place, SWAP, value, 0, order, order);
}

uint8_t add(struct state *s, unsigned who, unsigned place, int change,
            enum order order)
{
    return modify(s, who, place, ADD, (uint8_t)change, 0, order, order);
}

uint8_t or_into(struct state *s, unsigned who, unsigned place, uint8_t bits,
                enum order order)
{
    return modify(s, who, place, OR, bits, 0, order, order);
}

uint8_t and_into(struct state *s, unsigned who, unsigned place, uint8_t bits,
                 enum order order)
{
    return modify(s, who, place, AND, bits, 0, order, order);
}

uint8_t compare_swap(struct state *s, unsigned who, unsigned place,
                     uint8_t from, uint8_t to, enum order order,
                     enum order failed)
{
    return modify(s, who, place, COMPARE, to, from, order, failed);
}

void fence(struct state *s, unsigned who)
{
    join(&s->thread[who], &s->fence);
    s->fence = s->thread[who];
}

uint8_t last_of(const struct state *s, unsigned place)
{
    return s->values[place][s->count[place] - 1].value;
}

/* ---- objects and ports --------------------------------------------------- */

static uint64_t bit_of(unsigned object, unsigned who)
{
    return UINT64_C(1) << (object * MODEL_THREADS + who);
}

static void forget_bit(struct view *view, void *bit)
{
    view->objects &= ~*(const uint64_t *)bit;
}

void object_use(struct state *s, unsigned who, unsigned object)
{
    uint64_t bit = bit_of(object, who);

    must(!(s->freed >> object & 1), "what was freed is used");
    each_view(s, forget_bit, &bit);
    s->thread[who].objects |= bit;
}

void plain_read(struct state *s, unsigned who, unsigned object)
{
    unsigned writer = s->writer[object];

    must(writer == 0 || s->thread[who].objects & bit_of(object, writer - 1),
         "a read races a write");
    object_use(s, who, object);
}

static bool has_seen_all(const struct state *s, unsigned who, unsigned object)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < MODEL_THREADS; i++)
        all |= bit_of(object, i);
    return (s->thread[who].objects & all) == all;
}

void plain_write(struct state *s, unsigned who, unsigned object)
{
    must(has_seen_all(s, who, object), "a write races another access");
    object_use(s, who, object);
    s->writer[object] = (uint8_t)(1 + who);
}

void object_free(struct state *s, unsigned who, unsigned object)
{
    must(has_seen_all(s, who, object), "it is freed while it is in use");
    object_use(s, who, object);
    s->freed |= UINT64_C(1) << object;
}

void port_in(struct state *s, unsigned who, unsigned port)
{
    join(&s->thread[who], &s->port[port]);
}

void port_out(struct state *s, unsigned who, unsigned port)
{
    join(&s->port[port], &s->thread[who]);
}

bool lock(struct state *s, unsigned who, unsigned byte, unsigned port)
{
    if (s->v[byte] != 0)
        return false;
    s->v[byte] = (uint8_t)(1 + who);
    port_in(s, who, port);
    return true;
}

void unlock(struct state *s, unsigned who, unsigned byte, unsigned port)
{
    must(s->v[byte] == 1 + who, "the lock of somebody else is given back");
    s->v[byte] = 0;
    port_out(s, who, port);
}

bool futex_wait(struct state *s, unsigned who, unsigned place, uint8_t expected,
                unsigned byte, unsigned port)
{
    port_in(s, who, port);
    if (load(s, who, place, RELAXED) != expected)
        return false;
    s->v[byte] |= (uint8_t)(1U << who);
    return true;
}

bool futex_sleeps(const struct state *s, unsigned who, unsigned byte)
{
    return (s->v[byte] >> who & 1) != 0;
}

void futex_wake(struct state *s, unsigned who, unsigned byte, unsigned port)
{
    port_out(s, who, port);
    s->v[byte] = 0;
}

/* ---- states -------------------------------------------------------------- */

static void all_seen(struct view *view, void *arg)
{
    (void)arg;
    view->objects = ~UINT64_C(0) >> (64 - MODEL_OBJECTS * MODEL_THREADS);
}

void state_begin(const struct model *model, struct state *s)
{
    memset(s, 0, sizeof *s);
    memset(s->count, 1, MODEL_PLACES);
    each_view(s, all_seen, NULL);
    for (unsigned i = model->threads; i < MODEL_THREADS; i++)
        s->pc[i] = DONE;
    if (model->begin != NULL)
        model->begin(s);
}

static void move_down(struct view *view, void *arg)
{
    const struct landing *l = arg;
    uint8_t *at = &view->places[l->place];

    *at = *at > l->at ? (uint8_t)(*at - l->at) : 0;
}

/* Values that nobody can read any more. */
static void forget_values(struct state *s, unsigned place)
{
    struct landing old = { place, s->count[place] - 1u };
    struct value *values = s->values[place];

    for (unsigned i = 0; i < MODEL_THREADS; i++)
        if (s->pc[i] != DONE && s->thread[i].places[place] < old.at)
            old.at = s->thread[i].places[place];
    if (old.at == 0)
        return;
    s->count[place] = (uint8_t)(s->count[place] - old.at);
    memmove(values, &values[old.at], s->count[place] * sizeof *values);
    memset(&values[s->count[place]], 0, old.at * sizeof *values);
    each_view(s, move_down, &old);
    s->strong[place] =
        s->strong[place] > old.at ? (uint8_t)(s->strong[place] - old.at) : 0;
}

void state_forget(struct state *s)
{
    for (unsigned i = 0; i < MODEL_THREADS; i++)
        if (s->pc[i] == DONE)
            memset(&s->thread[i], 0, sizeof s->thread[i]);
    for (unsigned i = 0; i < MODEL_PLACES; i++)
        forget_values(s, i);
}
