/* SPDX-License-Identifier: MIT */
/*
 * run.c - a program on one kernel
 *
 * A step is submitted by one call, and then the kernel is turned until nothing
 * is to be expected any more: all that the other kernel gave in this step has
 * come, the emulator's threads are idle, and the short times have passed. So a
 * run needs no sleeps to be right, but for those times.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "waiting.h"

#define MS UINT64_C(1000000)
#define SHORT_TIMES (3 * MS)
#define PATIENCE (4 * MS)

enum { ENTRIES = 64 };

volatile unsigned run_step;

struct run {
    struct side *side;
    struct kernel *kernel;
    const struct program *program;
    const struct log *hints;
    struct log *log;
    bool patient;
    bool hopeless; /* something did not come: the runs differ already */
    unsigned step;
    uint64_t pending; /* items */
    struct waiting waiting;
};

static _Noreturn void give_up(const char *what, int error)
{
    fprintf(stderr, "differ: %s: %s\n", what, strerror(-error));
    abort();
}

/* ---- what is known of this Linux ----------------------------------------- */

bool run_is_known(const struct item *item)
{
    static unsigned version;
    struct utsname name;
    unsigned major = 0, minor = 0;

    if (version == 0) {
        if (uname(&name) == 0)
            (void)sscanf(name.release, "%u.%u", &major, &minor);
        version = major * 100 + minor;
    }
    return item->since <= version;
}

/* ---- the log ------------------------------------------------------------- */

static void log_add(struct run *run, unsigned id, int32_t result,
                    uint32_t flags, uint32_t hash)
{
    struct log *log = run->log;

    if (log->count == LOG_MAX)
        return;
    if (run->step < STEP_END && id != ID_MEMORY)
        log->in_step[run->step]++;
    log->entries[log->count++] = (struct entry){ (uint16_t)run->step,
                                                 (uint16_t)id, result, flags,
                                                 hash };
}

static bool gives_descriptor(const struct item *item)
{
    switch (item->sqe.opcode) {
    case IORING_OP_OPENAT:
    case IORING_OP_OPENAT2:
    case IORING_OP_ACCEPT:
    case IORING_OP_SOCKET:
        return item->sqe.file_index == 0;
    case IORING_OP_FIXED_FD_INSTALL:
        return true;
    default:
        return false;
    }
}

static bool notifies(const struct item *item)
{
    return item->sqe.opcode == IORING_OP_SEND_ZC ||
           item->sqe.opcode == IORING_OP_SENDMSG_ZC;
}

static void note(struct run *run, const struct io_uring_cqe *cqe)
{
    unsigned id = (unsigned)(cqe->user_data >> 4) - 1;
    uint64_t bit = UINT64_C(1) << (id % 64);
    const struct item *item = &run->program->items[id];
    int32_t result = cqe->res;
    uint32_t hash;

    /* 31: a notification comes when it likes, and the request has ended for us
     * before. */
    if ((cqe->flags & IORING_CQE_F_NOTIF) != 0)
        return;
    if (id >= run->program->item_count || (run->pending & bit) == 0) {
        log_add(run, ID_FOREIGN, result, cqe->flags, id);
        return;
    }
    if ((run->waiting.nothing & bit) != 0) {
        log_add(run, id, result, cqe->flags, 0);
        run->pending &= ~bit;
        return;
    }
    hash = world_answer(&run->side->world, id, result);
    if (gives_descriptor(item) && result >= 0) {
        close(result);
        result = 0;
    }
    world_recycle(&run->side->world, id, cqe->flags);
    log_add(run, id, result, cqe->flags, hash);
    if ((cqe->flags & IORING_CQE_F_MORE) == 0 || notifies(item))
        run->pending &= ~bit;
}

/* ---- turning ------------------------------------------------------------- */

static void enter(struct kernel *kernel, unsigned want, uint64_t deadline_ns)
{
    sq_publish(&kernel->sq);
    for (;;) {
        unsigned used = sq_used(&kernel->sq);
        int result = kernel->class->enter(kernel, used, want, deadline_ns);

        if (result < 0 && result != -EINTR && result != -ETIME &&
            result != -EAGAIN && result != -EBUSY)
            give_up("enter", result);
        if (sq_used(&kernel->sq) == 0)
            return;
    }
}

static bool reap(struct run *run)
{
    struct kernel *other = run->side->other;
    struct io_uring_cqe cqe;
    bool any = false;

    while (cq_take(&run->kernel->cq, &cqe)) {
        if ((cqe.user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL)
            run->kernel->class->internal(run->kernel, &cqe);
        else
            note(run, &cqe), any = true;
    }
    if ((run->program->options & OPTION_OTHER_RING) == 0)
        return any;
    enter(other, 0, KERNEL_NO_WAIT);
    while (cq_take(&other->cq, &cqe)) {
        if ((cqe.user_data & KERNEL_TAG_MASK) == KERNEL_TAG_INTERNAL) {
            other->class->internal(other, &cqe);
        } else {
            log_add(run, ID_MESSAGE, cqe.res, cqe.flags,
                    (uint32_t)cqe.user_data);
            any = true;
        }
    }
    return any;
}

/* Do the emulator's threads work? */
static bool is_busy(const struct run *run)
{
    struct kernel_pool pool;

    if (run->kernel->ring_fd >= 0)
        return false;
    run->kernel->class->pool(run->kernel, &pool);
    return pool.queued > 0 || pool.idle < pool.threads;
}

static bool is_missing(const struct run *run)
{
    return run->hints != NULL && run->step < STEP_END && !run->hopeless &&
           run->log->in_step[run->step] < run->hints->in_step[run->step];
}

/* Turn until nothing more is to be expected. */
static void settle(struct run *run, uint64_t least_ns)
{
    struct kernel *kernel = run->kernel;
    uint64_t start = kernel->class->now_ns(kernel), last = start;
    uint64_t limit = start + (run->patient ? 100 : 40) * MS;
    unsigned quiet = 0;

    while (quiet < 2) {
        uint64_t now, until;

        enter(kernel, 0, KERNEL_NO_WAIT);
        now = kernel->class->now_ns(kernel);
        if (reap(run)) {
            last = now;
            quiet = 0;
            continue;
        }
        until = start + least_ns;
        if (run->patient && until < last + PATIENCE)
            until = last + PATIENCE;
        if (is_busy(run) || is_missing(run)) {
            if (now >= limit && !is_busy(run))
                run->hopeless = true;
            until = now + MS;
        }
        if (now < until)
            enter(kernel, 1, until);
        else
            quiet++;
    }
}

/* ---- steps --------------------------------------------------------------- */

/* Differences 10 (what runs cannot be stopped), 17 (RWF_NOWAIT): not asked
 * for. */
static bool is_left_out(struct run *run, unsigned id)
{
    bool excluded = waiting_excludes(&run->waiting, run->program, id);

    if (excluded)
        run->log->muted |= UINT64_C(1) << id;
    return excluded || !run_is_known(&run->program->items[id]);
}

/* Left out, but its place in a chain stays. */
static struct io_uring_sqe nothing_instead(const struct item *item, unsigned id)
{
    const uint8_t kept = IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_IO_DRAIN |
                         IOSQE_CQE_SKIP_SUCCESS;

    return (struct io_uring_sqe){ .opcode = IORING_OP_NOP,
                                  .fd = -1,
                                  .flags = item->sqe.flags & kept,
                                  .user_data = (uint64_t)(id + 1) << 4 };
}

static bool is_gone(const struct program *program, unsigned id)
{
    return (program->left_out >> id & 1) != 0;
}

/* Does what is left of the program have another of this chain behind it? */
static bool has_next(const struct program *program, unsigned id)
{
    const uint8_t links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;

    for (; (program->items[id].sqe.flags & links) != 0; id++)
        if (!is_gone(program, id + 1))
            return true;
    return false;
}

static bool is_timed(const struct item *item)
{
    return item->addr == REF_TIME && item->time == TIME_SHORT;
}

static void run_requests(struct run *run, const struct step *step)
{
    struct sq *sq = &run->kernel->sq;
    uint64_t least_ns = 0;

    waiting_look(&run->waiting, run->program, run->pending,
                 run->waiting.nothing);
    for (unsigned id = step->first; id < step->first + step->count; id++) {
        const struct item *item = &run->program->items[id];
        bool left_out = !is_gone(run->program, id) && is_left_out(run, id);
        struct io_uring_sqe *sqe;

        if (is_gone(run->program, id))
            continue;
        sqe = sq_next(sq);
        *sqe = left_out ? nothing_instead(item, id)
                        : world_request(&run->side->world, id);
        if (!has_next(run->program, id))
            sqe->flags &= (uint8_t) ~(IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
        run->pending |= UINT64_C(1) << id;
        waiting_add(&run->waiting, run->program, id, left_out);
        if (!left_out && is_timed(item))
            least_ns = SHORT_TIMES;
    }
    settle(run, least_ns);
}

/* Not by a request, which a drain would hold up. Not without limit: Linux was
 * seen to wait for ever for a worker that had ended. */
static int cancel(struct run *run, uint32_t flags, uint64_t user_data)
{
    struct io_uring_sync_cancel_reg reg = {
        .addr = user_data,
        .flags = flags,
        .timeout = { 0, 50 * (int64_t)MS },
    };

    return world_register(run->kernel, IORING_REGISTER_SYNC_CANCEL, &reg, 1);
}

static int cancel_everything(struct run *run)
{
    return cancel(run, IORING_ASYNC_CANCEL_ANY, 0);
}

static void run_sync_cancel(struct run *run)
{
    int result = cancel_everything(run);

    log_add(run, ID_SYNC, result > 0 ? 0 : result, 0, 0);
    settle(run, 0);
}

static void run_steps(struct run *run)
{
    const struct program *program = run->program;

    for (run->step = 0; run->step < program->step_count; run->step++) {
        const struct step *step = &program->steps[run->step];

        run_step = run->step;
        switch (step->kind) {
        case STEP_REQUESTS:
            run_requests(run, step);
            break;
        case STEP_SYNC_CANCEL:
            run_sync_cancel(run);
            break;
        default:
            world_end_child(&run->side->world);
            settle(run, MS / 2);
        }
        log_add(run, ID_MEMORY, 0, 0, world_memory(&run->side->world));
    }
}

/* ---- the end ------------------------------------------------------------- */

/* What may end without a word: one that is silent, and the others of its chain,
 * which it silences if it fails. */
static uint64_t silent_items(const struct program *program)
{
    const uint8_t links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
    uint64_t silent = 0, chain = 0;
    bool any = false;

    for (unsigned id = 0; id < program->item_count; id++) {
        const struct item *item = &program->items[id];

        chain |= UINT64_C(1) << id;
        any |= (item->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
        if ((item->sqe.flags & links) != 0)
            continue;
        silent |= any ? chain : 0;
        chain = 0;
        any = false;
    }
    return silent;
}

/* Turn until a request that was cancelled has said so. */
static void await_end(struct run *run, uint64_t bit)
{
    struct kernel *kernel = run->kernel;
    uint64_t until = kernel->class->now_ns(kernel) + PATIENCE;

    while ((run->pending & bit) != 0 && kernel->class->now_ns(kernel) < until) {
        enter(kernel, 1, until);
        (void)reap(run);
    }
}

/* One by one, each in a step of its own: what is behind it in a chain may go
 * on. */
static void cancel_in_order(struct run *run)
{
    uint64_t speaks = ~silent_items(run->program);

    for (unsigned id = 0; id < run->program->item_count; id++) {
        uint64_t bit = UINT64_C(1) << id;

        if ((run->pending & bit) == 0)
            continue;
        run->step = run->program->step_count + id;
        if (cancel(run, 0, (uint64_t)(id + 1) << 4) >= 0)
            await_end(run, bit & speaks);
        settle(run, 0);
    }
}

static void run_end(struct run *run)
{
    uint64_t speaks = ~silent_items(run->program);
    unsigned rounds = 0;
    int found;

    cancel_in_order(run);
    run->step = STEP_END;
    /* Until nothing is found to cancel, and all who speak have spoken. */
    do {
        found = cancel_everything(run);
        settle(run, rounds > 4 ? MS : 0);
    } while ((found > 0 || (run->pending & speaks) != 0 || rounds < 2) &&
             rounds++ < 200);
    for (unsigned id = 0; id < run->program->item_count; id++)
        if ((run->pending & speaks & (UINT64_C(1) << id)) != 0) {
            log_add(run, ID_STUCK, (int32_t)id, 0, 0);
            run->log->stuck = true;
        }
}

static void run_rest(struct run *run)
{
    for (int end = 0; end < ENDS; end++)
        log_add(run, ID_REST + (unsigned)end, 0, 0,
                world_rest(&run->side->world, end));
}

void run_program(struct side *side, const struct program *program,
                 const struct log *hints, bool patient, struct log *log)
{
    struct kernel_options options = { .entries = ENTRIES };
    struct run run = { .side = side,
                       .program = program,
                       .hints = hints,
                       .log = log,
                       .patient = patient };
    int used = world_highest_descriptor();
    int error = side->open(&run.kernel, &options);

    if (error == 0)
        error = run.kernel->class->attach(run.kernel);
    if (error != 0)
        give_up(side->name, error);
    memset(log, 0, offsetof(struct log, entries));
    world_make(&side->world, program, run.kernel, side->other);
    run_steps(&run);
    run_end(&run);
    run_rest(&run);
    /* The emulator's must be empty, or there is no going on. */
    if (!log->stuck || run.kernel->ring_fd >= 0)
        run.kernel->class->destroy(run.kernel);
    world_unmake(&side->world, used);
}
