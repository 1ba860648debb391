/* SPDX-License-Identifier: MIT */
/*
 * branch.c - there, and back again: see branch.h
 */
#include "task/branch.h"

#include "loop/loop.h"
#include "task/bound.h"

static gyre_task *work_task(gyre_work *work)
{
    return CONTAINER_OF(work, gyre_task, work);
}

/* ---- on the scope's loop ------------------------------------------------- */

/* Is it a shield, or below one? */
static bool is_shielded(const gyre_scope *scope)
{
    while (scope != NULL && !scope->shield_)
        scope = scope->parent_;
    return scope != NULL;
}

void branch_make(gyre_task *task)
{
    struct branch *branch = stack_reserve_top(task->stack, sizeof *branch);
    gyre_scope *trunk = task->home;
    struct tasks *home = task->tasks;

    branch->link.next = NULL; /* the stack may have been used */
    branch->link.prev = NULL;
    branch->task = task;
    branch->trunk = trunk;
    branch->home = home;
    branch->at = NULL;
    branch->shielded = is_shielded(trunk);
    branch->room = room_scope(branch);
    atomic_init(&branch->rooms, 0);
    atomic_init(&branch->state, 0);
    atomic_init(&branch->wish_cancel, trunk->cancelled_);
    atomic_init(&branch->wish_deadline_ns, gyre_scope_deadline(trunk));
    list_append(scope_list(trunk->branches_), &branch->link);
    census_add(&home->away, 1);
    home->outside++;
    task->branch = branch;
}

static void branch_unlink(struct branch *branch)
{
    list_remove(&branch->link);
    census_add(&branch->home->away, (uint32_t)-1);
    branch->home->outside--;
}

static void branch_arrive(gyre_work *work);

void branch_send(struct branch *branch, struct tasks *to)
{
    gyre_work *work = &branch->task->work;

    work->run_ = branch_arrive;
    if (to == NULL) {
        branch->home->placing->offer(branch->home, branch->task);
        return;
    }
    branch->at = to;
    atomic_init(&branch->state, BRANCH_PLACED);
    atomic_fetch_add_explicit(&to->arriving, 1, memory_order_relaxed);
    gyre_loop_post(to->loop, work, branch_arrive);
}

/* It may begin anywhere, and does so at home: no branch is needed. */
static void branch_dissolve(struct branch *branch)
{
    gyre_task *task = branch->task;
    gyre_scope *trunk = branch->trunk;

    branch_unlink(branch);
    task->branch = NULL;
    if (trunk->cancelled_ == 0)
        task->cancelled =
            atomic_load_explicit(&branch->wish_cancel, memory_order_relaxed);
    scope_add_member(trunk, task);
    task_start(&task->work);
}

static void branch_wished(gyre_work *work);

/* A wish was written. */
static void branch_tell(struct branch *branch)
{
    uint32_t before = atomic_fetch_or_explicit(&branch->state, BRANCH_DOWN,
                                               memory_order_acq_rel);

    if (before == BRANCH_PLACED)
        gyre_loop_post(branch->at->loop, &branch->down, branch_wished);
}

static void branch_cancel(struct branch *branch, int reason)
{
    if (atomic_load_explicit(&branch->wish_cancel, memory_order_relaxed) != 0)
        return;
    atomic_store_explicit(&branch->wish_cancel, reason, memory_order_relaxed);
    branch_tell(branch);
}

static struct branch *link_branch(struct list *link)
{
    return CONTAINER_OF(link, struct branch, link);
}

void branches_cancel(gyre_scope *scope, int reason)
{
    struct list *branches = scope_list(scope->branches_);

    for (struct list *at = branches->next; at != branches; at = at->next)
        branch_cancel(link_branch(at), reason);
}

/* By itself, or by another that runs where it does, at once. */
static void branch_cancel_here(struct branch *branch)
{
    gyre_scope *part = &branch->part;

    loop_assert_owner(branch->task->tasks->loop);
    if (part->cancelled_ == 0)
        scope_cancel_for(part, -ECANCELED);
}

void branch_cancel_task(struct branch *branch)
{
    if (loop_owner(branch->home->loop) == loop_thread())
        branch_cancel(branch, -ECANCELED);
    else
        branch_cancel_here(branch);
}

static void branches_of_tighten(gyre_scope *scope, uint64_t deadline_ns)
{
    struct list *branches = scope_list(scope->branches_);

    for (struct list *at = branches->next; at != branches; at = at->next) {
        struct branch *branch = link_branch(at);

        if (atomic_load_explicit(&branch->wish_deadline_ns,
                                 memory_order_relaxed) <= deadline_ns)
            continue;
        atomic_store_explicit(&branch->wish_deadline_ns, deadline_ns,
                              memory_order_relaxed);
        branch_tell(branch);
    }
}

void branches_tighten(gyre_scope *scope, uint64_t deadline_ns)
{
    gyre_scope *at = scope;

    while (at != NULL) {
        bool enter = at == scope || !at->shield_;

        if (enter)
            branches_of_tighten(at, deadline_ns);
        at = scope_after(at, scope, enter);
    }
}

/* `up` has arrived: nobody else knows the branch any more (I13). */
static void branch_home(gyre_work *work)
{
    struct branch *branch = CONTAINER_OF(work, struct branch, up);
    gyre_task *task = branch->task;
    gyre_scope *trunk = branch->trunk;
    const gyre_scope *part = &branch->part;

    ASSERT(gyre_loop_current() == branch->home->loop); /* I13 */
    branch_unlink(branch);
    task->tasks = branch->home;
    task->branch = NULL;
    task->home = trunk;
    /* As it was cut there, whatever the scope itself knows by now. */
    task->cancelled = branch->cut;
    if (part->overdue_)
        scope_look_at_deadlines(trunk);
    if (part->error_ != 0)
        scope_note_error(trunk, part->error_, &part->failure_);
    task_come_home(task);
}

/* ---- where the task runs ------------------------------------------------- */

static void part_open(struct branch *branch)
{
    gyre_scope *part = &branch->part;
    gyre_scope *root = &branch->at->root;

    scope_init(part, branch->at->loop);
    part->part_ = true;
    part->parent_ = root;
    part->owner_ = branch->task;
    part->policy_ = branch->trunk->policy_;
    /* What ends this loop stops at a shield here as it does there. */
    part->shield_ = branch->shielded;
    part->cancelled_ = part->shield_ ? 0 : root->cancelled_;
    part->max_tasks_ = branch->room != NULL ? branch->room->max_tasks_ : 0;
    list_append(scope_list(root->scopes_), scope_list(part->link_));
    branch->task->home = part;
    scope_add_member(part, branch->task);
}

/* What the scope wishes of its part, as far as it is news. */
static void part_obey(struct branch *branch)
{
    gyre_scope *part = &branch->part;
    int32_t cancel =
        atomic_load_explicit(&branch->wish_cancel, memory_order_relaxed);
    uint64_t deadline_ns =
        atomic_load_explicit(&branch->wish_deadline_ns, memory_order_relaxed);

    if (cancel != 0 && part->cancelled_ == 0)
        scope_cancel_for(part, cancel);
    if (deadline_ns != GYRE_NEVER)
        gyre_scope_set_deadline(part, deadline_ns);
}

/* Who takes it says where it is. Nobody has posted a wish before: it is looked
 * at now, and the next will be posted. */
static void branch_place(struct branch *branch)
{
    uint32_t before = atomic_fetch_or_explicit(&branch->state, BRANCH_PLACED,
                                               memory_order_acq_rel);

    ASSERT((before & (BRANCH_PLACED | BRANCH_ENDED)) == 0);
    if ((before & BRANCH_DOWN) != 0)
        (void)atomic_fetch_and_explicit(&branch->state, ~(uint32_t)BRANCH_DOWN,
                                        memory_order_acq_rel);
}

static void branch_was_sent(struct tasks *here)
{
    atomic_fetch_sub_explicit(&here->arriving, 1, memory_order_relaxed);
    counter_add(&here->placed, 1);
}

/* The first thing to run of it, on the loop that has it now. */
static void branch_arrive(gyre_work *work)
{
    gyre_task *task = work_task(work);
    struct branch *branch = task->branch;
    struct tasks *here = gyre_loop_current()->tasks;
    bool taken = branch->at == NULL;

    if (here == branch->home) {
        branch_dissolve(branch);
        return;
    }
    if (taken)
        branch->at = here;
    else
        branch_was_sent(here);
    ASSERT(branch->at == here);
    task->tasks = here;
    census_add(&here->guests, 1);
    part_open(branch);
    if (taken)
        branch_place(branch);
    part_obey(branch);
    task_start(work);
}

static void branch_go_home(struct branch *branch)
{
    gyre_loop_post(branch->home->loop, &branch->up, branch_home);
}

static void branch_wished(gyre_work *work)
{
    struct branch *branch = CONTAINER_OF(work, struct branch, down);
    uint32_t before = atomic_fetch_and_explicit(
        &branch->state, ~(uint32_t)BRANCH_DOWN, memory_order_acq_rel);

    ASSERT((before & BRANCH_DOWN) != 0 && (before & BRANCH_PLACED) != 0);
    if ((before & BRANCH_ENDED) != 0)
        branch_go_home(branch);
    else
        part_obey(branch);
}

void branch_empty(struct branch *branch)
{
    gyre_scope *part = &branch->part;
    int result = branch->task->result;

    ASSERT_API(branch->task->scope == part,
               "a task returned with a scope of its own still open");
    branch->cut = part->cancelled_;
    /* What it left is to hear of its error before the scope does. */
    if (result < 0 && part->policy_ == GYRE_ERROR_CANCELS)
        scope_cancel_for(part, -ECANCELED);
    scope_empty(part, branch->task);
}

void branch_leave(struct branch *branch)
{
    gyre_scope *part = &branch->part;

    ASSERT(part->children_ == 0 && list_is_empty(scope_list(part->scopes_)));
    ASSERT_API(list_is_empty(scope_list(part->spawners_)),
               "a task returned while another waited to spawn into its scope");
    scope_free_handles(part);
    gyre_timer_stop(&part->timer_);
    list_remove(&branch->task->member);
    list_remove(scope_list(part->link_));
    census_add(&branch->at->guests, (uint32_t)-1);
}

void branch_end(struct branch *branch)
{
    uint32_t before = atomic_fetch_or_explicit(&branch->state, BRANCH_ENDED,
                                               memory_order_acq_rel);

    if ((before & BRANCH_DOWN) == 0)
        branch_go_home(branch);
}
