/* SPDX-License-Identifier: MIT */
/*
 * loop.h - the loop from the inside
 *
 * One op's way (I1: exactly one last completion for each start):
 *
 *   IDLE -> QUEUED      start.c  on the backlog, in order of start
 *   QUEUED -> FLYING    start.c  copied to the SQ, or handed to the side
 *   FLYING -> IDLE      finish.c its last CQE came
 *   QUEUED -> ENDED     cancel.c ended here; its callback waits on `ended`
 *   ENDED -> IDLE       finish.c
 *   IDLE -> HELD        start.c  a close, until its fd's other ops have ended
 *   HELD -> QUEUED
 *
 * An op is on exactly one list, by next_ and prev_ (NULL: the first): the
 * backlog, `ended`, `held`, `cancels` (flying, a cancel request is yet to be
 * written), or the list of its fd's slot (flying). A slot counts every started
 * op of its fd, so closing an fd finds what is on it without looking at the
 * rest (slot.c).
 *
 * The task tier and everything above reach the loop through this page and the
 * public headers; nobody else touches a loop's members.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <gyre/loop.h>
#include <stdatomic.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/wheel.h"
#include "kernel/kernel.h"
#include "loop/tell.h"

enum op_state { OP_IDLE, OP_QUEUED, OP_FLYING, OP_ENDED, OP_HELD };

enum op_flag {
    OP_CANCEL_ASKED = 1 << 0, /* by cancel, deadline, close or destroy */
    OP_ON_CANCELS = 1 << 1,   /* on loop->cancels rather than in its slot */
    OP_SIDE = 1 << 2,         /* the co-processor has it */
    OP_TARGET_SIDE = 1 << 3,  /* a cancel op whose target is there */
    OP_STRAY = 1 << 4,        /* on a descriptor that has no slot */
    OP_RESCUED = 1 << 5,      /* dropped by the ring, done by the side */
    OP_REPEATS = 1 << 6,      /* each good result is one of several; of a
                               * MSG_RING: a descriptor to be passed */
    OP_CHAINED = 1 << 7,      /* position_ is the number of a record: chain.h */
};

struct op_list {
    gyre_op *first;
    gyre_op *last; /* kept for those lists that are appended to */
};

struct fd_slot {
    gyre_op *flying;
    uint32_t count; /* started and not ended: queued, flying, ended */
    uint32_t held;  /* closes that wait for count to become 0 */
};

/* Single writer, any reader: exact on the loop's thread, near elsewhere. */
typedef _Atomic uint64_t loop_counter;

static inline uint64_t counter_get(const loop_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void counter_add(loop_counter *counter, uint64_t n)
{
    atomic_store_explicit(counter, counter_get(counter) + n,
                          memory_order_relaxed);
}

static inline void counter_sub(loop_counter *counter, uint64_t n)
{
    ASSERT(counter_get(counter) >= n);
    counter_add(counter, -n);
}

/*
 * All that other threads say to a loop, in one word: GIVEN_SLEEP or 0 when that
 * is nothing, or the newest of a stack of work and ops, and what else is to be
 * known. A stack is linked by next_, from newest to oldest, whose next_ is what
 * the word was before it: GIVEN_SLEEP or 0.
 */
enum given {
    GIVEN_OP = 1,    /* the node is an op, not work; also in next_ */
    GIVEN_WOKEN = 2, /* by gyre_loop_wake(), since the last sleep */
    GIVEN_STOP = 4,  /* by gyre_loop_stop() */
    GIVEN_SLEEP = 8, /* alone: the loop sleeps; who replaces it wakes */
};

#define GIVEN_WORDS ((uintptr_t)(GIVEN_WOKEN | GIVEN_STOP))

/* Does the word, or next_, name a node? */
static inline bool given_any(uintptr_t given)
{
    return given > GIVEN_SLEEP;
}

/* What a loop among others does besides its own: engine/. */
struct loop_company {
    /* Phase one begins (`first`), or has room left: make one piece of work
     * ready that may run anywhere. False: there is none here. */
    bool (*more)(gyre_loop *loop, bool first);
    /* There is nothing to do: look elsewhere. True: do not sleep. Then, unless
     * true, `awake` when the sleep is over, or was not begun. */
    bool (*idle)(gyre_loop *loop);
    void (*awake)(gyre_loop *loop);
};

/* One byte: all of it is set by one store before enter(), and by one after. */
struct loop_entry {
    bool entered : 1;    /* inside the kernel's enter() */
    bool starved : 1;    /* it had no memory or room: wait before submitting */
    bool now_is_old : 1; /* the turn's clock is yet to be read */
};

struct chains;
struct loop_share; /* share.c */
struct live_table;
struct fixed_table;
struct table; /* of registered files */

struct gyre_loop {
    struct kernel *kernel;
    struct op_list backlog;
    struct op_list ended;
    struct op_list held;
    gyre_op *cancels;
    loop_tell_fn *tell; /* NULL: nobody traces the loop */
    struct fd_slot *slots;
    uint32_t slot_count;
    uint32_t strays;     /* ops on a descriptor that has no slot */
    uint32_t disguised;  /* ops started whose request hides something */
    gyre_op *counted;    /* timeouts, by the event that ends them (count.c) */
    uint64_t events;     /* that these have seen */
    uint16_t generation; /* of the op started last */
    bool others_cancel;  /* a request that cancels others was started */
    bool attached;
    bool turning;           /* inside a turn: no nested run */
    bool closing;           /* being destroyed: nothing new starts */
    bool hosted;            /* a foreign loop polls our descriptor */
    bool asleep;            /* it has said so, and has not taken that back */
    unsigned roused_in_all; /* what `roused` will be */
    struct loop_entry entry;
    bool clamp;                               /* as the options said */
    struct gyre_blocking_pool *blocking_pool; /* likewise; NULL: its own */
    bool on_memcheck; /* tell memcheck what the kernel wrote */

    bool draining;      /* what drained is in flight: nothing follows yet */
    bool backlog_waits; /* for completions, whatever room there is */
    uint32_t silent;    /* requests alone in flight that may end in silence */
    struct chains *chains; /* NULL: there never was one */

    gyre_work *ready_first; /* FIFO, this thread only */
    gyre_work *ready_last;

    uint64_t now_ns;
    struct wheel wheel;
    struct list cancelled_timers;

    unsigned dispatch_max;
    unsigned ready_max;
    uint64_t in_flight_max; /* UINT64_MAX: no limit */
    uint64_t queue_max;     /* of the backlog; likewise */
    uint64_t grow_at;       /* with more in flight, the CQ is to grow */
    unsigned ready_left;    /* pieces of work that phase one may yet run */
    uint64_t called;        /* callbacks made */
    uint64_t called_before; /* the present run: for run-once */
    uint64_t holds;
    gyre_timer *alarm;           /* does not keep the loop from its end */
    _Atomic(const void *) owner; /* the thread, as loop_thread() names it */
    uint64_t id;
    gyre_loop *all_next; /* create.c: every loop of the process */
    gyre_loop *all_prev;
    uint64_t completions_untaken; /* since take_wakes; likewise: */
    uint64_t work_taken;          /* of what was given: work, */
    uint64_t ops_taken;           /* and ops */
    struct live_table *live;      /* verify builds */
    struct table *table;          /* NULL: there is none */
    bool movable;
    struct loop_share *share; /* NULL: nobody else submits */

    /* Memory registered with the kernel; NULL without any. mem/ hangs the rest
     * here, and how to end it. */
    struct fixed_table *fixed;
    void *registered;
    void (*registered_end)(gyre_loop *loop);
    void (*after_batch)(gyre_loop *loop); /* of completions; mostly NULL */
    uint16_t groups_made;                 /* mem/group.c: numbers used */

    struct receivers *receivers; /* message.c; NULL until there is one */

    /* One of several engines, and what these ask of the turn; or NULL. */
    const struct loop_company *company;
    void *engine;

    /* What the task tier hangs here, and how to end it; NULL without tasks. */
    void *tasks;
    void (*tasks_end)(gyre_loop *loop);
    void (*tasks_attach)(gyre_loop *loop); /* the loop's thread is known */
    /* Likewise for dumps on a signal; ended after all else. */
    void *watch;
    void (*watch_end)(gyre_loop *loop);
    /* For who watches for stalls. */
    void *stalls;
    void (*stalls_end)(gyre_loop *loop);
    /* And for who traces; ended last. */
    struct tracer *tracer;
    void (*tracer_end)(gyre_loop *loop);

    /* From other threads; on a line of their own. */
    _Alignas(64) _Atomic uintptr_t given; /* enum given */
    _Atomic uint64_t wake_word;           /* 20/20/24 bits */
    atomic_uint roused;  /* how often others have woken it from its sleep */
    atomic_bool refuses; /* what it is offered */
    atomic_uint callers; /* inside an offer, or submitting for it */

    _Alignas(64) loop_counter ready;
    loop_counter queued;
    loop_counter in_flight;
    loop_counter timers;
    loop_counter turns;
    loop_counter enters;
    loop_counter submitted;
    loop_counter completions;
    loop_counter backlog_max;
    loop_counter overflows;
    loop_counter eintr;
    loop_counter eagain;
    loop_counter ebusy;
    _Atomic uint64_t wakes; /* many writers */
    loop_counter cancel_requests;
    loop_counter emulated;
    loop_counter retried;
    loop_counter fixed_ops;
    loop_counter shared_ops;
};

/* ---- create.c ----------------------------------------------------------- */

/* All loops of the process, for debuggers (packaging/gdb/gyre.py): nothing here
 * reads it. */
extern gyre_loop *loop_all_first;

/* Called with each loop that was made; NULL: nobody wants to know. Set before
 * there is a loop. */
extern void (*loop_made)(gyre_loop *loop);

/* A loop over a kernel of the caller's, which it owns if this succeeds. */
int loop_create_on(gyre_loop **loop, struct kernel *kernel,
                   const gyre_loop_options *options);

/* What gyre_loop_destroy() does with what is in flight, when no task is left,
 * for who will not wait for ever: timers, ready and posted work are dropped,
 * but for `kept` (may be NULL); then a turn at a time, each of which may sleep,
 * until it returns false: nothing is in flight. `stuck` is for stuck_watch().
 */
void loop_end_begin(gyre_loop *loop, gyre_timer *stuck, gyre_work *kept);
bool loop_end_turn(gyre_loop *loop);

/* ---- start.c ------------------------------------------------------------ */

void loop_enqueue(gyre_loop *loop, gyre_op *op);
void loop_flush(gyre_loop *loop); /* cancels and backlog into the SQ */
/* Let the CQ hold so many completions, if it may grow. */
void loop_grow(gyre_loop *loop, uint64_t wanted);
void loop_end_op(gyre_loop *loop, gyre_op *op, int result); /* QUEUED, HELD */
void loop_release(gyre_loop *loop, gyre_op *op);            /* HELD */

/*
 * When an op was started, for dumps: 2^20 ns are a unit, and 2^32 of them 52
 * days. It lies where the result of an op goes that ends without the kernel, so
 * it is there while the op is QUEUED, FLYING or HELD. By the clock that the
 * loop has at hand: reading it for each op would cost as much as the op.
 */
#define OP_STAMP_SHIFT 20

static inline int32_t op_stamp(const gyre_loop *loop)
{
    return (int32_t)(uint32_t)(loop->now_ns >> OP_STAMP_SHIFT);
}

static inline uint64_t op_age_ns(const gyre_op *op, uint64_t now_ns)
{
    uint32_t units = (uint32_t)(now_ns >> OP_STAMP_SHIFT) -
                     (uint32_t)op->result_;

    return (uint64_t)units << OP_STAMP_SHIFT;
}

/* ---- try.c --------------------------------------------------------------- */

/* gyre_op_try() of any opcode: a close, when nothing can be started. */
int loop_try(gyre_loop *loop, gyre_op *op);

/* May the kernel get one more? */
static inline bool loop_may_fly(const gyre_loop *loop)
{
    return counter_get(&loop->in_flight) < loop->in_flight_max;
}

/* ---- slot.c -------------------------------------------------------------- */

/* The op counts no longer as one on its descriptor, so that a close does not
 * wait for it: its owner has asked it to end and does not wait either. */
void loop_disown(gyre_loop *loop, gyre_op *op);

/* For the loop's end: a descriptor whose close was asked for is closed. */
void loop_cancel_all_but_closes(gyre_loop *loop);

/* ---- count.c, match.c: ops that the loop takes a part in ----------------- */

void count_begin(gyre_loop *loop, gyre_op *op);
/* An op other than a timeout is about to be called back. */
void count_event(gyre_loop *loop, const gyre_op *op);
int32_t count_finish(gyre_loop *loop, gyre_op *op, int32_t res);

void match_begin(gyre_loop *loop, gyre_op *op);
void match_finish(gyre_op *op);

/* The op with this name, if it is started and has not ended. */
gyre_op *match_find(gyre_loop *loop, uint64_t user_data);

/* What the kernel is asked instead of an update with a clock. */
enum reclock {
    RECLOCK_UPDATE = 1, /* the same, without the clock */
    RECLOCK_REMOVE,     /* to take the target away */
    RECLOCK_NOTHING,    /* the target will come with it */
};

/* In `splice_fd_in` of a target, beside the flags that it will have. */
#define RECLOCK_PENDING (UINT32_C(1) << 30)

void reclock_begin(gyre_loop *loop, gyre_op *op);
void reclock_finish(gyre_loop *loop, gyre_op *op, int32_t res);
/* Has the target ended only to be submitted again? */
bool reclock_goes_on(gyre_loop *loop, gyre_op *op, int32_t res);

/* Requests of three opcodes may hide something in their last word, which none
 * of them uses; there are `disguised` of them. */
#define OP_HIDDEN_WORD 7

static inline bool op_hides(const gyre_op *op)
{
    uint8_t opcode = gyre_op_sqe((gyre_op *)(uintptr_t)op)->opcode;

    return (opcode == IORING_OP_TIMEOUT || opcode == IORING_OP_TIMEOUT_REMOVE ||
            opcode == IORING_OP_ASYNC_CANCEL) &&
           op->sqe_[OP_HIDDEN_WORD] != 0;
}

/* At a start: what a raw request has there is of no meaning. */
static inline void op_hide_nothing(gyre_op *op)
{
    if (op_hides(op))
        op->sqe_[OP_HIDDEN_WORD] = 0;
}

/* ---- finish.c ----------------------------------------------------------- */

/* The last completion of a flying op: books first, callback last. */
void loop_finish_flying(gyre_loop *loop, gyre_op *op, int32_t res,
                        uint32_t flags);

/* Call back up to `limit` completions; how many CQEs and ended ops it took. */
unsigned loop_dispatch(gyre_loop *loop, unsigned limit);

/* Does memcheck watch this process? */
bool loop_on_memcheck(void);
/* Under it: what the iovecs of these lead to will be written. */
void mark_vectors(const struct op_list *queued);

/* ---- what a request is called in the kernel ------------------------------ */

/* The address of its op, and above it the generation; the tag lies below. */
#define OP_GENERATION_SHIFT 48
#define OP_ADDRESS_MASK                                                        \
    (((UINT64_C(1) << OP_GENERATION_SHIFT) - 1) & ~KERNEL_TAG_MASK)

static inline uint64_t op_user_data(const gyre_op *op)
{
    return (uint64_t)(uintptr_t)op | (uint64_t)op->generation_
                                         << OP_GENERATION_SHIFT;
}

/* ---- cancel.c ------------------------------------------------------------ */

/* The filled op is about this start of the target, and goes where that is. */
void op_aim(gyre_op *op, const gyre_op *target);
/* Has the co-processor a started op, or will it get it? */
bool op_is_beside(const gyre_op *op);

/* ---- chain.c ------------------------------------------------------------- */

/* A completion of an op of a chain; the last one. */
void chain_complete(gyre_loop *loop, gyre_op *op, int32_t res, uint32_t flags);
/* The op has ended without the kernel. */
void chain_leave(gyre_op *op);
/* The kernel does not have the chain yet: all of it ends. */
void chain_end_queued(gyre_op *op, int result);
bool chain_is_beside(const gyre_op *op);
/* The last op of the chain that lies on the backlog. */
gyre_op *chain_last(const gyre_op *op);
/* Where the op's request lies in the submission queue. */
uint32_t chain_position(const gyre_op *op);

/* A request to end an op of a chain: whom it is about; it was sent; it is
 * answered; for the loop's end, all that may have met nothing again. */
void chain_fill_cancel(struct io_uring_sqe *sqe, const gyre_op *target);
void chain_cancel_sent(const gyre_op *target);
void chain_cancel_answered(gyre_loop *loop, uint64_t user_data);
void chains_cancel_again(gyre_loop *loop);

/* enter() took a part of what lay in the SQ. */
void chains_mend(gyre_loop *loop);
/* Everything that came is dispatched: who was silent has succeeded. */
void chains_settle(gyre_loop *loop);
void chains_destroy(gyre_loop *loop);

/* ---- drain.c ------------------------------------------------------------- */

/* Nothing follows before it has: then `draining` is over. */
bool drain_has_ended(gyre_loop *loop);
/* A close that was held is queued: was it started before what drains? */
void drain_let_pass(gyre_loop *loop, gyre_op *op);

/* ---- message.c ----------------------------------------------------------- */

/* A message is about to be sent. */
void message_begin(gyre_loop *loop, gyre_op *op);
/* A CQE with KERNEL_TAG_MESSAGE. */
void message_arrived(gyre_loop *loop, const struct io_uring_cqe *cqe);
/* The loop ends: whatever comes is dropped. */

/* The end of an op in whose place another was made. If it passes a file and
 * `res` is its descriptor: what comes of passing it. */
int32_t message_pass(gyre_op *op, int32_t res);
void message_end(gyre_loop *loop);

/* ---- timer.c ------------------------------------------------------------ */

void loop_expire_timers(gyre_loop *loop, unsigned limit);
static inline uint64_t loop_next_timer(const gyre_loop *loop)
{
    if (!list_is_empty(&loop->cancelled_timers))
        return 0;
    return loop->wheel.count == 0 ? GYRE_NEVER : wheel_next_ns(&loop->wheel);
}

/* Also while the loop is being destroyed. */
void loop_timer_start(gyre_timer *timer, uint64_t deadline_ns);
/* Arm or move the one timer that does not keep the loop from its end, also
 * while it is being destroyed. Disarmed as others are. */
void loop_alarm_set(gyre_timer *timer, uint64_t deadline_ns);
/* The op's last completion has come: disarm, and say what the result is now. */
int32_t deadline_result(const gyre_op *op, int32_t result);
int32_t deadline_finish(gyre_op *op, int32_t result);

/* ---- wake.c ------------------------------------------------------------- */

/* Make work ready on the loop's own thread; it runs in the next phase one. */
static inline void loop_make_ready(gyre_loop *loop, gyre_work *work)
{
    work->next_ = NULL;
    if (loop->ready_last != NULL)
        loop->ready_last->next_ = work;
    else
        loop->ready_first = work;
    loop->ready_last = work;
    counter_add(&loop->ready, 1);
}

/* Has another thread handed over work or an op? A look, no promise. */
static inline bool loop_was_given(const gyre_loop *loop)
{
    return given_any(atomic_load_explicit(&loop->given, memory_order_relaxed));
}

void loop_take_posted(gyre_loop *loop);
/* As gyre_loop_post(), unless the loop refuses: false. */
bool loop_offer(gyre_loop *loop, gyre_work *work, void (*run)(gyre_work *work));
/* It refuses from now on. Whatever it did not has been posted. */
void loop_refuse_offers(gyre_loop *loop);
unsigned loop_run_ready(gyre_loop *loop, unsigned limit);

/* The next piece of ready work, to be run at once; NULL: there is none, or
 * phase one has had its share. */
static inline gyre_work *loop_take_ready(gyre_loop *loop)
{
    gyre_work *work = loop->ready_first;

    if (work == NULL || loop->ready_left == 0)
        return NULL;
    loop->ready_left--;
    loop->ready_first = work->next_;
    if (loop->ready_first == NULL)
        loop->ready_last = NULL;
    counter_sub(&loop->ready, 1);
    loop->called++;
    return work;
}

/* Work that was made ready or posted will not run after all. */
void loop_forget_work(gyre_loop *loop, gyre_work *work);

bool loop_has_posted(gyre_loop *loop);
/* Until no other thread is inside a call. */
void loop_await_calls(gyre_loop *loop);

/* ---- share.c ------------------------------------------------------------- */

/* 0 or -ENOMEM. */
int share_create(gyre_loop *loop);
void share_free(gyre_loop *loop);
/* The owner goes to sleep; others may submit until it has come back. */
void share_open(gyre_loop *loop);
void share_close(gyre_loop *loop);
/* Another thread submits the op; false: it is to be handed over. */
bool share_start(gyre_loop *loop, gyre_op *op);

/* ---- stuck.c ------------------------------------------------------------- */

/* While the loop ends: in a second, name what was asked to end and goes on. The
 * timer is stopped by the caller. */
void stuck_watch(gyre_loop *loop, gyre_timer *timer);

/* ---- turn.c ------------------------------------------------------------- */

bool loop_is_done(gyre_loop *loop);
/* Likewise, but so many timers are armed, of which nobody is to know. */
bool loop_is_done_but(gyre_loop *loop, uint32_t timers);
int loop_attach(gyre_loop *loop);
/* The clock itself, for sleeps and task deadlines. */
uint64_t loop_clock(gyre_loop *loop);

/* Only its address matters. Each start of an op asks, so without the call that
 * the general model of thread-local storage is. */
extern _Thread_local char loop_thread_name
    __attribute__((tls_model("initial-exec")));

/* An address that names the calling thread. */
static inline const void *loop_thread(void)
{
    return &loop_thread_name;
}

/* Any thread may ask. */
static inline const void *loop_owner(const gyre_loop *loop)
{
    return atomic_load_explicit(&loop->owner, memory_order_relaxed);
}

/* Tell who traces the loop, if anybody does: see tell.h. */
static inline void loop_tell(gyre_loop *loop, enum loop_step step,
                             const gyre_op *op, int32_t value, uint64_t detail)
{
    if (UNLIKELY(loop->tell != NULL))
        loop->tell(loop, step, op, value, detail);
}

/* Why the calling thread does not own it. */
const char *loop_owner_sentence(const gyre_loop *loop) __attribute__((cold));

static inline void loop_assert_owner(const gyre_loop *loop)
{
    ASSERT_API(loop != NULL, "there is no loop (gyre_loop_create() made none)");
    ASSERT_API(loop_owner(loop) == loop_thread(), loop_owner_sentence(loop));
}

/* ---- verify.c: on in builds with GYRE_VERIFY, else nothing --------------- */

#ifdef GYRE_VERIFY
int live_create(gyre_loop *loop);
void live_destroy(gyre_loop *loop);
void live_add(gyre_loop *loop, const gyre_op *op);
void live_remove(gyre_loop *loop, const gyre_op *op);
void live_check(gyre_loop *loop, const gyre_op *op);
void loop_verify(gyre_loop *loop); /* walks every list */
#else
static inline int live_create(gyre_loop *loop)
{
    (void)loop;
    return 0;
}
static inline void live_destroy(gyre_loop *loop)
{
    (void)loop;
}
static inline void live_add(gyre_loop *loop, const gyre_op *op)
{
    (void)loop, (void)op;
}
static inline void live_remove(gyre_loop *loop, const gyre_op *op)
{
    (void)loop, (void)op;
}
static inline void live_check(gyre_loop *loop, const gyre_op *op)
{
    (void)loop, (void)op;
}
static inline void loop_verify(gyre_loop *loop)
{
    (void)loop;
}
#endif

/* ---- op_list.c: lists by next_ and prev_ -------------------------------- */

static inline void op_list_append(struct op_list *list, gyre_op *op)
{
    op->next_ = NULL;
    op->prev_ = list->last;
    if (list->last != NULL)
        list->last->next_ = op;
    else
        list->first = op;
    list->last = op;
}

static inline void op_list_prepend(struct op_list *list, gyre_op *op)
{
    op->prev_ = NULL;
    op->next_ = list->first;
    if (list->first != NULL)
        list->first->prev_ = op;
    else
        list->last = op;
    list->first = op;
}

static inline void op_list_remove_first(struct op_list *list)
{
    list->first = list->first->next_;
    if (list->first != NULL)
        list->first->prev_ = NULL;
    else
        list->last = NULL;
}

static inline void op_list_remove(struct op_list *list, gyre_op *op)
{
    if (op->prev_ != NULL)
        op->prev_->next_ = op->next_;
    else
        list->first = op->next_;
    if (op->next_ != NULL)
        op->next_->prev_ = op->prev_;
    else
        list->last = op->prev_;
}

/* The same for lists that are only a pointer to the first. */
static inline void op_head_push(gyre_op **head, gyre_op *op)
{
    op->prev_ = NULL;
    op->next_ = *head;
    if (*head != NULL)
        (*head)->prev_ = op;
    *head = op;
}

static inline void op_head_remove(gyre_op **head, gyre_op *op)
{
    if (op->prev_ != NULL)
        op->prev_->next_ = op->next_;
    else
        *head = op->next_;
    if (op->next_ != NULL)
        op->next_->prev_ = op->prev_;
}

static inline void op_to_cancels(gyre_loop *loop, gyre_op *op)
{
    op_head_remove(&loop->slots[op->slot_].flying, op);
    op->flags_ |= OP_ON_CANCELS;
    op_head_push(&loop->cancels, op);
}

/* The next of a list that is walked, if the op is asked to end: with it a chain
 * that the kernel does not have ends as a whole. */
static inline gyre_op *op_after(const gyre_op *op)
{
    if (UNLIKELY((op->flags_ & OP_CHAINED) != 0) && op->state_ == OP_QUEUED)
        op = chain_last(op);
    return op->next_;
}

#endif
