/* SPDX-License-Identifier: MIT */
/*
 * test_wheel.c - the timing wheel against a model that cannot be wrong
 *
 * The model is an array of deadlines that is looked through from end to end.
 * Random operations go to both; after each the wheel must have expired exactly
 * what the model says: nothing early, nothing later than its tick.
 */
#include "base/wheel.h"

#include <stdlib.h>
#include <string.h>

#include "runner/test.h"

#define TICK (UINT64_C(1) << WHEEL_TICK_SHIFT)

static uint64_t random_state;

static uint64_t random_next(void)
{
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* A length that is as often short as long: 2^0 to 2^bits ns. */
static uint64_t random_length(unsigned bits)
{
    return random_next() >> (63 - random_next() % bits);
}

enum { NODES = 300 };

struct model {
    struct wheel wheel;
    struct wheel_node nodes[NODES];
    bool armed[NODES];
    uint64_t now;
    uint64_t last_tick; /* of the node that expired last, in one advance */
};

static void model_init(struct model *m, uint64_t now)
{
    memset(m, 0, sizeof *m);
    m->now = now;
    wheel_init(&m->wheel, now);
}

static void model_arm(struct model *m, size_t i, uint64_t deadline)
{
    wheel_insert(&m->wheel, &m->nodes[i], deadline);
    m->armed[i] = true;
    CHECK(wheel_node_is_armed(&m->nodes[i]));
}

static void model_disarm(struct model *m, size_t i)
{
    wheel_remove(&m->wheel, &m->nodes[i]);
    m->armed[i] = false;
    CHECK(!wheel_node_is_armed(&m->nodes[i]));
}

/* Take what is due; nothing may be early. */
static void model_take(struct model *m)
{
    struct wheel_node *node;

    while ((node = wheel_take_due(&m->wheel)) != NULL) {
        size_t i = (size_t)(node - m->nodes);

        CHECK(m->armed[i]);
        CHECK_LE(node->deadline_ns, m->now);
        CHECK(!wheel_node_is_armed(node));
        m->armed[i] = false;
    }
}

/* Whoever's tick has passed is gone; the next call is neither missing nor
 * later than the first deadline's tick. */
static void model_compare(const struct model *m)
{
    uint64_t next = wheel_next_ns(&m->wheel);
    uint64_t first = UINT64_MAX;
    uint64_t count = 0;

    for (size_t i = 0; i < NODES; i++) {
        uint64_t tick_ns;

        if (!m->armed[i])
            continue;
        tick_ns = wheel_tick_of(m->nodes[i].deadline_ns) << WHEEL_TICK_SHIFT;
        CHECK_GT(wheel_tick_of(m->nodes[i].deadline_ns),
                 m->now >> WHEEL_TICK_SHIFT);
        if (tick_ns < first)
            first = tick_ns;
        count++;
    }
    CHECK_EQ(count, m->wheel.count);
    if (count == 0)
        CHECK_EQ(next, WHEEL_NEVER);
    else {
        CHECK_LE(next, first);
        CHECK_GT(next, m->now);
    }
}

static void model_run(uint64_t seed, long steps)
{
    struct model *m = malloc(sizeof *m);

    CHECK(m != NULL);
    random_state = seed;
    model_init(m, seed == 0 ? 0 : random_length(50));
    for (long step = 0; step < steps; step++) {
        size_t i = random_next() % NODES;
        unsigned what = (unsigned)(random_next() % 8);

        if (what < 4 && !m->armed[i])
            model_arm(m, i, m->now + random_length(45));
        else if (what < 6 && m->armed[i])
            model_disarm(m, i);
        else if (what == 6) {
            m->now += random_length(40);
            wheel_advance(&m->wheel, m->now);
            if (random_next() % 2 == 0 && !list_is_empty(&m->wheel.due)) {
                /* Remove one that waits on `due`. */
                struct wheel_node *node =
                    CONTAINER_OF(m->wheel.due.next, struct wheel_node, link);

                CHECK_EQ(wheel_next_ns(&m->wheel), 0);
                model_disarm(m, (size_t)(node - m->nodes));
            }
            model_take(m);
        } else if (what == 7) {
            /* Exactly to where the wheel asks to be called. */
            uint64_t next = wheel_next_ns(&m->wheel);

            if (next < m->now + (UINT64_C(1) << 42)) {
                m->now = next > m->now ? next : m->now; /* 0: now */
                wheel_advance(&m->wheel, m->now);
                model_take(m);
            }
        }
        if (step % 64 == 0) {
            wheel_check(&m->wheel);
            model_take(m);
            model_compare(m);
        }
    }
    wheel_drop_all(&m->wheel);
    for (size_t i = 0; i < NODES; i++)
        CHECK(!wheel_node_is_armed(&m->nodes[i]));
    wheel_check(&m->wheel);
    free(m);
}

TEST(F15_the_wheel_agrees_with_a_sorted_list)
{
    for (uint64_t seed = 0; seed < 5; seed++)
        model_run(seed, 200000 / (long)test_scale());
}

TEST(F15_a_deadline_expires_at_its_tick_and_not_before)
{
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            struct wheel *wheel = malloc(sizeof *wheel);
            struct wheel_node node = { .deadline_ns = 0 };
            uint64_t start = UINT64_C(987654321) << 12;
            uint64_t deadline = start + (UINT64_C(1) << bit) +
                                (uint64_t)(int64_t)delta;
            uint64_t tick = wheel_tick_of(deadline);
            unsigned calls = 0;

            CHECK(wheel != NULL);
            wheel_init(wheel, start);
            wheel_insert(wheel, &node, deadline);
            while (list_is_empty(&wheel->due)) {
                uint64_t next = wheel_next_ns(wheel);

                CHECK_LE(next, tick << WHEEL_TICK_SHIFT);
                /* A nanosecond before it is too early for everything. */
                wheel_advance(wheel, next - 1);
                CHECK(list_is_empty(&wheel->due));
                wheel_advance(wheel, next);
                CHECK_LE(++calls, WHEEL_LEVELS);
            }
            CHECK_EQ(wheel->tick, tick);
            CHECK_GE(wheel->tick << WHEEL_TICK_SHIFT, deadline);
            CHECK(wheel_take_due(wheel) == &node);
            CHECK(wheel_take_due(wheel) == NULL);
            CHECK_EQ(wheel->count, 0);
            free(wheel);
        }
    }
}

TEST(F15_a_long_sleep_expires_everything_in_order_of_ticks)
{
    enum { COUNT = 5000 };
    struct wheel *wheel = malloc(sizeof *wheel);
    struct wheel_node *nodes = calloc(COUNT, sizeof *nodes);
    struct wheel_node *node;
    uint64_t last = 0;
    unsigned taken = 0;

    CHECK(wheel != NULL && nodes != NULL);
    random_state = 11;
    wheel_init(wheel, 0);
    for (int i = 0; i < COUNT; i++)
        wheel_insert(wheel, &nodes[i], random_length(44));
    wheel_advance(wheel, UINT64_C(1) << 50);
    while ((node = wheel_take_due(wheel)) != NULL) {
        uint64_t tick = wheel_tick_of(node->deadline_ns);

        CHECK_GE(tick, last);
        last = tick;
        taken++;
    }
    CHECK_EQ(taken, COUNT);
    free(nodes);
    free(wheel);
}

TEST(F15_time_that_goes_back_is_no_error)
{
    struct wheel *wheel = malloc(sizeof *wheel);
    struct wheel_node node = { .deadline_ns = 0 };

    CHECK(wheel != NULL);
    wheel_init(wheel, 100 * TICK);
    wheel_insert(wheel, &node, 110 * TICK);
    wheel_advance(wheel, 50 * TICK);
    CHECK_EQ(wheel->tick, 100);
    wheel_advance(wheel, 110 * TICK - 1);
    CHECK(wheel_take_due(wheel) == NULL);
    wheel_advance(wheel, 110 * TICK);
    CHECK(wheel_take_due(wheel) == &node);
    free(wheel);
}

TEST(F2_the_end_of_time_is_a_deadline_like_any_other)
{
    struct wheel *wheel = malloc(sizeof *wheel);
    struct wheel_node never = { .deadline_ns = 0 };
    struct wheel_node almost = { .deadline_ns = 0 };

    CHECK(wheel != NULL);
    wheel_init(wheel, UINT64_C(1) << 40);
    wheel_insert(wheel, &never, UINT64_MAX);
    wheel_insert(wheel, &almost, UINT64_MAX - 1);
    wheel_check(wheel);
    CHECK_LT(wheel_next_ns(wheel), WHEEL_NEVER);
    wheel_advance(wheel, UINT64_C(1) << 63);
    CHECK(wheel_take_due(wheel) == NULL);
    wheel_remove(wheel, &never);
    wheel_remove(wheel, &almost);
    CHECK_EQ(wheel_next_ns(wheel), WHEEL_NEVER);
    free(wheel);
}

TEST_PANICS(F1_arming_a_node_twice_panics, "wheel_node_is_armed")
{
    static struct wheel wheel;
    struct wheel_node node = { .deadline_ns = 0 };

    wheel_init(&wheel, 0);
    wheel_insert(&wheel, &node, 1);
    wheel_insert(&wheel, &node, 1);
}

TEST_PANICS(F1_wheel_check_finds_a_bit_that_lies, "does not hold")
{
    static struct wheel wheel;

    wheel_init(&wheel, 0);
    wheel.occupied[2] = 4;
    wheel_check(&wheel);
}

TEST_PANICS(F1_wheel_check_finds_a_node_in_the_wrong_slot, "does not hold")
{
    static struct wheel wheel;
    struct wheel_node node = { .deadline_ns = 0 };

    wheel_init(&wheel, 0);
    wheel_insert(&wheel, &node, 1000 * TICK);
    node.deadline_ns = 2000 * TICK;
    wheel_check(&wheel);
}
