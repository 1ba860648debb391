/* SPDX-License-Identifier: MIT */
/*
 * Who walks the stack of a context - a debugger, a sampling profiler, an
 * exception - must find all its frames and then a clean end, whatever the
 * instruction he came in at. Two kinds of walkers: by unwind table, and by
 * chained frame pointers.
 *
 * tests/scripts/gdb.sh asks the real debugger.
 */
#include <signal.h>
#include <ucontext.h>
#include <unwind.h>

#include "runner/test.h"
#include "task/stack.h"
#include "task/switch.h"

#define NOINLINE __attribute__((noinline))
#define FRAMES_MAX 64

static struct stack_pool pool;
static struct context main_context;
static struct context task_context;

struct walk {
    uintptr_t functions[FRAMES_MAX]; /* where the function of a frame begins */
    uintptr_t at[FRAMES_MAX];
    unsigned count;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;

    if (_Unwind_GetIP(frame) == 0)
        return _URC_NO_REASON; /* the caller of who has none */
    if (walk->count == FRAMES_MAX)
        return _URC_NORMAL_STOP; /* runs in circles */
    walk->functions[walk->count] = _Unwind_GetRegionStart(frame);
    walk->at[walk->count] = _Unwind_GetIP(frame);
    walk->count++;
    return _URC_NO_REASON;
}

static void walk_stack(struct walk *walk)
{
    walk->count = 0;
    (void)_Unwind_Backtrace(note_frame, walk);
}

static bool walk_has(const struct walk *walk, uintptr_t function)
{
    for (unsigned i = 0; i < walk->count; i++)
        if (walk->functions[i] == function)
            return true;
    return false;
}

static uintptr_t walk_last(const struct walk *walk)
{
    return walk->count == 0 ? 0 : walk->functions[walk->count - 1];
}

/* A stack with code addresses above the place where the task begins, for those
 * who look for a caller there. */
static NOINLINE void first(void (*fn)(void *), void *arg);

static struct stack *get_stack(void)
{
    struct stack *stack = stack_get(&pool);
    uintptr_t *above;

    CHECK(stack != NULL);
    above = stack_reserve_top(stack, 64);
    for (size_t i = 0; i < 8; i++)
        above[i] = (uintptr_t)first + 1;
    return stack;
}

static void run_as_task(context_fn *fn, void *arg)
{
    struct stack *stack;

    stack_pool_init(&pool, 0, 0);
    context_init_thread(&main_context);
    stack = get_stack();
    context_make(&task_context, stack, fn, arg);
    context_switch(&main_context, &task_context);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
}

/* Three calls deep, each with something left to do after the call. */
static volatile unsigned after;

static NOINLINE void third(void (*fn)(void *), void *arg)
{
    fn(arg);
    after = after + 1;
}

static NOINLINE void second(void (*fn)(void *), void *arg)
{
    third(fn, arg);
    after = after + 1;
}

static NOINLINE void first(void (*fn)(void *), void *arg)
{
    second(fn, arg);
    after = after + 1;
}

static void take_walk(void *arg)
{
    walk_stack(arg);
}

static void walk_deep(void *arg)
{
    first(take_walk, arg);
    context_exit(&task_context, &main_context);
}

static uintptr_t address_of(void (*fn)(void (*)(void *), void *))
{
    return (uintptr_t)fn;
}

TEST(K1_the_unwind_table_leads_through_all_frames_of_a_task_to_its_end)
{
    struct walk walk = { .count = 0 };

    run_as_task(walk_deep, &walk);
    CHECK(walk_has(&walk, address_of(first)));
    CHECK(walk_has(&walk, address_of(second)));
    CHECK(walk_has(&walk, address_of(third)));
    CHECK(walk_has(&walk, (uintptr_t)walk_deep));
    CHECK_LT(walk.count, 16U);
    CHECK_NE(walk_last(&walk), 0U);
#ifndef GYRE_SWITCH_UCONTEXT
    void context_entry(void);

    CHECK_EQ(walk_last(&walk), (uintptr_t)context_entry);
#endif
}

/* As perf does it: [frame] is the caller's frame, [frame + 1] the return. */
static NOINLINE unsigned frame_pointers(const struct stack *stack)
{
    void *const *frame = __builtin_frame_address(0);
    unsigned count = 0;

    while (frame != NULL && count < FRAMES_MAX) {
        CHECK(stack_holds(stack, frame));
        frame = *frame;
        count++;
    }
    return count;
}

struct frame_walk {
    const struct stack *stack;
    unsigned count;
};

static void count_frames(void *arg)
{
    struct frame_walk *walk = arg;

    walk->count = frame_pointers(walk->stack);
    after = after + 1;
}

static void count_deep(void *arg)
{
    first(count_frames, arg);
    context_exit(&task_context, &main_context);
}

TEST(K1_the_chain_of_frame_pointers_of_a_task_ends_in_zero)
{
    struct frame_walk walk = { .count = 0 };
    struct stack *stack;

#if !defined(__x86_64__) && !defined(__aarch64__)
    TEST_SKIP("frames of this processor are not a chain of pointers");
#endif
    stack_pool_init(&pool, 0, 0);
    context_init_thread(&main_context);
    stack = get_stack();
    walk.stack = stack;
    context_make(&task_context, stack, count_deep, &walk);
    context_switch(&main_context, &task_context);
    stack_put(&pool, stack);
    stack_pool_deinit(&pool);
    /* frame_pointers, count_frames, third, second, first, count_deep */
    CHECK_GE(walk.count, 6U);
    CHECK_LT(walk.count, 16U);
}

#if defined(__x86_64__) && !defined(GYRE_SWITCH_UCONTEXT) && !GYRE_ASAN &&     \
    !GYRE_TSAN

/*
 * The processor stops after every instruction (trap flag), and the handler
 * walks the stack from there: a profiler that samples everywhere.
 */
#define TRAP_FLAG ((greg_t)0x100)

static struct {
    bool enough;
    unsigned steps;
    unsigned in_task;   /* walks that ended at the task's end */
    unsigned in_thread; /* walks that got to the test's own frames */
    unsigned nowhere;   /* walks that ended in the switch itself */
    unsigned lost;      /* walks that ended anywhere else */
    uintptr_t thread_function;
} stepping;

static void set_trap(void *context, bool on)
{
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];

    *flags = on ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
}

static void on_begin(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    set_trap(context, true);
}

static void on_step(int number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    uintptr_t pc = (uintptr_t)machine->uc_mcontext.gregs[REG_RIP];
    void context_entry(void);
    struct walk walk;

    (void)number, (void)info;
    set_trap(context, !stepping.enough);
    walk_stack(&walk);
    stepping.steps++;
    if (walk_last(&walk) == (uintptr_t)context_entry)
        stepping.in_task++;
    else if (walk_has(&walk, stepping.thread_function) &&
             walk.at[walk.count - 1] != pc)
        stepping.in_thread++;
    else if (walk.count > 0 && walk.at[walk.count - 1] == pc)
        stepping.nowhere++;
    else
        stepping.lost++;
}

static void step_in_task(void *arg)
{
    unsigned rounds = *(unsigned *)arg;

    while (rounds-- > 0)
        context_switch(&task_context, &main_context);
    context_exit(&task_context, &main_context);
}

static NOINLINE void step_through(unsigned rounds)
{
    struct stack *stack = get_stack();

    context_make(&task_context, stack, step_in_task, &rounds);
    raise(SIGUSR1); /* on_begin() */
    for (unsigned i = 0; i <= rounds; i++)
        context_switch(&main_context, &task_context);
    stepping.enough = true;
    stack_put(&pool, stack);
}

TEST(K1_every_instruction_of_a_switch_unwinds)
{
    enum { ROUNDS = 5, SWITCHES = 2 * (ROUNDS + 1), WINDOW = 4 };
    struct sigaction begin = { .sa_sigaction = on_begin,
                               .sa_flags = SA_SIGINFO };
    struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
    struct walk warm_up;

#if GYRE_VALGRIND
    if (RUNNING_ON_VALGRIND)
        TEST_SKIP("valgrind does not know the trap flag");
#endif
    walk_stack(&warm_up); /* what the unwinder loads, it loads now */
    stack_pool_init(&pool, 0, 0);
    context_init_thread(&main_context);
    CHECK_EQ(sigaction(SIGUSR1, &begin, NULL), 0);
    CHECK_EQ(sigaction(SIGTRAP, &step, NULL), 0);
    stepping.thread_function = (uintptr_t)step_through;
    step_through(ROUNDS);
    stack_pool_deinit(&pool);

    CHECK_EQ(stepping.lost, 0U);
    CHECK_GT(stepping.in_task, 10U * ROUNDS);
    CHECK_GT(stepping.in_thread, 10U * ROUNDS);
    /* From the load of the frame pointer to the jump, and nowhere else. */
    CHECK_EQ(stepping.nowhere, (unsigned)(WINDOW * SWITCHES));
}

#endif
