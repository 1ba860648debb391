/* SPDX-License-Identifier: MIT */
/*
 * Contexts without a scheduler: what must survive a switch, how a context
 * begins and ends, and what those see who walk its stack.
 */
#include <float.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "runner/test.h"
#include "task/stack.h"
#include "task/switch.h"

#define NOINLINE __attribute__((noinline))

#if GYRE_ASAN
/* Locals on fake stacks: the harder case for a switch. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_stack_use_after_return=1";
}
#endif

static struct stack_pool pool;
static struct context main_context;

static void setup(void)
{
    stack_pool_init(&pool, 0, 0);
    context_init_thread(&main_context);
}

/* A context on a stack of its own, and what it has to say. */
struct flow {
    struct context context;
    struct stack *stack;
    unsigned number;
    unsigned yields;
    bool done;
    double sum;
};

static void flow_start(struct flow *flow, context_fn *fn)
{
    flow->stack = stack_get(&pool);
    CHECK(flow->stack != NULL);
    context_make(&flow->context, flow->stack, fn, flow);
}

static void flow_yield(struct flow *flow)
{
    flow->yields++;
    context_switch(&flow->context, &main_context);
}

static _Noreturn void flow_end(struct flow *flow)
{
    flow->done = true;
    context_exit(&flow->context, &main_context);
}

static void flow_resume(struct flow *flow)
{
    context_switch(&main_context, &flow->context);
    if (flow->done)
        stack_put(&pool, flow->stack);
}

/* Integers, doubles, a long double and an array live across the yield. */
static NOINLINE double recurse(struct flow *flow, unsigned depth, double x)
{
    unsigned local[8];
    long double wide = (long double)x * 3;
    double half = x / 2;
    double below;

    for (unsigned i = 0; i < 8; i++)
        local[i] = flow->number * 1000 + depth * 10 + i;
    flow_yield(flow);
    below = depth == 0 ? 0 : recurse(flow, depth - 1, x + 1.5);
    flow_yield(flow);
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(local[i], flow->number * 1000 + depth * 10 + i);
    return below + half + (double)wide;
}

static void recurse_flow(void *arg)
{
    struct flow *flow = arg;

    flow->sum = recurse(flow, 19, flow->number);
    flow_end(flow);
}

TEST(K1_K6_five_hundred_contexts_recurse_and_yield)
{
    enum { FLOWS = 500, DEPTH = 20 };
    struct flow *flows = alloc_zeroed(FLOWS, sizeof *flows);
    unsigned alive = FLOWS;

    CHECK(flows != NULL);
    setup();
    for (unsigned i = 0; i < FLOWS; i++) {
        flows[i].number = i;
        flow_start(&flows[i], recurse_flow);
    }
    while (alive > 0) {
        for (unsigned i = 0; i < FLOWS; i++) {
            if (flows[i].done)
                continue;
            flow_resume(&flows[i]);
            alive -= flows[i].done;
        }
    }
    for (unsigned i = 0; i < FLOWS; i++) {
        /* The sum over d = 0 … 19 of 3.5 (i + 1.5 d), exact in binary. */
        double sum = 3.5 * (20.0 * i + 1.5 * 190);

        CHECK_EQ(flows[i].sum, sum);
        CHECK_EQ(flows[i].yields, 2U * DEPTH);
    }
    stack_pool_deinit(&pool);
    alloc_free(flows);
}

static void look_around(void *arg)
{
    struct flow *flow = arg;
    const char *frame = __builtin_frame_address(0);
    double x = flow->number;

    CHECK(stack_holds(flow->stack, frame));
    CHECK_EQ((uintptr_t)frame % 16, 0U);
    /* printf() of a double is what breaks on a stack that is not aligned. */
    char text[32];
    snprintf(text, sizeof text, "%.3f", x / 8);
    CHECK_STR_EQ(text, "0.875");
    CHECK_GT(stack_bytes_left(flow->stack), 60U * 1024);
    flow_end(flow);
}

TEST(K1_a_context_begins_with_its_argument_on_its_own_aligned_stack)
{
    struct flow flow = { .number = 7 };

    setup();
    flow_start(&flow, look_around);
    flow_resume(&flow);
    CHECK(flow.done);
    CHECK(!stack_holds(flow.stack, &flow));
    stack_pool_deinit(&pool);
}

TEST(K13_what_is_reserved_at_the_top_is_not_the_contexts)
{
    struct flow flow = { .number = 7 };
    unsigned char *block;

    setup();
    flow.stack = stack_get(&pool);
    CHECK(flow.stack != NULL);
    block = stack_reserve_top(flow.stack, 300);
    memset(block, 0x5a, 300);
    context_make(&flow.context, flow.stack, look_around, &flow);
    context_switch(&main_context, &flow.context);
    CHECK(flow.done);
    for (size_t i = 0; i < 300; i++)
        CHECK_EQ(block[i], 0x5a);
    stack_put(&pool, flow.stack);
    stack_pool_deinit(&pool);
}

/* Two contexts that pass control to each other, never to the thread. */
struct pair {
    struct flow *other;
    struct flow self;
    unsigned long rounds;
    const char *frame;
};

static void pass_on(void *arg)
{
    struct pair *pair = arg;
    const char *frame = __builtin_frame_address(0);

    while (pair->rounds-- > 0) {
        CHECK(pair->frame == NULL || pair->frame == frame);
        pair->frame = frame;
        context_switch(&pair->self.context, &pair->other->context);
    }
    context_exit(&pair->self.context, &main_context);
}

TEST(K3_passing_control_a_million_times_does_not_grow_the_stack)
{
    struct pair a = { .rounds = 500000 / test_scale() };
    struct pair b = { .rounds = a.rounds };

    setup();
    a.other = &b.self;
    b.other = &a.self;
    a.self.stack = stack_get(&pool);
    b.self.stack = stack_get(&pool);
    CHECK(a.self.stack != NULL && b.self.stack != NULL);
    context_make(&a.self.context, a.self.stack, pass_on, &a);
    context_make(&b.self.context, b.self.stack, pass_on, &b);
    context_switch(&main_context, &a.self.context);
    /* `a` has left the game; `b` waits in its last round. */
    context_switch(&main_context, &b.self.context);
    stack_put(&pool, a.self.stack);
    stack_put(&pool, b.self.stack);
    stack_pool_deinit(&pool);
}

struct nest {
    struct context context;
    struct context *maker;
    unsigned depth;
    unsigned *reached;
};

static void nest(void *arg)
{
    struct nest *self = arg;

    ++*self->reached;
    if (self->depth > 0) {
        struct nest inner = { .maker = &self->context,
                              .depth = self->depth - 1,
                              .reached = self->reached };
        struct stack *stack = stack_get(&pool);

        CHECK(stack != NULL);
        context_make(&inner.context, stack, nest, &inner);
        context_switch(&self->context, &inner.context);
        stack_put(&pool, stack);
    }
    context_exit(&self->context, self->maker);
}

TEST(K1_contexts_make_and_await_contexts)
{
    unsigned reached = 0;
    struct nest outer = { .maker = &main_context,
                          .depth = 50,
                          .reached = &reached };
    struct stack *stack;

    setup();
    stack = stack_get(&pool);
    CHECK(stack != NULL);
    context_make(&outer.context, stack, nest, &outer);
    context_switch(&main_context, &outer.context);
    stack_put(&pool, stack);
    CHECK_EQ(reached, 51U);
    stack_pool_deinit(&pool);
}

static NOINLINE void dirty_frame(struct flow *flow)
{
    /* AddressSanitizer puts marks around both, on a fake stack around the
     * first, on the stack itself around the second. */
    volatile char local[1000];
    volatile char *more = __builtin_alloca(1000);

    for (size_t i = 0; i < 1000; i++)
        more[i] = local[i] = (char)i;
    flow->sum += local[999] != more[998];
    /* Leaves with its frame, and those above it, still on the stack. */
    flow_yield(flow);
    flow_end(flow);
}

static void end_in_a_deep_frame(void *arg)
{
    dirty_frame(arg);
}

TEST(K1_a_stack_serves_thousands_of_contexts_one_after_the_other)
{
    unsigned rounds = 5000 / test_scale();
    struct stack *first = NULL;

    setup();
    for (unsigned i = 0; i < rounds; i++) {
        struct flow flow = { .number = i };

        flow_start(&flow, end_in_a_deep_frame);
        if (first == NULL)
            first = flow.stack;
        CHECK(flow.stack == first);
        flow_resume(&flow);
        flow_resume(&flow);
        CHECK(flow.done);
    }
    stack_pool_deinit(&pool);
}

/* Bytes of address space. */
static size_t virtual_size(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    CHECK(statm != NULL);
    CHECK_EQ(fscanf(statm, "%zu", &pages), 1);
    fclose(statm);
    return pages * memory_page_size();
}

TEST(K1_a_context_that_ends_leaves_nothing_to_the_tools)
{
    /* More than ThreadSanitizer has handles for, if none came back. */
    const unsigned rounds = 9000;
    size_t before = 0;

    setup();
    for (unsigned i = 0; i < rounds; i++) {
        struct flow flow = { .number = i };

        if (i == 10)
            before = virtual_size();
        flow_start(&flow, end_in_a_deep_frame);
        flow_resume(&flow);
        flow_resume(&flow);
        CHECK(flow.done);
    }
    /* Less than one of AddressSanitizer's fake stacks each. */
    CHECK_LT(virtual_size(), before + (size_t)rounds * 4096);
    stack_pool_deinit(&pool);
}

#if GYRE_ASAN
TEST(K1_a_stack_put_back_has_no_marks_of_its_last_task)
{
    struct flow flow = { .number = 1 };
    struct stack *stack;

    setup();
    flow_start(&flow, end_in_a_deep_frame);
    stack = flow.stack;
    flow_resume(&flow);
    /* It waits in its deep frame for ever, marks and all. */
    __asan_poison_memory_region(stack->bottom + 1024, 64);
    stack_put(&pool, stack);
    CHECK(__asan_region_is_poisoned(stack->bottom, stack->size) == NULL);
    stack_pool_deinit(&pool);
}
#endif

#if GYRE_TSAN
static void check_fiber(void *arg)
{
    struct flow *flow = arg;

    CHECK(__tsan_get_current_fiber() == flow->context.fiber);
    flow_yield(flow);
    CHECK(__tsan_get_current_fiber() == flow->context.fiber);
    flow_end(flow);
}

TEST(K1_the_thread_sanitizer_knows_which_context_runs)
{
    struct flow flow = { .number = 1 };

    setup();
    flow_start(&flow, check_fiber);
    CHECK(flow.context.fiber != main_context.fiber);
    while (!flow.done) {
        flow_resume(&flow);
        CHECK(__tsan_get_current_fiber() == main_context.fiber);
    }
    stack_pool_deinit(&pool);
}
#endif

static jmp_buf way_back;
static volatile bool jump_wanted = true;

static NOINLINE void jump_out(unsigned depth)
{
    volatile char *local = __builtin_alloca(100);

    for (size_t i = 0; i < 100; i++)
        local[i] = (char)depth;
    if (depth > 0)
        jump_out(depth - 1);
    else if (jump_wanted)
        longjmp(way_back, 1);
    local[0] = 0;
}

static NOINLINE void use_much_stack(void)
{
    volatile char *local = __builtin_alloca(4000);

    for (size_t i = 0; i < 4000; i++)
        local[i] = 1;
}

static void jump_about(void *arg)
{
    struct flow *flow = arg;

    while (flow->yields < 3) {
        if (setjmp(way_back) == 0)
            jump_out(20);
        /* The frames jumped over must leave no marks here. */
        use_much_stack();
        flow_yield(flow);
    }
    flow_end(flow);
}

TEST(K1_a_task_may_longjmp_within_its_own_stack)
{
    struct flow flow = { .number = 1 };

    setup();
    flow_start(&flow, jump_about);
    while (!flow.done)
        flow_resume(&flow);
    CHECK_EQ(flow.yields, 3U);
    stack_pool_deinit(&pool);
}

TEST(K1_a_context_that_never_ran_can_be_forgotten)
{
    struct flow flow = { .number = 1 };

    setup();
    flow_start(&flow, look_around);
    stack_put(&pool, flow.stack);
    stack_pool_deinit(&pool);
}

static volatile sig_atomic_t signals_seen;
static const struct stack *signalled_stack;

static void on_signal(int number)
{
    (void)number;
    if (stack_holds(signalled_stack, __builtin_frame_address(0)))
        signals_seen = signals_seen + 1;
}

static void take_signals(void *arg)
{
    struct flow *flow = arg;

    for (unsigned i = 0; i < 10; i++) {
        raise(SIGUSR1);
        flow_yield(flow);
    }
    flow_end(flow);
}

TEST(K13_a_signal_finds_room_on_the_smallest_stack)
{
    struct sigaction action = { .sa_handler = on_signal };
    struct flow flow = { .number = 0 };

    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    stack_pool_init(&pool, STACK_SIZE_MIN, 0);
    context_init_thread(&main_context);
    flow_start(&flow, take_signals);
    signalled_stack = flow.stack;
    while (!flow.done)
        flow_resume(&flow);
    CHECK_EQ(signals_seen, 10);
    stack_pool_deinit(&pool);
}

/* printf() of a long double is what libc needs most stack for: 34 KiB. */
static void print_long(void *arg)
{
    struct flow *flow = arg;
    char text[400];

    snprintf(text, sizeof text, "%.0f", 1e308);
    CHECK_EQ(strlen(text), 309U);
    flow->number = (unsigned)snprintf(NULL, 0, "%Lf", LDBL_MAX);
    flow_end(flow);
}

TEST(K13_the_default_stack_prints_the_longest_of_floats)
{
    struct flow flow = { .number = 0 };

    setup();
    flow_start(&flow, print_long);
    flow_resume(&flow);
    CHECK(flow.done);
    CHECK_GT(flow.number, 2U);
    stack_pool_deinit(&pool);
}

static NOINLINE size_t go_down(struct flow *flow, unsigned depth)
{
    char frame[2000];
    size_t left;

    __asm__ volatile("" : : "r"(frame) : "memory");
    left = depth == 0 ? stack_bytes_left(flow->stack)
                      : go_down(flow, depth - 1);
    __asm__ volatile("" : : "r"(frame) : "memory");
    return left;
}

static void measure(void *arg)
{
    struct flow *flow = arg;
    size_t shallow = go_down(flow, 0);
    size_t deep = go_down(flow, 10);

    CHECK_LT(deep, shallow);
    CHECK_GE(shallow - deep, 10U * 2000);
    CHECK_LT(shallow, flow->stack->size);
    flow_end(flow);
}

TEST(K13_a_task_can_ask_how_much_of_its_stack_is_left)
{
    struct flow flow = { .number = 0 };

    setup();
    flow_start(&flow, measure);
    flow_resume(&flow);
    CHECK(flow.done);
    stack_pool_deinit(&pool);
}

TEST_PANICS(K13_only_who_runs_on_a_stack_may_ask_what_is_left,
            "the caller runs on another stack")
{
    struct stack *stack;

    setup();
    stack = stack_get(&pool);
    CHECK(stack != NULL);
    (void)stack_bytes_left(stack);
}
