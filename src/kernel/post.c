/* SPDX-License-Identifier: MIT */
/*
 * post.c - CQEs that one kernel is sent by others, and by plain threads
 *
 * The list of kernels is held while one of them is posted to, so none goes away
 * meanwhile. Posting does not block: it is a push and a wake, or one system
 * call that puts a CQE into a ring. Only a file for Linux's own table may take
 * longer, and is passed without the lock.
 */
#include "kernel/post.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/kernel.h"
#include "ring/pass.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kernel *known; /* by next_known */

void kernel_announce(struct kernel *kernel, int address)
{
    pthread_mutex_lock(&lock);
    kernel->address = address;
    kernel->next_known = known;
    known = kernel;
    pthread_mutex_unlock(&lock);
}

void kernel_withdraw(struct kernel *kernel)
{
    pthread_mutex_lock(&lock);
    for (struct kernel **at = &known; *at != NULL; at = &(*at)->next_known)
        if (*at == kernel) {
            *at = kernel->next_known;
            break;
        }
    pthread_mutex_unlock(&lock);
}

int kernel_sharing(unsigned number)
{
    int saved = errno;
    int fd = -1;

    pthread_mutex_lock(&lock);
    for (const struct kernel *at = known; fd < 0 && at != NULL;
         at = at->next_known)
        if (at->ring_fd >= 0 && at->ring.share_workers == number)
            fd = fcntl(at->ring_fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return fd;
}

void kernel_enabled(struct kernel *kernel)
{
    pthread_mutex_lock(&lock);
    kernel->enabled = true;
    pthread_mutex_unlock(&lock);
}

/* Under the lock. */
static struct kernel *kernel_at(int address)
{
    struct kernel *kernel = known;

    while (kernel != NULL && kernel->address != address)
        kernel = kernel->next_known;
    return kernel;
}

static bool is_descriptor(int address)
{
    int saved = errno;
    bool is = address >= 0 && fcntl(address, F_GETFD) >= 0;

    errno = saved;
    return is;
}

int kernel_post_to(int address, uint64_t user_data, int32_t res, uint32_t flags)
{
    struct kernel *kernel;
    int error;

    pthread_mutex_lock(&lock);
    kernel = kernel_at(address);
    if (kernel != NULL)
        error = kernel->class->post(kernel, user_data, res, flags);
    else
        error = is_descriptor(address) ? -EBADFD : -EBADF;
    pthread_mutex_unlock(&lock);
    return error;
}

static bool takes_files_itself(const struct kernel *kernel)
{
    return kernel->enabled && !kernel->files_emulated;
}

bool kernel_takes_files_itself(int address)
{
    const struct kernel *kernel;
    bool itself;

    pthread_mutex_lock(&lock);
    kernel = kernel_at(address);
    itself = kernel != NULL && takes_files_itself(kernel);
    pthread_mutex_unlock(&lock);
    return itself;
}

int kernel_give_to(int address, const void *from, int fd, uint32_t index,
                   uint64_t user_data)
{
    struct kernel *kernel;
    int saved = errno;
    int ring = -1;
    int result;

    pthread_mutex_lock(&lock);
    kernel = kernel_at(address);
    if (kernel == NULL) {
        result = is_descriptor(address) ? -EBADFD : -EBADF;
    } else if (!takes_files_itself(kernel)) {
        result = kernel->class->give(kernel, from, fd, index, user_data);
    } else if (fd < 0) {
        result = fd;
    } else {
        ring = fcntl(address, F_DUPFD_CLOEXEC, 0);
        result = ring < 0 ? -errno : 0;
    }
    pthread_mutex_unlock(&lock);
    if (ring >= 0) {
        /* Linux needs the ring's thread for it, which may wait for the lock. So
         * the ring is held by a descriptor of our own meanwhile. */
        result = ring_pass_file(ring, fd, index, user_data);
        (void)close(ring);
    }
    errno = saved;
    return result;
}

int kernel_give_away(int address, int fd, uint32_t index, uint64_t user_data)
{
    int result = kernel_give_to(address, NULL, fd, index, user_data);
    int saved = errno;

    (void)close(fd);
    errno = saved;
    return result;
}

enum kernel_kind kernel_kind_at(int address)
{
    enum kernel_kind kind = KERNEL_NONE;
    const struct kernel *kernel;

    pthread_mutex_lock(&lock);
    kernel = kernel_at(address);
    if (kernel != NULL)
        kind = kernel->enabled ? KERNEL_RING : KERNEL_BOX;
    pthread_mutex_unlock(&lock);
    return kind;
}

int post_box_put(struct post_box *box, uint64_t user_data, int32_t res,
                 uint32_t flags)
{
    struct posted *posted = alloc_zeroed(1, sizeof *posted);
    struct posted *head;

    if (posted == NULL)
        return -ENOMEM;
    *posted =
        (struct posted){ .user_data = user_data, .res = res, .flags = flags };
    head = atomic_load_explicit(&box->newest, memory_order_relaxed);
    do
        posted->next = head;
    while (!atomic_compare_exchange_weak_explicit(&box->newest, &head, posted,
                                                  memory_order_release,
                                                  memory_order_relaxed));
    return 0;
}

struct posted *post_box_take(struct post_box *box)
{
    struct posted *newest =
        atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
    struct posted *oldest = NULL;

    while (newest != NULL) {
        struct posted *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void post_box_clear(struct post_box *box)
{
    struct posted *posted = post_box_take(box);

    while (posted != NULL) {
        struct posted *next = posted->next;

        alloc_free(posted);
        posted = next;
    }
}
