/* SPDX-License-Identifier: MIT */
/*
 * dump.c - the tree of scopes and tasks, and what each task waits for
 *
 * The tree is walked as a cancel walks it, without recursion, for scopes may be
 * nested deeper than a stack is. Under a scope stand the tasks spawned into it;
 * under a task that has opened scopes, those. A task is a member of its
 * innermost scope, so one that has opened some is met as the owner of the
 * outermost of these.
 *
 * What a task waits for is looked into only while it waits: then the op, the
 * timer or the mutex is there. A task that is ready has been woken, and what
 * woke it may be gone.
 *
 * All state is static, behind a lock: the caller may be short of stack, and out
 * of memory.
 */
#include <gyre/dump.h>
#include <gyre/error.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "kernel/output.h"
#include "loop/loop.h"
#include "task/branch.h"
#include "task/task.h"
#include "watch/groups.h"
#include "watch/loop_report.h"
#include "watch/unwind.h"

#define DEPTHS 8U        /* with a table of kinds of their own */
#define TASKS_SHOWN 500U /* in one dump */

struct dump {
    struct out out;
    gyre_loop *loop;
    struct tasks *tasks;
    uint64_t now_ns;
    unsigned budget;
    struct groups groups[DEPTHS];
};

task_owner_fn *task_mutex_owner;
static struct dump dump;
static pthread_mutex_t dump_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool dumping;

static void print_age(uint64_t since_ns)
{
    out_time(&dump.out, dump.now_ns > since_ns ? dump.now_ns - since_ns : 0);
}

/* ---- one task ------------------------------------------------------------ */

static bool is_waiting_for(const gyre_task *task, const char *reason)
{
    return task->waiting && strcmp(task->wait_reason, reason) == 0;
}

static const char *state_of(const gyre_task *task)
{
    if (task->finished)
        return "finished";
    if (task == gyre_task_current())
        return "running";
    return task->waiting ? "waiting" : "ready";
}

/* Registers of a task that does not run; all zero if they cannot be had. */
static struct unwind_start start_of(const gyre_task *task)
{
    const struct stack *stack = task->stack;
    struct unwind_start start = { .low = stack->bottom,
                                  .high = stack->bottom + stack->size };

#ifndef GYRE_SWITCH_UCONTEXT
    start.pc = task->context.pc;
    start.sp = task->context.sp;
    start.frame = task->context.frame;
    start.base = task->context.base;
#endif
    return start;
}

static bool has_begun(const gyre_task *task)
{
    return strcmp(task->wait_reason, "its first turn") != 0;
}

/* Was it switched away from, so that its registers are known? */
static bool has_calls(const gyre_task *task)
{
    return !task->finished && task != gyre_task_current() && has_begun(task) &&
           start_of(task).pc != NULL;
}

static uint64_t key_of(const gyre_task *task)
{
    const struct unwind_start start = start_of(task);
    uint64_t key = groups_mix(0, (uintptr_t)state_of(task));

    key = groups_mix(key, (uintptr_t)task->name);
    key = groups_mix(key, (uintptr_t)task->fn);
    key = groups_mix(key, (uintptr_t)task->wait_reason);
    key = groups_mix(key, (uintptr_t)task->site);
    if (is_waiting_for(task, "op"))
        key = groups_mix(
            key, (uintptr_t)gyre_op_name((const gyre_op *)task->waits_on));
    return has_calls(task) ? groups_mix(key, unwind_key(&start)) : key;
}

static void print_task_name(const gyre_task *task)
{
    out_print(&dump.out, "task ");
    out_name(&dump.out, task->name);
    out_print(&dump.out, " %p", (const void *)task);
}

static bool is_guest(const gyre_task *task)
{
    const struct list *parts = scope_list(dump.tasks->root.scopes_);

    for (const struct list *at = parts->next; at != parts; at = at->next) {
        const gyre_scope *scope = CONTAINER_OF(at, const gyre_scope, link_);

        if (scope->part_ && scope->owner_ == task)
            return true;
    }
    return false;
}

/* Tasks of other loops run while we look, and so may be gone; one of ours may
 * have ended without having unlocked, or be elsewhere. */
static bool is_live_task(const gyre_task *task)
{
    if (stack_pool_has(&dump.tasks->stacks, task))
        return task->branch == NULL && !task->finished;
    return is_guest(task);
}

static void print_mutex(const void *mutex)
{
    task_owner_fn *owner_of =
        __atomic_load_n(&task_mutex_owner, __ATOMIC_RELAXED);
    const void *owner = owner_of(mutex);

    out_print(&dump.out, "mutex %p, held by ", mutex);
    if (owner == NULL)
        out_print(&dump.out, "nobody");
    else if (is_live_task(owner))
        print_task_name(owner);
    else
        out_print(&dump.out,
                  "a thread, or a task of another loop or one that ended, %p",
                  owner);
}

static void print_timer(const gyre_timer *timer)
{
    if (timer->deadline_ns_ == GYRE_NEVER) {
        out_print(&dump.out, "sleep, for ever");
        return;
    }
    out_print(&dump.out, "sleep, ");
    out_time(&dump.out, timer->deadline_ns_ > dump.now_ns
                            ? timer->deadline_ns_ - dump.now_ns
                            : 0);
    out_print(&dump.out, " left");
}

static void print_wait(const gyre_task *task)
{
    if (is_waiting_for(task, "op")) {
        report_op(&dump.out, task->waits_on, dump.now_ns);
    } else if (is_waiting_for(task, "sleep")) {
        print_timer(task->waits_on);
    } else if (is_waiting_for(task, "join")) {
        out_print(&dump.out, "join of ");
        print_task_name(task->waits_on);
    } else if (is_waiting_for(task, "children")) {
        const gyre_scope *scope = task->waits_on;

        out_print(&dump.out, "the %" PRIu32 " children of scope %p",
                  scope->children_, (const void *)scope);
    } else if (is_waiting_for(task, "mutex")) {
        print_mutex(task->waits_on);
    } else {
        out_print(&dump.out, "%s", task->wait_reason);
        if (task->waiting && task->waits_on != NULL)
            out_print(&dump.out, " %p", task->waits_on);
    }
}

static void print_state(const gyre_task *task)
{
    out_print(&dump.out, ": %s", state_of(task));
    if (task->finished) {
        out_print(&dump.out, " with %d", task->result);
        if (task->result < 0)
            out_print(&dump.out, " (%s)", gyre_error_name(task->result));
        out_print(&dump.out, ", not joined");
        return;
    }
    if (task == gyre_task_current())
        return;
    out_print(&dump.out, task->waiting ? " for " : " after ");
    print_age(task->since_ns);
    out_print(&dump.out, task->waiting ? " on " : " of ");
    print_wait(task);
    if (task_cancelled(task) != 0)
        out_print(&dump.out, "; %s",
                  report_cancel_reason(task_cancelled(task)));
}

static void print_stack(const gyre_task *task)
{
    const struct stack *stack = task->stack;
    const char *sp = start_of(task).sp;

    if (task == gyre_task_current())
        sp = __builtin_frame_address(0);
    out_print(&dump.out, "stack ");
    out_bytes(&dump.out, stack->size);
    if (sp != NULL && stack_holds(stack, sp) && !task->finished) {
        out_print(&dump.out, ", ");
        out_bytes(&dump.out, (uint64_t)(stack->bottom + stack->size - sp));
        out_print(&dump.out, " of it used now");
    }
}

static void print_birth(const gyre_task *task, unsigned depth)
{
    const gyre_task *parent = gyre_task_parent(task);

    out_indent(&dump.out, depth + 2);
    out_print(&dump.out, "born ");
    print_age(task->born_ns);
    out_print(&dump.out, " ago by ");
    if (parent != NULL)
        print_task_name(parent);
    else
        out_print(&dump.out, task->finished ? "a task" : "no task");
    out_print(&dump.out, " at ");
    unwind_print_place(&dump.out, task->site);
    out_print(&dump.out, "; runs ");
    unwind_print_place(&dump.out, (const void *)(uintptr_t)task->fn);
}

static void print_task(const gyre_task *task, unsigned depth)
{
    out_indent(&dump.out, depth);
    print_task_name(task);
    print_state(task);
    out_print(&dump.out, "\n");
    print_birth(task, depth);
    out_print(&dump.out, "; ");
    print_stack(task);
    out_print(&dump.out, "\n");
    if (dump.out.frugal || !has_calls(task))
        return;

    const struct unwind_start start = start_of(task);

    unwind_print(&dump.out, &start, depth + 2);
}

/* ---- one that is elsewhere ----------------------------------------------- */

/* It runs while we look: only what stays the same, and the words between the
 * engines, can be read. */
static void print_branch(const struct branch *branch, unsigned depth)
{
    uint32_t state = atomic_load_explicit(&branch->state, memory_order_acquire);
    int cancel =
        atomic_load_explicit(&branch->wish_cancel, memory_order_relaxed);

    out_indent(&dump.out, depth);
    print_task_name(branch->task);
    if ((state & BRANCH_PLACED) == 0)
        out_print(&dump.out, ": waits to begin on any engine");
    else
        out_print(&dump.out,
                  (state & BRANCH_ENDED) != 0 ? ": has ended on engine %u"
                                              : ": on engine %u",
                  branch->at->number);
    if (cancel != 0)
        out_print(&dump.out, "; %s", report_cancel_reason(cancel));
    out_print(&dump.out, "\n");
    print_birth(branch->task, depth);
    out_print(&dump.out, "\n");
}

static uint64_t key_of_branch(const struct branch *branch)
{
    const gyre_task *task = branch->task;
    uint64_t key = groups_mix(0, (uintptr_t)branch->at);

    key = groups_mix(key, (uintptr_t)task->name);
    key = groups_mix(key, (uintptr_t)task->fn);
    return groups_mix(key, (uintptr_t)task->site);
}

/* ---- the tree ------------------------------------------------------------ */

/*
 * `nesting` is how many scopes are above: the loop's own has none. Its tasks
 * stand one step to the right, and the scopes that these have opened another.
 * What is nested deeper than there are tables shares the last.
 */
static struct groups *groups_at(unsigned nesting)
{
    return &dump.groups[nesting < DEPTHS ? nesting : DEPTHS - 1];
}

/* Was the task told of, and not only counted? */
static bool visit_task(const gyre_task *task, unsigned nesting)
{
    if (!groups_admit(groups_at(nesting), key_of(task), task, task->since_ns,
                      &dump.budget))
        return false;
    print_task(task, 2 * nesting + 1);
    return true;
}

static void print_hidden(unsigned nesting)
{
    const struct groups *groups = groups_at(nesting);

    for (unsigned i = 0; i < groups->used; i++) {
        const struct group *group = &groups->at[i];

        if (group->hidden == 0)
            continue;
        out_indent(&dump.out, 2 * nesting + 1);
        out_print(&dump.out, "and %" PRIu64 " more like ", group->hidden);
        print_task_name(group->first);
        out_print(&dump.out, ": for ");
        print_age(group->since_last_ns);
        out_print(&dump.out, " to ");
        print_age(group->since_first_ns);
        out_print(&dump.out, "\n");
    }
    if (groups->others > 0) {
        out_indent(&dump.out, 2 * nesting + 1);
        out_print(&dump.out, "and %" PRIu64 " more\n", groups->others);
    }
}

static void print_deadline(uint64_t deadline_ns)
{
    if (deadline_ns == GYRE_NEVER)
        return;
    if (deadline_ns <= dump.now_ns) {
        out_print(&dump.out, ", its deadline has passed");
        return;
    }
    out_print(&dump.out, ", ");
    out_time(&dump.out, deadline_ns - dump.now_ns);
    out_print(&dump.out, " left");
}

static void print_part(const struct branch *branch)
{
    out_print(&dump.out, "its part of scope %p of engine %u",
              (const void *)branch->trunk, branch->home->number);
}

static void print_scope(const gyre_scope *scope, unsigned nesting)
{
    out_indent(&dump.out, 2 * nesting);
    if (scope->parent_ == NULL)
        out_print(&dump.out, "the loop's own scope");
    else if (scope->opener_ != NULL)
        out_print(&dump.out, "a thread's scope %p", (const void *)scope);
    else if (scope->part_)
        print_part(CONTAINER_OF(scope, const struct branch, part));
    else
        out_print(&dump.out, "scope %p", (const void *)scope);
    out_print(&dump.out, ": %" PRIu32 " children", scope->children_);
    if (scope->max_tasks_ != 0)
        out_print(&dump.out, " of at most %" PRIu32, scope->max_tasks_);
    print_deadline(scope->deadline_ns_);
    if (scope->shield_)
        out_print(&dump.out, ", a shield");
    if (scope->cancelled_ != 0)
        out_print(&dump.out, ", %s", report_cancel_reason(scope->cancelled_));
    if (scope->error_ != 0)
        out_print(&dump.out, ", error %s of task '%s'",
                  gyre_error_name(scope->error_), scope->failure_.task);
    out_print(&dump.out, "\n");
}

static void visit_list(const struct list *list, const gyre_scope *scope,
                       unsigned nesting)
{
    for (const struct list *at = list->next; at != list; at = at->next) {
        const gyre_task *task = CONTAINER_OF(at, const gyre_task, member);

        if (task != scope->owner_)
            (void)visit_task(task, nesting);
    }
}

static void visit_branches(const gyre_scope *scope, unsigned nesting)
{
    const struct list *list = scope_list(scope->branches_);

    for (const struct list *at = list->next; at != list; at = at->next) {
        const struct branch *branch =
            CONTAINER_OF(at, const struct branch, link);

        if (groups_admit(groups_at(nesting), key_of_branch(branch),
                         branch->task, branch->task->born_ns, &dump.budget))
            print_branch(branch, 2 * nesting + 1);
    }
}

static void enter_scope(const gyre_scope *scope, unsigned nesting)
{
    print_scope(scope, nesting);
    if (nesting < DEPTHS)
        groups_init(groups_at(nesting));
    visit_list(scope_list(scope->members_), scope, nesting);
    visit_list(scope_list(scope->handles_), scope, nesting);
    visit_branches(scope, nesting);
}

static void leave_scope(unsigned nesting)
{
    if (nesting < DEPTHS)
        print_hidden(nesting);
}

/* A scope opened by a task that was spawned into its parent, or by the same
 * task as its parent. Is it to be told of? */
static bool meet_scope(const gyre_scope *scope, unsigned nesting)
{
    if (scope->owner_ != scope->parent_->owner_)
        return visit_task(scope->owner_, nesting - 1);
    if (dump.budget == 0)
        return false;
    dump.budget--;
    return true;
}

static const gyre_scope *link_scope(const struct list *link)
{
    return CONTAINER_OF(link, const gyre_scope, link_);
}

/* The next scope of the tree, parents first; NULL: that was all of it. */
static const gyre_scope *next_scope(const gyre_scope *scope,
                                    const gyre_scope *root, bool entered,
                                    unsigned *nesting)
{
    const struct list *below = scope_list(scope->scopes_);

    if (entered && !list_is_empty(below)) {
        ++*nesting;
        return link_scope(below->next);
    }
    if (entered)
        leave_scope(*nesting);
    while (scope != root) {
        const struct list *next = scope_list(scope->link_)->next;

        if (next != scope_list(scope->parent_->scopes_))
            return link_scope(next);
        scope = scope->parent_;
        leave_scope(--*nesting);
    }
    return NULL;
}

static void print_tree(const gyre_scope *root)
{
    const gyre_scope *scope = root;
    unsigned nesting = 0;
    bool entered = true;

    enter_scope(root, nesting);
    while ((scope = next_scope(scope, root, entered, &nesting)) != NULL) {
        entered = meet_scope(scope, nesting);
        if (entered)
            enter_scope(scope, nesting);
    }
}

/* ---- the whole ----------------------------------------------------------- */

static void print_stacks(const struct stack_pool *pool)
{
    for (unsigned i = 0; i < STACK_CLASSES; i++) {
        const struct stack_class *class = &pool->classes[i];

        if (class->begun == 0)
            continue;
        out_print(&dump.out, "stacks of ");
        out_bytes(&dump.out, class->size);
        out_print(&dump.out,
                  ": %zu used, %zu idle with their pages, %zu without\n",
                  class->begun - class->warm_count - class->cold_count,
                  class->warm_count, class->cold_count);
    }
    out_print(&dump.out, "stacks are guarded by %s\n", stack_guard_name(pool));
}

static void print_tasks(void)
{
    struct tasks *tasks = dump.tasks;

    if (tasks == NULL) {
        out_print(&dump.out, "tasks: none so far\n");
        return;
    }
    out_print(&dump.out, "tasks: %" PRIu32 " alive", census_get(&tasks->alive));
    if (tasks->max_tasks != 0)
        out_print(&dump.out, " of at most %" PRIu32, tasks->max_tasks);
    if (census_get(&tasks->away) > 0)
        out_print(&dump.out, ", %" PRIu32 " of them for other engines",
                  census_get(&tasks->away));
    if (census_get(&tasks->guests) > 0)
        out_print(&dump.out, ", and %" PRIu32 " guests of other engines",
                  census_get(&tasks->guests));
    if (tasks->ending)
        out_print(&dump.out, ", the loop is ending");
    out_print(&dump.out, "; calls by %s%s\n", unwind_method(),
              dump.out.frugal ? ", left out: too little stack here" : "");
    print_tree(&tasks->root);
    print_stacks(&tasks->stacks);
}

static void print_dump(void)
{
    out_print(&dump.out, "gyre dump: loop %" PRIu64 " on %s",
              gyre_loop_id(dump.loop), gyre_loop_kernel(dump.loop));
    if (dump.tasks != NULL && dump.tasks->placing != NULL)
        out_print(&dump.out, ", engine %u", dump.tasks->number);
    out_print(&dump.out, "\n");
    report_loop(&dump.out, dump.loop, dump.now_ns);
    print_tasks();
    report_ops(&dump.out, dump.loop, dump.now_ns, task_owns_op);
    out_print(&dump.out, "end of dump\n");
    out_flush(&dump.out);
}

static void dump_begin(gyre_loop *loop, gyre_dump_fn *write, void *user)
{
    ASSERT_API(!dumping, "gyre_dump() was called by the function that takes "
                         "the text of one");
    pthread_mutex_lock(&dump_lock);
    dumping = true;
    out_init(&dump.out, write, user);
    dump.loop = loop;
    dump.tasks = loop->tasks;
    dump.now_ns = loop_clock(loop);
    dump.out.frugal = gyre_stack_left() < UNWIND_STACK;
    dump.budget = TASKS_SHOWN;
}

static void dump_end(void)
{
    dumping = false;
    pthread_mutex_unlock(&dump_lock);
}

void gyre_dump(gyre_loop *loop, gyre_dump_fn *write, void *user)
{
    loop_assert_owner(loop);
    ASSERT_API(write != NULL, "a dump needs a function that takes the text");
    dump_begin(loop, write, user);
    print_dump();
    dump_end();
}

/* ---- what is left after a shutdown --------------------------------------- */

#define LEFT_SHOWN 10U /* tasks of an engine */

static void print_left(const gyre_task *task, unsigned engine)
{
    out_print(&dump.out, "engine %u: task ", engine);
    out_name(&dump.out, task->name);
    print_state(task);
    out_print(&dump.out, "; spawned ");
    print_age(task->born_ns);
    out_print(&dump.out, " ago at ");
    unwind_print_place(&dump.out, task->site);
    out_print(&dump.out, "\n");
}

static void print_left_tasks(const gyre_scope *root, unsigned engine,
                             uint64_t *ops)
{
    gyre_scope *scope = (gyre_scope *)(uintptr_t)root;
    unsigned count = 0;

    for (; scope != NULL; scope = scope_after(scope, root, true)) {
        const struct list *members = scope_list(scope->members_);

        if (scope->opener_ != NULL)
            out_print(&dump.out,
                      "engine %u: a scope that a thread has not closed\n",
                      engine);
        for (const struct list *at = members->next; at != members;
             at = at->next) {
            const gyre_task *task = CONTAINER_OF(at, const gyre_task, member);

            if (count++ < LEFT_SHOWN)
                print_left(task, engine);
            *ops += is_waiting_for(task, "op");
        }
    }
    if (count > LEFT_SHOWN)
        out_print(&dump.out, "engine %u: and %u more tasks\n", engine,
                  count - LEFT_SHOWN);
}

void tasks_tell_left(struct tasks *tasks, unsigned engine, gyre_dump_fn *write,
                     void *user)
{
    uint64_t ops = 0;

    dump_begin(tasks->loop, write, user);
    print_left_tasks(&tasks->root, engine, &ops);
    if (counter_get(&tasks->loop->in_flight) > ops) {
        out_print(&dump.out, "engine %u: ", engine);
        report_ops(&dump.out, tasks->loop, dump.now_ns, task_owns_op);
    }
    out_flush(&dump.out);
    dump_end();
}

/* ---- to a descriptor ----------------------------------------------------- */

struct fd_writer {
    int fd;
    int error;
};

static void write_fd(void *user, const char *text, size_t size)
{
    struct fd_writer *writer = user;

    if (writer->error == 0)
        writer->error = output_write(writer->fd, text, size);
}

int gyre_dump_fd(gyre_loop *loop, int fd)
{
    struct fd_writer writer = { .fd = fd };

    gyre_dump(loop, write_fd, &writer);
    return writer.error;
}
