/* SPDX-License-Identifier: MIT */
/*
 * request.c - the slots in which requests live
 *
 * A request has a slot from the moment its SQE is taken until its CQE lies in
 * the CQ. Slots come from chunks that are never given back before the end, so
 * that their addresses are stable and the steady state allocates nothing. A
 * request that cannot end at once is `held`: on a list of all such (for
 * cancelling by descriptor and by anything) and in a hash by user_data (for
 * cancelling by name in O(1)). The many that end at once touch neither.
 *
 * A result that finds the CQ full stays in its slot, in order of completion,
 * until there is room; so an overflow needs no memory either. IORING_SQ_CQ_
 * OVERFLOW says that there are such, as on Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/emu/internal.h"

/* Out of the way of the many requests that need nothing of the kind. */
#define SELDOM __attribute__((noinline))

enum {
    CHUNK_SLOTS = 64,
    BUCKETS_MIN_LOG2 = 6,
    BUCKETS_MAX_LOG2 = 20,
    SHOTS_MAX = 32,
};

struct chunk {
    struct chunk *next;
    struct request slots[CHUNK_SLOTS];
};

static struct list *buckets_create(unsigned log2)
{
    size_t count = (size_t)1 << log2;
    struct list *buckets = alloc_zeroed(count, sizeof *buckets);

    for (size_t i = 0; buckets != NULL && i < count; i++)
        list_init(&buckets[i]);
    return buckets;
}

int request_init(struct emu *emu)
{
    list_init(&emu->held);
    list_init(&emu->overflow);
    emu->bucket_shift = 64 - BUCKETS_MIN_LOG2;
    emu->buckets = buckets_create(BUCKETS_MIN_LOG2);
    return emu->buckets == NULL ? -ENOMEM : 0;
}

void request_deinit(struct emu *emu)
{
    struct chunk *chunk;

    while ((chunk = emu->chunks) != NULL) {
        emu->chunks = chunk->next;
        for (size_t i = 0; i < CHUNK_SLOTS; i++)
            alloc_free(chunk->slots[i].memory);
        alloc_free(chunk);
    }
    alloc_free(emu->buckets);
    emu->buckets = NULL;
}

static bool request_grow(struct emu *emu)
{
    struct chunk *chunk = alloc_zeroed(1, sizeof *chunk);

    if (chunk == NULL)
        return false;
    chunk->next = emu->chunks;
    emu->chunks = chunk;
    for (size_t i = CHUNK_SLOTS; i-- > 0;) {
        struct request *r = &chunk->slots[i];

        r->emu = emu;
        r->next = emu->free;
        emu->free = r;
    }
    return true;
}

/* Have so many slots at hand that request_new() cannot fail. */
bool request_reserve(struct emu *emu, unsigned count)
{
    unsigned have = 0;

    for (const struct request *r = emu->free; r != NULL && have < count;
         r = r->next)
        have++;
    for (; have < count; have += CHUNK_SLOTS)
        if (!request_grow(emu))
            return false;
    return true;
}

/* A slot with a copy of the SQE, or NULL. */
struct request *request_new(struct emu *emu, const struct io_uring_sqe *sqe)
{
    enum { ZEROS = offsetof(struct request, op) };
    struct request *r;

    if (UNLIKELY(emu->free == NULL) && !request_grow(emu))
        return NULL;
    /* The one released last is the one that is still in the cache. */
    r = emu->free;
    emu->free = r->next;
    ASSERT(r->place == EMU_FREE && r->memory == NULL);
    memset((char *)r + ZEROS, 0, offsetof(struct request, kept) - ZEROS);
    r->sqe = *sqe;
    r->place = EMU_NEW;
    return r;
}

static inline void request_release_inline(struct emu *emu, struct request *r)
{
    ASSERT(!r->held && !list_is_linked(&r->link));
    if (UNLIKELY(r->memory != NULL)) {
        alloc_free(r->memory);
        r->memory = NULL;
    }
    r->place = EMU_FREE;
    r->next = emu->free;
    emu->free = r;
}

void request_release(struct emu *emu, struct request *r)
{
    request_release_inline(emu, r);
}

struct list *request_bucket(struct emu *emu, uint64_t user_data)
{
    /* Fibonacci hashing: the low bits of addresses are poor, the high bits of
     * the product are good. */
    return &emu->buckets[(user_data * UINT64_C(0x9E3779B97F4A7C15)) >>
                         emu->bucket_shift];
}

/* Keep the chains short. If there is no memory they are just longer. */
static void request_rehash(struct emu *emu)
{
    unsigned log2 = 64 - emu->bucket_shift;
    struct list *old = emu->buckets, *buckets;

    if (emu->held_count <= (size_t)1 << log2 || log2 == BUCKETS_MAX_LOG2)
        return;
    buckets = buckets_create(log2 + 1);
    if (buckets == NULL)
        return;
    emu->buckets = buckets;
    emu->bucket_shift--;
    for (struct list *at = emu->held.next; at != &emu->held; at = at->next) {
        struct request *r = CONTAINER_OF(at, struct request, all);

        list_remove(&r->hash);
        list_append(request_bucket(emu, r->sqe.user_data), &r->hash);
    }
    alloc_free(old);
}

/* An update gives a held request another name. */
void request_rename(struct emu *emu, struct request *r, uint64_t user_data)
{
    ASSERT(r->held);
    r->sqe.user_data = user_data;
    list_remove(&r->hash);
    list_append(request_bucket(emu, user_data), &r->hash);
}

/* The request will outlive the call that brought it: copy what the caller may
 * take back, and let cancels find it. */
int request_hold(struct emu *emu, struct request *r)
{
    int error;

    if (r->held)
        return 0;
    error = r->op->keep != NULL && !r->copied ? r->op->keep(r) : 0;
    if (error != 0)
        return error;
    r->copied = true;
    r->held = true;
    emu->held_count++;
    list_append(&emu->held, &r->all);
    list_append(request_bucket(emu, r->sqe.user_data), &r->hash);
    request_rehash(emu);
    return 0;
}

void request_drop_hold(struct emu *emu, struct request *r)
{
    r->held = false;
    emu->held_count--;
    list_remove(&r->all);
    list_remove(&r->hash);
}

bool request_asks_for_now(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
    case IORING_OP_READ_FIXED:
    case IORING_OP_WRITE_FIXED:
    case IORING_OP_READV_FIXED:
    case IORING_OP_WRITEV_FIXED:
    case IORING_OP_READ_MULTISHOT:
        return (sqe->rw_flags & RWF_NOWAIT) != 0;
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
        return (sqe->msg_flags & MSG_DONTWAIT) != 0;
    case IORING_OP_ACCEPT:
        return (sqe->ioprio & IORING_ACCEPT_DONTWAIT) != 0;
    default:
        return false;
    }
}

bool request_asks_for_many(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_ACCEPT:
        return (sqe->ioprio & IORING_ACCEPT_MULTISHOT) != 0;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
        return (sqe->ioprio & IORING_RECV_MULTISHOT) != 0;
    case IORING_OP_SEND:
        return (sqe->ioprio & IORING_RECVSEND_BUNDLE) != 0;
    case IORING_OP_READ_MULTISHOT:
        return true;
    default:
        return false;
    }
}

/* Is there a priority in it, or flags that have its place? */
static bool request_knows_ioprio(const struct io_uring_sqe *sqe)
{
    switch (sqe->opcode) {
    case IORING_OP_READ:
    case IORING_OP_WRITE:
    case IORING_OP_READV:
    case IORING_OP_WRITEV:
    case IORING_OP_READ_FIXED:
    case IORING_OP_WRITE_FIXED:
    case IORING_OP_READV_FIXED:
    case IORING_OP_WRITEV_FIXED:
    case IORING_OP_ACCEPT:
    case IORING_OP_RECV:
    case IORING_OP_SEND:
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG_ZC:
        return true;
    default:
        return false;
    }
}

/* 0, or why Linux does not even look at the rest of it. */
int request_flags_refusal(const struct io_uring_sqe *sqe)
{
    const struct emu_op *op = op_find(sqe->opcode);
    unsigned flags = IOSQE_FIXED_FILE | IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS |
                     IOSQE_BUFFER_SELECT | IOSQE_IO_LINK | IOSQE_IO_HARDLINK |
                     IOSQE_IO_DRAIN;

    if (op == NULL || (sqe->flags & ~flags) != 0)
        return -EINVAL;
    return (sqe->flags & IOSQE_BUFFER_SELECT) != 0 && !op->chooses ? -EOPNOTSUPP
                                                                   : 0;
}

/* 0, or why this request is not even tried. */
int request_refusal(const struct io_uring_sqe *sqe)
{
    int error = request_flags_refusal(sqe);
    const struct emu_op *op = op_find(sqe->opcode);

    if (error != 0)
        return error;
    if (sqe->personality != 0 ||
        (sqe->ioprio != 0 && !request_knows_ioprio(sqe)))
        return -EINVAL;
    error = op->check != NULL ? op->check(sqe) : 0;
    if (error == 0 && (sqe->flags & IOSQE_FIXED_FILE) != 0 && op->no_slot)
        error = -EBADF;
    return error;
}

void request_start(struct emu *emu, struct request *r)
{
    int verdict = request_refusal(&r->sqe);
    const struct emu_op *op;

    if (UNLIKELY(verdict != 0)) {
        request_complete(emu, r, verdict);
        return;
    }
    op = r->op = op_find(r->sqe.opcode);
    if (UNLIKELY((r->sqe.flags & IOSQE_FIXED_FILE) != 0 || op->splices ||
                 op->registered)) {
        verdict = files_take(emu, r);
        if (verdict == 0)
            verdict = buffers_take(emu, r);
        if (verdict == -EFAULT && fcntl(r->sqe.fd, F_GETFD) < 0)
            verdict = -EBADF;
        /* Of a send without copying Linux looks at the socket first. */
        if (verdict == -EFAULT && op->notifies && net_zc_refusal(r) != 0)
            verdict = net_zc_refusal(r);
        if (verdict != 0) {
            request_complete(emu, r, verdict);
            return;
        }
    }
    r->multishot = request_is_multishot(&r->sqe);
    if (op->begin != NULL)
        verdict = op->begin(emu, r);
    else if (op->attempt == NULL)
        verdict = EMU_POOL;
    else if (net_polls_first(&r->sqe) ||
             (op->direction != EMU_NONE && wait_must_queue(emu, r)))
        verdict = EMU_WAIT;
    else
        verdict = request_attempt(emu, r);
    if (LIKELY(verdict > EMU_TAKEN))
        request_complete(emu, r, verdict);
    else
        request_settle(emu, r, verdict);
}

/*
 * A multishot request is tried again and again, until it would block or has had
 * its share of the turn, which is Linux's: a peer that sends without end must
 * not keep the others from theirs.
 */
static SELDOM int request_attempt_many(struct emu *emu, struct request *r)
{
    bool patient = !request_is_impatient(&r->sqe);
    int verdict = r->op->attempt(r);
    unsigned shots = 0;

    while (request_goes_on(emu, r, &verdict)) {
        if (++shots == SHOTS_MAX && patient)
            return EMU_AGAIN;
        verdict = r->op->attempt(r);
        /* It is no matter that there are no buffers if there are no bytes. */
        if (verdict == -ENOBUFS && !poll_ready(r->sqe.fd, POLLIN))
            verdict = EMU_WAIT;
    }
    return verdict == EMU_WAIT && shots > 0 && patient ? EMU_AGAIN : verdict;
}

int request_attempt(struct emu *emu, struct request *r)
{
    return UNLIKELY(r->multishot) ? request_attempt_many(emu, r)
                                  : r->op->attempt(r);
}

/* On a thread. */
static void request_work(struct blocking_job *job)
{
    struct request *r = CONTAINER_OF(job, struct request, job);

    r->result = r->op->work(r);
}

static int request_to_pool(struct emu *emu, struct request *r, bool serial)
{
    int error = 0;

    /* A thread knows nothing of groups. */
    if (request_chooses(r))
        error = select_hold(r);
    if (error == 0 && serial)
        error = wait_reserve(emu, r);
    if (error != 0)
        return error;
    r->serial = serial;
    r->place = EMU_POOLED;
    r->job.run = request_work;
    r->job.is_call = r->sqe.opcode == KERNEL_OP_CALL;
    error = blocking_add(&emu->pool, &r->job);
    if (error == 0) {
        emu->pooled++;
        return 0;
    }
    r->place = EMU_NEW;
    if (serial)
        wait_release(emu, r);
    return error;
}

/* What epoll refuses never blocks for a peer, but may for a disk: 0, to the
 * pool. Else there is nothing to poll for, or what a receive stood in line for
 * was no socket any more. */
static int request_unpollable(const struct request *r)
{
    if (r->op->work != NULL && !r->multishot)
        return 0;
    return r->sqe.opcode == IORING_OP_POLL_ADD ? -EINVAL : -ENOTSOCK;
}

/* It ends with what has been moved, which is less than was asked for: a failure
 * for those behind it in a chain. */
void request_end_short(struct emu *emu, struct request *r, int error)
{
    r->short_is_failure = true;
    request_complete(emu, r, request_cut_short(r, error));
}

/* Do what an attempt, or a worker, has answered. */
void request_settle(struct emu *emu, struct request *r, int verdict)
{
    int error;

    if (verdict == EMU_TAKEN)
        return;
    if (verdict > EMU_TAKEN) {
        request_complete(emu, r, verdict);
        return;
    }
    /* A listener that blocks: there is a connection, but only a thread may take
     * it. */
    if (request_is_impatient(&r->sqe) &&
        (r->sqe.opcode != IORING_OP_ACCEPT || verdict == EMU_WAIT)) {
        request_end_short(emu, r, -EAGAIN);
        return;
    }
    if (r->cancelled) {
        request_end_short(emu, r, -ECANCELED);
        return;
    }
    if (verdict == EMU_AGAIN || verdict == EMU_WAIT_ELSEWHERE)
        verdict = EMU_WAIT;
    error = request_hold(emu, r);
    if (error == 0 && verdict == EMU_WAIT) {
        error = wait_add(emu, r);
        if (error == -EPERM) {
            error = request_unpollable(r);
            verdict = EMU_POOL;
        }
    }
    if (error == 0 && verdict != EMU_WAIT)
        error = request_to_pool(emu, r, verdict == EMU_POOL_SERIAL);
    if (error != 0)
        request_end_short(emu, r, error);
}

/* Would a CQE go into the CQ, rather than wait for room? */
bool request_has_room(const struct emu *emu)
{
    const struct cq *cq = &emu->kernel.cq;
    /* Who reads CQEs may be another thread, if a lock guards us. */
    uint32_t head = atomic_load_explicit(cq->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(cq->tail, memory_order_relaxed);

    return list_is_empty(&emu->overflow) && tail - head < cq->entries;
}

static inline bool cq_push(struct emu *emu, uint64_t user_data, int result,
                           uint32_t flags)
{
    struct cq *cq = &emu->kernel.cq;
    uint32_t tail = atomic_load_explicit(cq->tail, memory_order_relaxed);

    if (!request_has_room(emu))
        return false;
    cq->cqes[tail & cq->mask] = (struct io_uring_cqe){ .user_data = user_data,
                                                       .res = result,
                                                       .flags = flags };
    atomic_store_explicit(cq->tail, tail + 1, memory_order_release);
    return true;
}

static SELDOM void request_overflow(struct emu *emu, struct request *r,
                                    int result, uint32_t flags)
{
    r->place = EMU_OVERFLOWN;
    r->result = result;
    r->cqe_flags = flags;
    list_append(&emu->overflow, &r->link);
    atomic_fetch_or_explicit(&emu->sq_flags, IORING_SQ_CQ_OVERFLOW,
                             memory_order_relaxed);
}

/* Timeouts do not count for counted timeouts unless they were cancelled. */
static inline bool request_counts(const struct request *r, int result)
{
    return r->sqe.opcode != IORING_OP_TIMEOUT || result == -ECANCELED ||
           result == -EINVAL || result == -EFAULT;
}

/* A CQE that is not the last. False: no memory to keep it in, so the request
 * has to end with this one. */
bool request_post_more(struct emu *emu, struct request *r, int result)
{
    struct request *carrier;

    if (cq_push(emu, r->sqe.user_data, result, IORING_CQE_F_MORE))
        return true;
    carrier = request_new(emu, &r->sqe);
    if (carrier == NULL)
        return false;
    request_overflow(emu, carrier, result, IORING_CQE_F_MORE);
    return true;
}

/* The bytes first, then the word that their buffer is free, which becomes the
 * request's end. Without memory for both the bytes are the end, as they are on
 * a Linux that refuses the request. */
static SELDOM uint32_t request_notify(struct emu *emu, struct request *r,
                                      int *result)
{
    if (!request_post_more(emu, r, *result))
        return 0;
    emu->events++;
    *result = 0;
    if ((r->sqe.ioprio & IORING_SEND_ZC_REPORT_USAGE) != 0)
        *result = (int)IORING_NOTIF_USAGE_ZC_COPIED;
    return IORING_CQE_F_NOTIF;
}

/* Has it something of the tables? */
static inline bool request_holds(const struct request *r)
{
    return r->files[0] != NULL || r->files[1] != NULL || r->buffer != NULL;
}

/* The result has been found: to the CQ, or nowhere. */
static inline void post_inline(struct emu *emu, struct request *r, int result,
                               bool silent)
{
    bool counts = request_counts(r, result) && !silent;

    if (LIKELY(r->counted)) {
        ASSERT(emu->unfinished > 0);
        emu->unfinished--;
    }
    if (UNLIKELY(r->op != NULL && r->op->notifies) && !silent)
        r->cqe_flags = request_notify(emu, r, &result);
    if (UNLIKELY(silent) ||
        LIKELY(cq_push(emu, r->sqe.user_data, result, r->cqe_flags)))
        request_release_inline(emu, r);
    else
        request_overflow(emu, r, result, r->cqe_flags);
    if (LIKELY(counts)) {
        emu->events++;
        timeout_count(emu);
    } else if (!silent) {
        emu->expired++;
    }
}

/* The same of one that has something of the tables: it lets go of it when its
 * slot is free, for that may set off other results. */
static SELDOM void post_of_holder(struct emu *emu, struct request *r,
                                  int result, bool silent)
{
    struct emu_file *const files[2] = { r->files[0], r->files[1] };
    struct emu_buffer *buffer = r->buffer;

    post_inline(emu, r, result, silent);
    files_drop(emu, files);
    buffers_drop(emu, buffer);
}

static inline void request_post_inline(struct emu *emu, struct request *r,
                                       int result, bool silent)
{
    if (UNLIKELY(request_holds(r)))
        post_of_holder(emu, r, result, silent);
    else
        post_inline(emu, r, result, silent);
}

void request_post(struct emu *emu, struct request *r, int result, bool silent)
{
    request_post_inline(emu, r, result, silent);
}

/* Is it a failure, for those behind it in a chain and for CQE_SKIP_SUCCESS? */
static SELDOM bool request_failed(const struct request *r, int result)
{
    if (r->doomed)
        return true;
    if (r->sqe.opcode == IORING_OP_LINK_TIMEOUT)
        return false;
    if (result == -ETIME && r->sqe.opcode == IORING_OP_TIMEOUT &&
        (r->sqe.timeout_flags & IORING_TIMEOUT_ETIME_SUCCESS) != 0)
        return false;
    if (r->harmless)
        return false;
    return result < 0 || r->short_is_failure;
}

/* Into its slot, if that is asked for. What fails there does not fail a
 * SOCKET. */
static int request_settle_file(struct emu *emu, struct request *r, int result)
{
    int settled = files_settle(emu, r, result);

    r->harmless = result >= 0 && settled < 0 &&
                  r->sqe.opcode == IORING_OP_SOCKET;
    return settled;
}

/* The one end of every request that has begun. */
void request_complete(struct emu *emu, struct request *r, int result)
{
    const struct emu_op *op = r->op;
    bool silent = false;

    ASSERT(r->place == EMU_NEW && !list_is_linked(&r->link));
    if (UNLIKELY(op != NULL && op->opens))
        result = request_settle_file(emu, r, result);
    request_let_go(emu, r);
    if (UNLIKELY(r->keeps[0] || r->keeps[1]))
        keep_end(emu, r);
    if (op != NULL && op->after != NULL && !r->doomed)
        op->after(emu, r, result);
    if (UNLIKELY((r->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0))
        silent = !request_failed(r, result);
    if (UNLIKELY(r->next != NULL || r->limit != NULL))
        chain_go_on(emu, r, request_failed(r, result));
    request_post_inline(emu, r, result, silent);
}

/*
 * If `*result` is one of several: post it, and be ready for the next. False:
 * the request ends with it, as it does on Linux if the CQ is full, or with what
 * has become of it on its way to a slot.
 */
bool request_goes_on(struct emu *emu, struct request *r, int *result)
{
    bool posted;

    /* A thread does not say that what it has read is the end. */
    if (*result == 0 && r->sqe.opcode == IORING_OP_READ_MULTISHOT)
        r->over = true;
    if (!r->multishot || *result < 0 || r->over || !request_has_room(emu))
        return false;
    *result = files_settle(emu, r, *result);
    if (*result < 0)
        return false;
    posted = cq_push(emu, r->sqe.user_data, *result,
                     r->cqe_flags | IORING_CQE_F_MORE);
    ASSERT(posted);
    select_shot_is_over(r);
    emu->events++;
    timeout_count(emu);
    return true;
}

/* An answer to an SQE for which there is no slot. False: no room for it. */
bool request_post_refusal(struct emu *emu, uint64_t user_data, int result)
{
    return cq_push(emu, user_data, result, 0);
}

/* A CQE that answers no request of this kernel. False: no memory for it, and it
 * is lost, as on Linux's ring. */
bool request_post_for_others(struct emu *emu, const struct posted *posted)
{
    const struct io_uring_sqe sqe = { .user_data = posted->user_data };
    struct request *carrier;

    if (!cq_push(emu, posted->user_data, posted->res, posted->flags)) {
        carrier = request_new(emu, &sqe);
        if (carrier == NULL)
            return false;
        request_overflow(emu, carrier, posted->res, posted->flags);
    }
    emu->events++;
    timeout_count(emu);
    return true;
}

void request_flush_overflow(struct emu *emu)
{
    struct list kept;

    list_init(&kept);
    list_append_all(&kept, &emu->overflow);
    for (;;) {
        struct list *link = list_take_first(&kept);
        struct request *r;

        if (link == NULL)
            break;
        r = CONTAINER_OF(link, struct request, link);
        if (!cq_push(emu, r->sqe.user_data, r->result, r->cqe_flags)) {
            list_prepend(&kept, link);
            list_append_all(&emu->overflow, &kept);
            return;
        }
        request_release(emu, r);
    }
    atomic_fetch_and_explicit(&emu->sq_flags, ~IORING_SQ_CQ_OVERFLOW,
                              memory_order_relaxed);
}
