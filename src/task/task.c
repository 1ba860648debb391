/* SPDX-License-Identifier: MIT */
/*
 * task.c - from spawn to join
 *
 * Spawning takes a stack, puts the control block on its top and the task on the
 * ready queue; nothing runs until the loop's next phase one. Returning from the
 * task's function ends it: its result goes to the scope and to the joiner, and
 * whoever runs next, on another stack, gives the stack back.
 */
#include "task/task.h"

#include <errno.h>

#include "base/fault.h"
#include "loop/loop.h"
#include "task/branch.h"
#include "task/measure.h"
#include "task/outside.h"
#include "task/paint.h"
#include "task/wish.h"
#include "watch/trace.h"

_Thread_local gyre_task *task_self;

const char task_no_name[] = "task";

gyre_task *gyre_task_current(void)
{
    return task_self;
}

const char *gyre_task_name(const gyre_task *task)
{
    return task->name;
}

/* ---- the two switches ---------------------------------------------------- */

/* On a stack that was just switched to: who was left for good, if he was, needs
 * his no more. */
static inline void task_bury(struct tasks *tasks)
{
    gyre_task *dead = tasks->dead;

    if (dead == NULL)
        return;
    tasks->dead = NULL;
    if (UNLIKELY(dead->branch != NULL))
        branch_end(dead->branch);
    else
        task_free(dead);
}

/* On the host: let the task run, and those it hands over to, until one of them
 * comes back because nobody else is ready. */
void task_resume(gyre_work *work)
{
    gyre_task *task = CONTAINER_OF(work, gyre_task, work);
    struct tasks *tasks = task->tasks;
    gyre_task *outer = task_self;

    ASSERT(!task->finished);
    task_self = task;
    context_switch(&tasks->host, &task->context);
    task_self = outer;
    task_bury(tasks);
}

/*
 * The running task waits or ends. If a task is ready next, go on with it at
 * once, in the order and within the bounds of phase one: half the switches, and
 * where both wait in the same call, returns that the processor has predicted.
 * Else with the host: NULL.
 */
static inline gyre_task *task_next(gyre_task *task)
{
    gyre_loop *loop = task->tasks->loop;
    gyre_work *work = loop->ready_first;
    gyre_task *next;

    stack_check(task->stack, task->name);
    if (work == NULL || work->run_ != task_resume ||
        loop_take_ready(loop) == NULL)
        return NULL;
    next = CONTAINER_OF(work, gyre_task, work);
    ASSERT(!next->finished);
    task_self = next;
    return next;
}

static void task_leave(gyre_task *task)
{
    gyre_task *next = task_next(task);

    if (next == task)
        return; /* it yielded, to nobody */
    context_switch(&task->context,
                   next != NULL ? &next->context : &task->tasks->host);
    task_bury(task->tasks);
}

/* The trace may begin or end meanwhile. */
static void task_tell(const gyre_task *task, enum loop_step step,
                      const void *on, const char *text, unsigned flags)
{
    gyre_loop *loop = task->tasks->loop;

    if (loop->tell != NULL)
        trace_task(loop, step, task, on, text,
                   step == STEP_RETURNS ? task->result : 0, flags);
}

/* The loop is traced, at least so far. */
static __attribute__((noinline)) void task_leave_told(gyre_task *task,
                                                      const char *reason,
                                                      const void *on,
                                                      unsigned flags)
{
    task_tell(task, STEP_WAITS, on, reason, flags);
    task_leave(task);
    task_tell(task, STEP_RUNS, NULL, task->name, 0);
}

void task_wait(gyre_task *task, void (*cancel_wait)(gyre_task *task),
               const char *reason, const void *on)
{
    gyre_loop *loop = task->tasks->loop;

    ASSERT(task == task_self && !task->waiting);
    task->waiting = true;
    task->cancel_wait = cancel_wait;
    task->wait_reason = reason;
    task->waits_on = on;
    task->since_ns = loop->now_ns;
    if (UNLIKELY(loop->tell != NULL))
        task_leave_told(task, reason, on, 0);
    else
        task_leave(task);
    ASSERT(task == task_self && !task->waiting);
}

void task_wake(gyre_task *task)
{
    ASSERT(task->waiting); /* I8 */
    task->waiting = false;
    task->cancel_wait = NULL;
    loop_make_ready(task->tasks->loop, &task->work);
}

/* Posted by another thread; now on the loop's own. */
static void task_resume_posted(gyre_work *work)
{
    gyre_task *task = CONTAINER_OF(work, gyre_task, work);

    ASSERT(task->waiting); /* I8 */
    task->waiting = false;
    task->cancel_wait = NULL;
    work->run_ = task_resume;
    task_resume(work);
}

void task_wake_from_anywhere(gyre_task *task)
{
    gyre_loop *loop = task->tasks->loop;

    if (loop_owner(loop) == loop_thread())
        task_wake(task);
    else
        gyre_loop_post(loop, &task->work, task_resume_posted);
}

/* ---- spawn, end, join ---------------------------------------------------- */

/* The task has returned, and is no longer of its scope. */
static inline void task_finish(gyre_task *task)
{
    task->finished = true;
    /* The joiner first: the scope may close next, and free the handle. */
    if (task->ended != NULL)
        task->ended(task);
    scope_child_ended(task->home, task);
}

void task_come_home(gyre_task *task)
{
    task_finish(task);
    if (task->books == NULL)
        task_free(task);
}

static _Noreturn void task_main(void *arg)
{
    gyre_task *task = arg;
    gyre_scope *home = task->home;
    gyre_task *next;

    task_bury(task->tasks);
    task->result = task->fn(task->arg);
    if (UNLIKELY(task->branch != NULL))
        branch_empty(task->branch);
    if (UNLIKELY(task->tasks->loop->tell != NULL))
        task_tell(task, STEP_RETURNS, NULL, task->name, 0);
    if (UNLIKELY(task->memory != NULL))
        task_free_memory(task);
    if (UNLIKELY(stack_is_painted(task->stack) && task->tasks->kinds != NULL))
        measure_note(task->tasks->kinds, task->stack,
                     task->name != task_no_name ? task->name : NULL, task->fn);
    ASSERT_API(task->scope == home,
               "a task returned with a scope of its own still open");
    if (UNLIKELY(task->branch != NULL))
        branch_leave(task->branch);
    else
        task_finish(task);
    if (task->branch != NULL || task->books == NULL)
        task->tasks->dead = task;
    next = task_next(task);
    context_exit(&task->context,
                 next != NULL ? &next->context : &task->tasks->host);
}

/* It was spawned while the loop was traced: its first moment is told of here,
 * so that the others do not have to ask. */
static void task_begin_told(gyre_work *work)
{
    gyre_task *task = CONTAINER_OF(work, gyre_task, work);

    work->run_ = task_resume;
    task_tell(task, STEP_RUNS, NULL, task->name, TRACE_FIRST);
    task_resume(work);
}

void task_start(gyre_work *work)
{
    const gyre_task *task = CONTAINER_OF(work, gyre_task, work);

    if (UNLIKELY(task->tasks->loop->tell != NULL)) {
        task_begin_told(work);
    } else {
        work->run_ = task_resume;
        task_resume(work);
    }
}

static __attribute__((noinline)) void task_tell_spawned(gyre_task *task)
{
    task->work.run_ = task_begin_told;
    task_tell(task, STEP_SPAWNED, task_self, task->name, 0);
}

void task_put_stack(gyre_task *task)
{
    stack_put(&task->tasks->stacks, task->stack);
}

void task_free(gyre_task *task)
{
    ASSERT(task->finished && task != task_self);
    if (list_is_linked(&task->member))
        list_remove(&task->member);
    if (task->books == NULL || wish_forget_task(task))
        task_put_stack(task);
}

/* Member by member: to clear the block as a whole first is what compilers use
 * `rep stos` for, which alone takes a third of a spawn. context_make() sets the
 * context; what belongs to a wait is set when one begins. */
static inline void task_init(gyre_task *task, gyre_scope *scope,
                             struct stack *stack, gyre_task_fn *fn, void *arg)
{
    uint64_t now_ns = scope->loop_->now_ns;

    task->work.run_ = task_resume;
    task->tasks = scope->loop_->tasks;
    task->stack = stack;
    task->branch = NULL;
    task->home = scope;
    task->member.next = NULL;
    task->member.prev = NULL;
    task->cancel_wait = NULL;
    task->memory = NULL;
    task->ended = NULL;
    task->fn = fn;
    task->arg = arg;
    task->name = task_no_name;
    task->result = 0;
    task->cancelled = 0;
    task->books = NULL;
    task->finished = false;
    task->waiting = false;
    task->wait_reason = "its first turn";
    task->waits_on = NULL;
    task->since_ns = now_ns;
    task->born_ns = now_ns;
    task->locals = NULL;
    task->failure.error = 0;
}

/* Another size than the default: the loop's, or that of the options; NULL:
 * there are no stacks of that size. */
static __attribute__((noinline)) struct stack_class *class_elsewhere(
    struct stack_pool *pool, const gyre_task_options *options)
{
    if (options == NULL || options->stack_size == 0)
        return pool->standard;
    if (!stack_size_is_valid(options->stack_size))
        return NULL;
    return stack_class_of(pool, options->stack_size);
}

static inline struct stack_class *class_for(struct stack_pool *pool,
                                            const gyre_task_options *options)
{
    bool asks = options != NULL && options->stack_size != 0;

    return LIKELY(!asks && !pool->has_own_size)
               ? &pool->classes[STACK_CLASS_DEFAULT]
               : class_elsewhere(pool, options);
}

static void joiner_wake(gyre_task *task)
{
    task_wake(task->joiner);
}

static void join_cancel(gyre_task *task)
{
    gyre_task *target = task->waits_for;

    target->ended = NULL;
    task->waits_for = NULL; /* it may be gone before the joiner runs */
    task_wake(task);
}

static void aside_ended(gyre_task *target)
{
    gyre_task *spawner = target->joiner;

    target->ended = NULL;
    target->joiner = NULL;
    task_wake(spawner);
}

/* Over the bound: the spawner stands aside until the new task has ended, also
 * when it is cancelled, as a call of the function would. The task may be gone
 * by then. */
static void stand_aside(gyre_task *target)
{
    target->joiner = task_running();
    target->ended = aside_ended;
    task_wait(target->joiner, NULL, "its spawn, inline", target);
}

/* Where it is to run: `here`, another loop's tasks, or NULL: anywhere. */
static __attribute__((noinline)) int choose_place(struct tasks *here, int where,
                                                  struct tasks **to)
{
    if (here->placing != NULL)
        return here->placing->choose(here, where, to);
    *to = here;
    return where >= GYRE_NEXT && where <= GYRE_ENGINE(0) ? 0 : -EINVAL;
}

/* What is needed of a spawn besides room. Inline, as all of it, so that a spawn
 * without options and handle knows that it is one. */
static inline __attribute__((always_inline)) int spawn_check(
    const gyre_scope *scope, const gyre_task_options *options,
    struct stack_class **class, struct tasks **to)
{
    struct tasks *tasks = scope->loop_->tasks;

    *class = class_for(&tasks->stacks, options);
    *to = tasks;
    if (*class == NULL)
        return -EINVAL;
    if (tasks->ending)
        return -ECANCELED;
    if (options != NULL && options->where != GYRE_HERE)
        return choose_place(tasks, options->where, to);
    return 0;
}

/* There is room. */
static inline __attribute__((always_inline)) gyre_task *spawn_make(
    const void *site, gyre_scope *scope, const gyre_task_options *options,
    gyre_task_fn *fn, void *arg, gyre_task **handle, struct stack_class *class,
    struct tasks *to)
{
    struct tasks *tasks = scope->loop_->tasks;
    int err = fault_take(FAULT_SPAWN);
    struct stack *stack = err == 0 ? stack_get_from(&tasks->stacks, class)
                                   : NULL;
    gyre_task *task;

    if (stack == NULL) {
        bound_give(scope);
        return NULL;
    }
    task = stack_reserve_top(stack, sizeof *task);
    task_init(task, scope, stack, fn, arg);
    task->site = site;
    if (options != NULL && options->name != NULL)
        task->name = options->name;
    if (handle != NULL) {
        task->books = tasks;
        task->wishes = 0;
        *handle = task;
    }
    if (UNLIKELY(to != tasks))
        branch_make(task);
    context_make(&task->context, stack, task_main, task);
    if (UNLIKELY(tasks->loop->tell != NULL))
        task_tell_spawned(task);
    if (LIKELY(to == tasks)) {
        scope_add_member(scope, task);
        loop_make_ready(tasks->loop, &task->work);
    } else {
        branch_send(task->branch, to);
    }
    return task;
}

int task_check_spawn(struct spawn *spawn)
{
    return spawn_check(spawn->scope, spawn->options, &spawn->class, &spawn->to);
}

gyre_task *task_spawn(const struct spawn *spawn)
{
    return spawn_make(spawn->site, spawn->scope, spawn->options, spawn->fn,
                      spawn->arg, spawn->handle, spawn->class, spawn->to);
}

static inline __attribute__((always_inline)) int spawn_from(
    const void *site, gyre_scope *scope, const gyre_task_options *options,
    gyre_task_fn *fn, void *arg, gyre_task **handle)
{
    struct stack_class *class;
    struct tasks *to;
    bool aside = false;
    gyre_task *task;
    int err;

    ASSERT_API(fn != NULL, "a task needs a function");
    ASSERT_API(scope != NULL, "a task needs a scope; outside of tasks "
                              "gyre_scope_current() is NULL: give it "
                              "gyre_engine_scope() or gyre_loop_scope()");
    if (UNLIKELY(loop_owner(scope->loop_) != loop_thread()))
        return outside_spawn(site, scope, options, fn, arg, handle);
    err = spawn_check(scope, options, &class, &to);
    if (err < 0)
        return err;
    err = bound_take(scope, &aside);
    if (UNLIKELY(err < 0))
        return err;
    task = spawn_make(site, scope, options, fn, arg, handle, class, to);
    if (UNLIKELY(task == NULL))
        return -ENOMEM;
    if (UNLIKELY(aside))
        stand_aside(task);
    return 0;
}

int gyre_spawn_with(gyre_scope *scope, const gyre_task_options *options,
                    gyre_task_fn *fn, void *arg, gyre_task **handle)
{
    ASSERT_API(options == NULL || options->size == 0 ||
                   options->size == sizeof *options,
               "gyre_task_options.size is not that of this library");
    return spawn_from(__builtin_return_address(0), scope, options, fn, arg,
                      handle);
}

int gyre_spawn(gyre_scope *scope, gyre_task_fn *fn, void *arg)
{
    return spawn_from(__builtin_return_address(0), scope, NULL, fn, arg, NULL);
}

void task_watch(gyre_task *target, void (*ended)(gyre_task *), void *joiner)
{
    ASSERT_API(target != task_self, "a task cannot join itself");
    ASSERT_API(target->books != NULL,
               "only a handle from gyre_spawn_with() can be joined");
    ASSERT_API(target->ended == NULL || target->finished,
               "the task is being joined already");
    target->joiner = joiner;
    target->ended = ended;
}

int task_collect(gyre_task *target, gyre_failure *failure)
{
    int result = target->result;

    ASSERT(target->finished && target->books != NULL);
    if (result < 0)
        *failure = failure_of(target, result);
    task_free(target);
    return result;
}

int task_take(gyre_task *target)
{
    return task_collect(target, &task_self->failure);
}

int gyre_join(gyre_task *target, int *result)
{
    gyre_task *task;
    int taken;

    if (UNLIKELY(target->books != NULL &&
                 loop_owner(target->books->loop) != loop_thread()))
        return outside_join(target, result);
    task = task_running();
    task_watch(target, joiner_wake, task);
    if (!target->finished && task_cancelled(task) != 0) {
        target->ended = NULL;
        return task_cancelled(task);
    }
    if (!target->finished) {
        task->waits_for = target;
        task_wait(task, join_cancel, "join", target);
        if (task->waits_for == NULL)
            return task_cancelled(task);
    }
    taken = task_take(target);
    if (result != NULL)
        *result = taken;
    return 0;
}

gyre_task *gyre_task_parent(const gyre_task *task)
{
    if (task->branch != NULL)
        return task->branch->trunk->owner_;
    return task->home == NULL ? NULL : task->home->owner_;
}

const void *gyre_task_site(const gyre_task *task)
{
    return task->site;
}

/* ---- waiting inside a task ----------------------------------------------- */

int gyre_cancelled(void)
{
    return task_cancelled(task_running());
}

int gyre_yield(void)
{
    gyre_task *task = task_running();
    gyre_loop *loop = task->tasks->loop;

    task->wait_reason = "yield";
    task->since_ns = loop->now_ns;
    loop_make_ready(loop, &task->work);
    if (UNLIKELY(loop->tell != NULL))
        task_leave_told(task, task->wait_reason, NULL, TRACE_READY);
    else
        task_leave(task);
    return task_cancelled(task);
}

static void await_done(gyre_op *op, gyre_result result)
{
    gyre_task *task = op->user;

    if (!gyre_result_is_last(result)) {
        task->wait_first = result;
        return;
    }
    task->wait_result = result;
    task_wake(task);
}

static void await_extra_done(gyre_op *op, gyre_result result)
{
    gyre_task *task = op->user;

    if (gyre_result_is_last(result))
        gyre_op_extra(op, task->wait_extra);
    await_done(op, result);
}

bool task_owns_op(const gyre_op *op)
{
    return op->done_ == await_done || op->done_ == await_extra_done;
}

static void await_cancel(gyre_task *task)
{
    gyre_op_cancel(task->waits_for);
}

static inline gyre_result await_op(gyre_task *task, gyre_op *op,
                                   gyre_op_fn *done,
                                   void (*cancel)(gyre_task *))
{
    task->waits_for = op;
    gyre_op_start(task->tasks->loop, op, done, task);
    task_wait(task, cancel, "op", op);
    /* Notifications have flags there. */
    if (UNLIKELY(task->wait_result.res < 0) &&
        (task->wait_result.flags & GYRE_CQE_NOTIF) == 0)
        task_note_failure(task, op, task->wait_result.res);
    return task->wait_result;
}

static inline gyre_result await_unless_cancelled(gyre_task *task, gyre_op *op,
                                                 gyre_op_fn *done)
{
    gyre_result result = { .res = task_cancelled(task) };

    if (result.res != 0)
        return result;
    result = await_op(task, op, done, await_cancel);
    if (result.res == -ECANCELED && task_cancelled(task) != 0)
        result.res = task_cancelled(task);
    return result;
}

gyre_result gyre_await(gyre_op *op)
{
    return await_unless_cancelled(task_running(), op, await_done);
}

gyre_result gyre_await_extra(gyre_op *op, uint64_t extra[2])
{
    gyre_task *task = task_running();

    extra[0] = extra[1] = 0;
    task->wait_extra = extra;
    return await_unless_cancelled(task, op, await_extra_done);
}

gyre_result task_await_shielded(gyre_op *op)
{
    return await_op(task_running(), op, await_done, NULL);
}

static void sleep_done(gyre_timer *timer, int status)
{
    ASSERT(status == 0);
    task_wake(timer->user);
}

static void sleep_cancel(gyre_task *task)
{
    gyre_timer_stop(task->waits_for);
    task_wake(task);
}

int gyre_sleep_until(uint64_t deadline_ns)
{
    gyre_task *task = task_running();
    gyre_timer timer;

    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    gyre_timer_init(&timer, task->tasks->loop, sleep_done, task);
    gyre_timer_start(&timer, deadline_ns);
    task->waits_for = &timer;
    task->wait_result.res = 0;
    task_wait(task, sleep_cancel, "sleep", &timer);
    /* Cancelled in the moment it woke: the sleep is over, the next call tells.
     */
    return loop_clock(task->tasks->loop) >= deadline_ns ? 0
                                                        : task_cancelled(task);
}

int gyre_sleep(uint64_t delay_ns)
{
    uint64_t now = loop_clock(task_running()->tasks->loop);

    return gyre_sleep_until(delay_ns < GYRE_NEVER - now ? now + delay_ns
                                                        : GYRE_NEVER);
}

int gyre_sleep_for(gyre_delay delay)
{
    return gyre_sleep(delay.ns);
}

size_t gyre_stack_left(void)
{
    return task_self == NULL ? SIZE_MAX : stack_bytes_left(task_self->stack);
}
