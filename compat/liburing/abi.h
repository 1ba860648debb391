/* SPDX-License-Identifier: MIT */
/*
 * abi.h - what a program that was compiled against liburing.h shares with us
 *
 * liburing's inline functions work on `struct io_uring` and on the queues that
 * it points to, and call a few dozen functions for the rest. Its layout and
 * their names are fixed since liburing 2.2 (soname liburing.so.2). These are
 * definitions of our own, so that the library builds without liburing;
 * tests/liburing/ compares them with liburing.h.
 */
#ifndef LIBURING_ABI_H
#define LIBURING_ABI_H

#include <assert.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ring/abi.h"
#include "ring/abi_register.h"

struct io_uring_sq {
    _Atomic uint32_t *head; /* moved by the kernel */
    _Atomic uint32_t *tail; /* moved by the program */
    uint32_t *mask_there;
    uint32_t *entries_there;
    _Atomic uint32_t *flags; /* IORING_SQ_* */
    uint32_t *dropped;
    uint32_t *array; /* indices of SQEs; NULL with NO_SQARRAY */
    struct io_uring_sqe *sqes;
    uint32_t sqe_head; /* up to here the kernel was shown */
    uint32_t sqe_tail; /* up to here SQEs were handed out */
    size_t ring_size;
    void *ring;
    uint32_t mask;
    uint32_t entries;
    uint32_t pad[2];
};

struct io_uring_cq {
    _Atomic uint32_t *head; /* moved by the program */
    _Atomic uint32_t *tail; /* moved by the kernel */
    uint32_t *mask_there;
    uint32_t *entries_there;
    _Atomic uint32_t *flags; /* IORING_CQ_* */
    uint32_t *overflow;
    struct io_uring_cqe *cqes;
    size_t ring_size;
    void *ring;
    uint32_t mask;
    uint32_t entries;
    uint32_t pad[2];
};

struct io_uring {
    struct io_uring_sq sq;
    struct io_uring_cq cq;
    uint32_t flags; /* IORING_SETUP_* */
    int ring_fd;
    uint32_t features;
    int enter_ring_fd; /* with LIBRARY_REGISTERED, an index */
    uint8_t int_flags; /* LIBRARY_* */
    uint8_t pad[3];
    uint32_t pad2;
};

enum {
    LIBRARY_REGISTERED = 1, /* liburing's own */
    LIBRARY_EMULATED = 64,  /* ours */
};

/* Of a program on a machine with 64 bits; tests/liburing/ has the same. */
#if UINTPTR_MAX == UINT64_MAX
static_assert(sizeof(struct io_uring) == 216, "liburing's");
static_assert(offsetof(struct io_uring, cq) == 104, "");
static_assert(offsetof(struct io_uring, flags) == 192, "");
static_assert(offsetof(struct io_uring, enter_ring_fd) == 204, "");
static_assert(offsetof(struct io_uring, int_flags) == 208, "");
static_assert(offsetof(struct io_uring_sq, sqes) == 56, "");
static_assert(offsetof(struct io_uring_sq, entries) == 92, "");
static_assert(offsetof(struct io_uring_cq, cqes) == 48, "");
static_assert(offsetof(struct io_uring_cq, entries) == 76, "");
#endif

#pragma GCC visibility push(default)

/* setup.c */
int io_uring_queue_init(unsigned entries, struct io_uring *ring,
                        unsigned flags);
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                               struct io_uring_params *params);
int io_uring_queue_mmap(int fd, struct io_uring_params *params,
                        struct io_uring *ring);
int io_uring_ring_dontfork(struct io_uring *ring);
void io_uring_queue_exit(struct io_uring *ring);
ssize_t io_uring_mlock_size(unsigned entries, unsigned flags);
ssize_t io_uring_mlock_size_params(unsigned entries,
                                   struct io_uring_params *params);
struct io_uring_probe *io_uring_get_probe(void);
struct io_uring_probe *io_uring_get_probe_ring(struct io_uring *ring);
void io_uring_free_probe(struct io_uring_probe *probe);

/* queue.c */
struct io_uring_sqe *io_uring_get_sqe(struct io_uring *ring);
int io_uring_submit(struct io_uring *ring);
int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr);
int io_uring_submit_and_wait_timeout(struct io_uring *ring,
                                     struct io_uring_cqe **cqe,
                                     unsigned wait_nr,
                                     struct ring_timespec *timeout,
                                     sigset_t *sigmask);
int io_uring_submit_and_get_events(struct io_uring *ring);
int io_uring_get_events(struct io_uring *ring);
int io_uring_wait_cqes(struct io_uring *ring, struct io_uring_cqe **cqe,
                       unsigned wait_nr, struct ring_timespec *timeout,
                       sigset_t *sigmask);
int io_uring_wait_cqe_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                              struct ring_timespec *timeout);
unsigned io_uring_peek_batch_cqe(struct io_uring *ring,
                                 struct io_uring_cqe **cqes, unsigned count);
int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe,
                       unsigned submit, unsigned wait_nr, sigset_t *sigmask);
int __io_uring_sqring_wait(struct io_uring *ring);

/* syscalls.c */
int io_uring_setup(unsigned entries, struct io_uring_params *params);
int io_uring_enter(unsigned fd, unsigned submit, unsigned want, unsigned flags,
                   sigset_t *sigmask);
int io_uring_enter2(unsigned fd, unsigned submit, unsigned want, unsigned flags,
                    void *argument, size_t size);
int io_uring_register(unsigned fd, unsigned opcode, const void *argument,
                      unsigned count);

/* register.c */
int io_uring_register_buffers(struct io_uring *ring, const struct iovec *iov,
                              unsigned count);
int io_uring_register_buffers_tags(struct io_uring *ring,
                                   const struct iovec *iov,
                                   const uint64_t *tags, unsigned count);
int io_uring_register_buffers_sparse(struct io_uring *ring, unsigned count);
int io_uring_register_buffers_update_tag(struct io_uring *ring, unsigned offset,
                                         const struct iovec *iov,
                                         const uint64_t *tags, unsigned count);
int io_uring_unregister_buffers(struct io_uring *ring);
int io_uring_register_files(struct io_uring *ring, const int *files,
                            unsigned count);
int io_uring_register_files_tags(struct io_uring *ring, const int *files,
                                 const uint64_t *tags, unsigned count);
int io_uring_register_files_sparse(struct io_uring *ring, unsigned count);
int io_uring_register_files_update(struct io_uring *ring, unsigned offset,
                                   const int *files, unsigned count);
int io_uring_register_files_update_tag(struct io_uring *ring, unsigned offset,
                                       const int *files, const uint64_t *tags,
                                       unsigned count);
int io_uring_unregister_files(struct io_uring *ring);
int io_uring_register_file_alloc_range(struct io_uring *ring, unsigned offset,
                                       unsigned count);
int io_uring_register_eventfd(struct io_uring *ring, int fd);
int io_uring_register_eventfd_async(struct io_uring *ring, int fd);
int io_uring_unregister_eventfd(struct io_uring *ring);
int io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                            unsigned count);
int io_uring_register_personality(struct io_uring *ring);
int io_uring_unregister_personality(struct io_uring *ring, int id);
int io_uring_register_restrictions(struct io_uring *ring,
                                   struct io_uring_restriction *restrictions,
                                   unsigned count);
int io_uring_enable_rings(struct io_uring *ring);
int io_uring_register_iowq_aff(struct io_uring *ring, size_t size,
                               const cpu_set_t *mask);
int io_uring_unregister_iowq_aff(struct io_uring *ring);
int io_uring_register_iowq_max_workers(struct io_uring *ring, unsigned *values);
int io_uring_register_ring_fd(struct io_uring *ring);
int io_uring_unregister_ring_fd(struct io_uring *ring);
int io_uring_close_ring_fd(struct io_uring *ring);
int io_uring_register_buf_ring(struct io_uring *ring,
                               struct io_uring_buf_reg *reg, unsigned flags);
int io_uring_unregister_buf_ring(struct io_uring *ring, int group);
struct io_uring_buf_ring *io_uring_setup_buf_ring(struct io_uring *ring,
                                                  unsigned entries, int group,
                                                  unsigned flags, int *error);
int io_uring_free_buf_ring(struct io_uring *ring,
                           struct io_uring_buf_ring *buffers, unsigned entries,
                           int group);
int io_uring_buf_ring_head(struct io_uring *ring, int group, uint16_t *head);
int io_uring_register_sync_cancel(struct io_uring *ring,
                                  struct io_uring_sync_cancel_reg *reg);

/* version.c */
int io_uring_major_version(void);
int io_uring_minor_version(void);
_Bool io_uring_check_version(int major, int minor);

#pragma GCC visibility pop

#endif
