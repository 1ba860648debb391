/* SPDX-License-Identifier: MIT */
/*
 * emulated.c - emulated rings, from io_uring_setup(2) to the last close
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "duplicate.h"
#include "emulated.h"
#include "kernel/emu/emu.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/post.h"

/* The program has the low ones to itself, as it would without us. */
enum { OWN_DESCRIPTORS = 256 };

void emulated_free(struct emulated *e)
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
    e->identity = eventfd_identity(e->fd);
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
    e->generation = table_generation();
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
        emulated_close(lost, -1);
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

/* ---- the end ------------------------------------------------------------- */

void emulated_close(struct emulated *e, int fd)
{
    struct timespec limit;

    table_remove(e);
    if (fd >= 0)
        (void)close(fd);
    if (!emulated_is_ours(e))
        return;
    kernel_withdraw(e->kernel);
    emulated_lock(e);
    e->closing = true;
    emulated_wake_all(e);
    emulated_unlock(e);
    /* As a rule it has nothing to wait for. */
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec++;
    if (pthread_timedjoin_np(e->keeper, NULL, &limit) != 0)
        pthread_detach(e->keeper);
    emulated_put(e);
}
