/* SPDX-License-Identifier: MIT */
/*
 * emulated.c - emulated rings: making them, finding them, sleeping in them
 *
 * A ring is found by its descriptor in a table of the process. Whoever uses it
 * holds a reference, so that its last user frees it, which may be its keeper:
 * a request that a thread of the emulator's pool is busy with cannot be
 * cancelled, and outlives io_uring_queue_exit() as it does on Linux.
 *
 * A child of fork() has the memory of its parent's rings, but not their
 * keepers, and shares their descriptors: it may give the rings up, and nothing
 * else.
 */
#include "emulated.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "kernel/emu/emu.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/post.h"
#include "kernel/thread.h"

#define NS_PER_S UINT64_C(1000000000)

enum {
    REGISTERED_MAX = 16, /* of a thread, as on Linux */
    /* The program has the low ones to itself, as it would without us. */
    OWN_DESCRIPTORS = 256,
};

/* ---- the table ----------------------------------------------------------- */

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct emulated **table; /* by descriptor */
static unsigned table_size;
static unsigned generation = 1;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&table_lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&table_lock);
}

static void after_fork_in_child(void)
{
    generation++;
    pthread_mutex_unlock(&table_lock);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

/* With the table's lock. */
static bool table_reserve(int fd)
{
    unsigned size = table_size == 0 ? 64 : table_size;
    struct emulated **grown;

    while (size <= (unsigned)fd)
        size *= 2;
    if (size == table_size)
        return true;
    grown = alloc_zeroed(size, sizeof *grown);
    if (grown == NULL)
        return false;
    if (table_size != 0)
        memcpy(grown, table, table_size * sizeof *grown);
    alloc_free(table);
    table = grown;
    table_size = size;
    return true;
}

/* The ring that had this descriptor before has lost it by a plain close(). */
static int table_add(struct emulated *e, struct emulated **lost)
{
    bool room;

    pthread_mutex_lock(&table_lock);
    room = table_reserve(e->fd);
    if (room) {
        *lost = table[e->fd];
        table[e->fd] = e;
    }
    pthread_mutex_unlock(&table_lock);
    return room ? 0 : -ENOMEM;
}

struct emulated *emulated_get(int fd)
{
    struct emulated *e = NULL;

    pthread_mutex_lock(&table_lock);
    if (fd >= 0 && (unsigned)fd < table_size)
        e = table[fd];
    if (e != NULL)
        e->references++;
    pthread_mutex_unlock(&table_lock);
    return e;
}

static void emulated_free(struct emulated *e)
{
    if (e->kernel != NULL) {
        emu_disown(e->kernel);
        e->kernel->class->destroy(e->kernel);
    }
    if (e->signal_fd >= 0)
        (void)close(e->signal_fd);
    if (e->kick_fd >= 0)
        (void)close(e->kick_fd);
    if (e->queues != NULL)
        memory_unmap(e->queues, e->queues_size);
    alloc_free(e->sqes);
    alloc_free(e->batch);
    pthread_mutex_destroy(&e->lock);
    alloc_free(e);
}

void emulated_put(struct emulated *e)
{
    bool last;

    pthread_mutex_lock(&table_lock);
    last = --e->references == 0;
    pthread_mutex_unlock(&table_lock);
    if (last)
        emulated_free(e);
}

/* With or without a keeper to wait for, it is nobody's any more. */
static void table_remove(struct emulated *e)
{
    pthread_mutex_lock(&table_lock);
    if (e->fd >= 0 && (unsigned)e->fd < table_size && table[e->fd] == e)
        table[e->fd] = NULL;
    pthread_mutex_unlock(&table_lock);
}

bool emulated_is_ours(const struct emulated *e)
{
    return e->generation == generation;
}

const void *emulated_thread(void)
{
    static _Thread_local char this_thread;

    return &this_thread;
}

/* ---- making one ---------------------------------------------------------- */

static const uint32_t setup_known =
    IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF |
    IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_ATTACH_WQ |
    IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
    IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
    IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_NO_SQARRAY;

/* Linux's rules of what goes with what. */
static bool flags_are_good(uint32_t flags)
{
    const uint32_t deferred = IORING_SETUP_COOP_TASKRUN |
                              IORING_SETUP_DEFER_TASKRUN;
    bool polled = (flags & IORING_SETUP_SQPOLL) != 0;

    if ((flags & ~setup_known) != 0)
        return false;
    if ((flags & IORING_SETUP_SQ_AFF) != 0 && !polled)
        return false;
    if (polled && (flags & (deferred | IORING_SETUP_TASKRUN_FLAG)) != 0)
        return false;
    if ((flags & IORING_SETUP_TASKRUN_FLAG) != 0 && (flags & deferred) == 0)
        return false;
    return (flags & IORING_SETUP_DEFER_TASKRUN) == 0 ||
           (flags & IORING_SETUP_SINGLE_ISSUER) != 0;
}

static int params_check(const struct io_uring_params *params)
{
    struct emulated *other;

    for (size_t i = 0; i < ARRAY_SIZE(params->resv); i++)
        if (params->resv[i] != 0)
            return -EINVAL;
    if (!flags_are_good(params->flags))
        return -EINVAL;
    if ((params->flags & IORING_SETUP_SQ_AFF) != 0 &&
        params->sq_thread_cpu >= (uint32_t)sysconf(_SC_NPROCESSORS_CONF))
        return -EINVAL;
    if ((params->flags & IORING_SETUP_CQSIZE) != 0 && params->cq_entries == 0)
        return -EINVAL;
    if ((params->flags & IORING_SETUP_ATTACH_WQ) == 0)
        return 0;
    other = emulated_get((int)params->wq_fd);
    if (other == NULL)
        return fcntl((int)params->wq_fd, F_GETFD) < 0 ? -EBADF : -EINVAL;
    emulated_put(other);
    return 0;
}

static int open_kernel(struct emulated *e, unsigned entries,
                       const struct io_uring_params *params)
{
    bool sized = (params->flags & IORING_SETUP_CQSIZE) != 0;
    const struct kernel_options asked = {
        .entries = entries,
        .cq_entries = sized ? params->cq_entries : 0,
        .clamp = (params->flags & IORING_SETUP_CLAMP) != 0,
        .fd_first = OWN_DESCRIPTORS,
    };
    struct kernel_options options;
    int error = kernel_options_resolve(&options, &asked, NULL);

    if (error == 0)
        error = emu_open(&e->kernel, &options);
    if (error != 0)
        return error;
    e->entries = e->kernel->sq.entries;
    e->watch_fd = e->kernel->class->pollable_fd(e->kernel);
    return e->watch_fd < 0 ? e->watch_fd : 0;
}

static int make_queues(struct emulated *e)
{
    size_t page = memory_page_size();
    size_t stride = (e->setup_flags & IORING_SETUP_SQE128) != 0 ? 2 : 1;

    e->queues_size = sizeof *e->queues + e->entries * sizeof(uint32_t);
    e->queues_size = (e->queues_size + page - 1) & ~(page - 1);
    e->queues = memory_map(e->queues_size);
    e->sqes = alloc_zeroed(e->entries * stride, sizeof *e->sqes);
    e->batch = alloc_zeroed(e->entries, sizeof *e->batch);
    if (e->queues == NULL || e->sqes == NULL || e->batch == NULL)
        return -ENOMEM;
    e->queues->sq_entries = e->entries;
    e->queues->sq_mask = e->entries - 1;
    e->queues->cq_entries = e->kernel->cq.entries;
    e->queues->cq_mask = e->kernel->cq.mask;
    return 0;
}

/* A second descriptor of the file, where it is in nobody's way. */
static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, OWN_DESCRIPTORS);

    if (copy < 0)
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

static int make_kick(struct emulated *e)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return -errno;
    e->kick_fd = duplicate(fd);
    (void)close(fd);
    return e->kick_fd < 0 ? e->kick_fd : 0;
}

static int make_descriptors(struct emulated *e)
{
    int error = make_kick(e);

    if (error != 0)
        return error;
    e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->fd < 0)
        return -errno;
    e->signal_fd = duplicate(e->fd);
    if (e->signal_fd < 0) {
        (void)close(e->fd);
        return e->signal_fd;
    }
    /* Messages for the ring are sent to the number that programs know. */
    kernel_withdraw(e->kernel);
    kernel_announce(e->kernel, e->fd);
    return 0;
}

static struct emulated *emulated_make(unsigned entries,
                                      const struct io_uring_params *params,
                                      int *error)
{
    struct emulated *e = alloc_zeroed(1, sizeof *e);

    *error = -ENOMEM;
    if (e == NULL)
        return NULL;
    pthread_mutex_init(&e->lock, NULL);
    e->fd = e->signal_fd = e->kick_fd = e->watch_fd = -1;
    e->references = 2; /* the table's, the keeper's */
    e->generation = generation;
    e->setup_flags = params->flags;
    e->enabled = (params->flags & IORING_SETUP_R_DISABLED) == 0;
    if (e->enabled && (params->flags & IORING_SETUP_SINGLE_ISSUER) != 0)
        e->submitter = emulated_thread();
    *error = open_kernel(e, entries, params);
    if (*error == 0 && (params->flags & IORING_SETUP_SQPOLL) != 0)
        atomic_fetch_or(e->kernel->sq.flags, IORING_SQ_NEED_WAKEUP);
    if (*error == 0)
        *error = make_queues(e);
    if (*error == 0)
        *error = make_descriptors(e);
    if (*error == 0)
        return e;
    emulated_free(e);
    return NULL;
}

/* The emulator's, and what is true of every ring here. */
static uint32_t features_of(const struct emulated *e)
{
    return e->kernel->features | IORING_FEAT_SINGLE_MMAP |
           IORING_FEAT_CUR_PERSONALITY | IORING_FEAT_SQPOLL_NONFIXED |
           IORING_FEAT_NATIVE_WORKERS | IORING_FEAT_RSRC_TAGS |
           IORING_FEAT_LINKED_FILE;
}

int emulated_setup(unsigned entries, struct io_uring_params *params)
{
    struct emulated *e, *lost = NULL;
    int saved = errno;
    int error = params_check(params);
    int fd;

    if (error != 0)
        return error;
    pthread_once(&fork_once, watch_forks);
    e = emulated_make(entries, params, &error);
    if (e == NULL) {
        errno = saved;
        return error;
    }
    params->sq_entries = e->entries;
    params->cq_entries = e->kernel->cq.entries;
    params->features = features_of(e);
    fd = e->fd;
    error = table_add(e, &lost);
    if (error == 0)
        error = keeper_start(e);
    if (error != 0) {
        table_remove(e);
        (void)close(e->fd);
        emulated_free(e);
    }
    if (lost != NULL) {
        lost->fd = -1;
        emulated_close(lost);
    }
    errno = saved;
    return error != 0 ? error : fd;
}

void emulated_map(struct emulated *e, const struct io_uring_params *params,
                  struct io_uring *ring)
{
    const struct kernel *kernel = e->kernel;
    bool indexed = (e->setup_flags & IORING_SETUP_NO_SQARRAY) == 0;

    ring->sq = (struct io_uring_sq){
        .head = &e->queues->sq_head,
        .tail = &e->queues->sq_tail,
        .mask_there = &e->queues->sq_mask,
        .entries_there = &e->queues->sq_entries,
        .flags = kernel->sq.flags,
        .dropped = &e->queues->sq_dropped,
        .array = indexed ? e->queues->array : NULL,
        .sqes = e->sqes,
        .ring_size = e->queues_size,
        .ring = e->queues,
        .mask = e->queues->sq_mask,
        .entries = e->queues->sq_entries,
    };
    ring->cq = (struct io_uring_cq){
        .head = kernel->cq.head,
        .tail = kernel->cq.tail,
        .mask_there = &e->queues->cq_mask,
        .entries_there = &e->queues->cq_entries,
        .flags = kernel->cq.flags,
        .overflow = &e->queues->cq_overflow,
        .cqes = kernel->cq.cqes,
        .ring_size = e->queues_size,
        .ring = e->queues,
        .mask = e->queues->cq_mask,
        .entries = e->queues->cq_entries,
    };
    ring->flags = params->flags;
    ring->int_flags = LIBRARY_EMULATED;
}

/* ---- who is in it, and who sleeps ---------------------------------------- */

static void wake_all(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL,
                  0);
}

static void wake_followers(struct emulated *e)
{
    if (e->followers == 0)
        return;
    atomic_fetch_add_explicit(&e->turns, 1, memory_order_release);
    wake_all(&e->turns);
}

/* Wake the leader: by what nobody else can take from it, as an event of the
 * emulator's can be taken by whoever enters meanwhile. */
static void kick(struct emulated *e)
{
    uint64_t once = 1;
    ssize_t ignored = write(e->kick_fd, &once, sizeof once);

    (void)ignored;
}

static void wake_keeper(struct emulated *e)
{
    e->keeper_rests = false;
    atomic_fetch_add_explicit(&e->keeper_word, 1, memory_order_release);
    wake_all(&e->keeper_word);
    kick(e);
}

uint32_t emulated_ready(const struct emulated *e)
{
    const struct cq *cq = &e->kernel->cq;

    return atomic_load_explicit(cq->tail, memory_order_relaxed) -
           atomic_load_explicit(cq->head, memory_order_acquire);
}

bool emulated_is_full(const struct emulated *e)
{
    return (sq_flags(&e->kernel->sq) & IORING_SQ_CQ_OVERFLOW) != 0;
}

void emulated_lock(struct emulated *e)
{
    pthread_mutex_lock(&e->lock);
}

/* Let the descriptor say whether there are CQEs. */
static void show_readable(struct emulated *e)
{
    bool readable = emulated_ready(e) != 0 || e->pending || emulated_is_full(e);
    uint64_t count = 1;
    ssize_t ignored;

    if (readable == e->readable)
        return;
    e->readable = readable;
    ignored = readable ? write(e->signal_fd, &count, sizeof count)
                       : read(e->signal_fd, &count, sizeof count);
    (void)ignored;
    /* Somebody has to see when the CQ is empty again. */
    if (readable && e->keeper_rests)
        wake_keeper(e);
}

void emulated_unlock(struct emulated *e)
{
    uint32_t tail =
        atomic_load_explicit(e->kernel->cq.tail, memory_order_relaxed);

    show_readable(e);
    if (tail != e->seen) {
        e->seen = tail;
        wake_followers(e);
        if (e->led && !e->led_by_keeper)
            kick(e);
    }
    emu_disown(e->kernel);
    pthread_mutex_unlock(&e->lock);
}

/* How long it is until then. */
static struct timespec *until(uint64_t until_ns, struct timespec *left)
{
    uint64_t now_ns = thread_clock();
    uint64_t ns = until_ns > now_ns ? until_ns - now_ns : 0;

    if (until_ns == KERNEL_FOREVER)
        return NULL;
    left->tv_sec = (time_t)(ns / NS_PER_S);
    left->tv_nsec = (long)(ns % NS_PER_S);
    return left;
}

int emulated_lead(struct emulated *e, uint64_t until_ns,
                  const sigset_t *sigmask)
{
    struct pollfd watched[] = { { .fd = e->watch_fd, .events = POLLIN },
                                { .fd = e->kick_fd, .events = POLLIN } };
    uint64_t kicks;
    struct timespec left;
    int result;

    ASSERT(!e->led);
    e->led = true;
    emulated_unlock(e);
    result = ppoll(watched, 2, until(until_ns, &left), sigmask);
    result = result < 0 ? -errno : 0;
    emulated_lock(e);
    if (result == 0 && watched[1].revents != 0) {
        ssize_t ignored = read(e->kick_fd, &kicks, sizeof kicks);

        (void)ignored;
    }
    e->led = false;
    wake_followers(e);
    return result == -EINTR ? -EINTR : 0;
}

int emulated_follow(struct emulated *e, uint64_t until_ns,
                    const sigset_t *sigmask)
{
    uint32_t seen = atomic_load_explicit(&e->turns, memory_order_relaxed);
    /* With a limit a futex's wait is not begun anew after a signal. */
    uint64_t limit_ns = thread_clock() + NS_PER_S;
    struct timespec left;
    sigset_t before;
    int result;

    e->followers++;
    e->wanted = e->led_by_keeper;
    emulated_unlock(e);
    if (sigmask != NULL)
        pthread_sigmask(SIG_SETMASK, sigmask, &before);
    result = (int)syscall(
        SYS_futex, &e->turns, FUTEX_WAIT_PRIVATE, seen,
        until(until_ns < limit_ns ? until_ns : limit_ns, &left), NULL, 0);
    result = result < 0 ? -errno : 0;
    if (sigmask != NULL)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    emulated_lock(e);
    e->followers--;
    return result == -EINTR ? -EINTR : 0;
}

/* ---- the end ------------------------------------------------------------- */

void emulated_close(struct emulated *e)
{
    struct timespec limit;

    table_remove(e);
    if (e->fd >= 0)
        (void)close(e->fd);
    if (!emulated_is_ours(e))
        return;
    kernel_withdraw(e->kernel);
    emulated_lock(e);
    e->closing = true;
    atomic_fetch_add_explicit(&e->turns, 1, memory_order_release);
    wake_all(&e->turns);
    wake_keeper(e);
    emulated_unlock(e);
    /* As a rule it has nothing to wait for. */
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec++;
    if (pthread_timedjoin_np(e->keeper, NULL, &limit) != 0)
        pthread_detach(e->keeper);
    emulated_put(e);
}

/* ---- io_uring_register_ring_fd() ----------------------------------------- */

static _Thread_local int registered[REGISTERED_MAX]; /* descriptor + 1 */

struct emulated *emulated_get_registered(unsigned index)
{
    return index < REGISTERED_MAX ? emulated_get(registered[index] - 1) : NULL;
}

static int register_one(struct io_uring_rsrc_update *update)
{
    unsigned index = update->offset;
    struct emulated *e = emulated_get((int)update->data);

    if (e == NULL)
        return -EBADF;
    emulated_put(e);
    if (update->resv != 0 || (index != UINT32_MAX && index >= REGISTERED_MAX))
        return -EINVAL;
    if (index == UINT32_MAX)
        for (index = 0; index < REGISTERED_MAX; index++)
            if (registered[index] == 0)
                break;
    if (index == REGISTERED_MAX || registered[index] != 0)
        return -EBUSY;
    registered[index] = (int)update->data + 1;
    update->offset = index;
    return 0;
}

static int unregister_one(const struct io_uring_rsrc_update *update)
{
    if (update->resv != 0 || update->data != 0 ||
        update->offset >= REGISTERED_MAX)
        return -EINVAL;
    registered[update->offset] = 0;
    return 0;
}

int emulated_register_rings(unsigned opcode,
                            struct io_uring_rsrc_update *updates,
                            unsigned count)
{
    unsigned done;
    int error = 0;

    if (count == 0 || count > REGISTERED_MAX)
        return -EINVAL;
    for (done = 0; done < count; done++) {
        error = opcode == IORING_REGISTER_RING_FDS
                    ? register_one(&updates[done])
                    : unregister_one(&updates[done]);
        if (error != 0)
            break;
    }
    return done != 0 ? (int)done : error;
}
