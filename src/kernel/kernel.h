/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - a kernel is whoever executes SQEs
 *
 * The loop speaks to one `struct kernel`. Three rooms implement it:
 *
 *   uring/     Linux's io_uring
 *   emu/       the same requests executed in user space by non-blocking system
 *              calls, epoll and threads; as a whole kernel, and as the
 *              co-processor of uring for what Linux has no opcode for
 *   scripted/  for tests: completes requests as it is told
 *
 * Contract of one request. The loop writes a whole SQE into `sq` (or hands it
 * to side(), as `route` says) and gets, on `cq` or on `side_cq`, one CQE or
 * several with the same user_data: all but the last carry IORING_CQE_F_MORE.
 * Memory that the SQE points to is read or written by the kernel until that
 * last CQE; only what io_uring documents as read at submission (timespecs,
 * msghdrs, iovecs, addresses, paths) may go once the enter() that took the SQE
 * has returned. Cancelling is itself a request (ASYNC_CANCEL).
 *
 * Threads. Everything but wake() is called by the thread that called attach(),
 * the owner. Before attach() only wake(), now_ns() and destroy() may be called.
 *
 * user_data. The low four bits say whose CQE it is; the loop passes CQEs of
 * KERNEL_TAG_INTERNAL back by internal() and never looks into them.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gyre/ring.h>

#include "ring/abi.h"
#include "ring/queue.h"

struct gyre_blocking_pool;
struct kernel;
struct restriction;

/* Requests that Linux has no opcode for. Never shown to Linux. */
enum kernel_private_op {
    /* getdents64(fd, addr, len): result is the bytes filled, 0 at the end. */
    KERNEL_OP_GETDENTS = 0xC0,
    /* Send `len` bytes of file splice_fd_in from offset `off` to socket fd.
     * Result is the bytes sent (short is normal), 0 at the end of the file. */
    KERNEL_OP_SENDFILE = 0xC1,
    /* Run ((int (*)(void *))addr)((void *)addr2) on a thread of the bounded
     * pool (addr2 lies in `off`); the result is what it returns. */
    KERNEL_OP_CALL = 0xC2,
};

enum kernel_tag {
    KERNEL_TAG_OP = 0,       /* the rest is a gyre_op and its generation */
    KERNEL_TAG_CANCEL = 1,   /* the loop's own cancel requests */
    KERNEL_TAG_INTERNAL = 2, /* the kernel's own: wake, co-processor */
    KERNEL_TAG_MESSAGE = 4,  /* for a receiver: loop/message.c */
    KERNEL_TAG_GONE = 3,     /* a registered resource is: loop/fixed.h */
    KERNEL_TAG_FILE = 5,     /* likewise, of a file: loop/message.c */
};
#define KERNEL_TAG_MASK UINT64_C(15)

/* Where the requests of an opcode go: kernel.route[opcode]. */
enum kernel_route {
    KERNEL_ROUTE_REFUSED = 0, /* the op ends with -EOPNOTSUPP */
    KERNEL_ROUTE_SQ = 1,
    KERNEL_ROUTE_SIDE = 2,
    KERNEL_ROUTE_LOOK = 3, /* one of these, by the request: look() says */
    /* look() only: SQ, by a request that has one result in place of one with
     * many. Each good result is one of several, and it is made again; but not
     * after the end of a stream. */
    KERNEL_ROUTE_REPEAT = 4,
    /* look() only: SQ, by a request whose result is a descriptor of the file
     * that is to be passed. The result is what kernel_give_to() makes of it. */
    KERNEL_ROUTE_EXPORT = 5,
    /* look() only: SQ, by a request of 128 bytes. */
    KERNEL_ROUTE_BIG = 6,
};

/* enter(): wait for ever, or not at all. */
#define KERNEL_FOREVER UINT64_MAX
#define KERNEL_NO_WAIT 0

/* The threads on which a request may block, for who looks. */
struct kernel_pool {
    unsigned threads_max;
    unsigned queue_max;
    unsigned idle_ms;
    unsigned threads;     /* alive */
    unsigned idle;        /* of these */
    unsigned queued;      /* requests that no thread has taken */
    uint64_t wait_max_ns; /* the longest that one has waited for a thread */
    uint64_t taken;       /* requests, by threads */
    uint64_t refused;     /* calls, for queue_max */
    uint64_t made;        /* threads */
};

struct kernel_class {
    const char *name; /* "uring", "emu", "scripted" */

    /* Make the calling thread the owner. 0, or a negative errno. */
    int (*attach)(struct kernel *kernel);

    /*
     * Take up to `submit` SQEs from the SQ (which is published), then, if
     * deadline_ns is not KERNEL_NO_WAIT, sleep until `want` CQEs are ready on
     * both CQs together, or the monotonic clock reaches deadline_ns, or
     * somebody calls wake(). Finished work is always moved to the CQs, also
     * without waiting. Returns early for no reason at times: the caller counts
     * again. Result: the number of SQEs taken; or, if none was taken, possibly
     * -EINTR (a signal), -ETIME (the deadline), -EAGAIN or -ENOMEM (no memory
     * for requests: reap and try again), -EBUSY (the CQ has overflown: reap
     * first), -EBADR (a CQE was lost), -EOWNERDEAD (the thread that is to
     * take SQEs has ended).
     */
    int (*enter)(struct kernel *kernel, unsigned submit, unsigned want,
                 uint64_t deadline_ns);

    /* The opposite of attach(), which may follow on another thread; `busy`:
     * requests are in flight. 0; -EBUSY: those belong to the thread. NULL:
     * never. */
    int (*detach)(struct kernel *kernel, bool busy);

    /* For a loop that is shared: submit as enter(), from any thread, while the
     * owner sleeps there having been told of nothing to submit; who calls keeps
     * others away. And would enter() submit something by itself? NULL: it is
     * never shared. */
    int (*submit_for)(struct kernel *kernel, unsigned submit);
    bool (*has_own)(const struct kernel *kernel);

    /* Wait until what is published has been taken: 0 or a negative errno. NULL:
     * never `sq_thread`. */
    int (*await_taken)(struct kernel *kernel);

    /* Give SQEs whose route is SIDE, one or a whole chain, to the co-processor,
     * which copies them; or one to the ring that is polled: then 1. 0, or a
     * negative errno: then there is no CQE. NULL: no SIDE routes. */
    int (*side)(struct kernel *kernel, const struct io_uring_sqe *sqes,
                unsigned count);

    /* Could the co-processor execute it, though its route is another? NULL: no
     * SIDE routes. */
    bool (*side_has)(struct kernel *kernel, const struct io_uring_sqe *sqe);

    /* Where a request goes whose opcode's route is LOOK, because Linux has the
     * opcode but not all that can be asked of it. Takes away, from the copy
     * that goes into the SQ, what may be left out, or makes of it the request
     * that takes its place. NULL: no LOOK routes. */
    enum kernel_route (*look)(struct kernel *kernel, struct io_uring_sqe *sqe);

    /* A CQE with KERNEL_TAG_INTERNAL was found. May add CQEs to side_cq. */
    void (*internal)(struct kernel *kernel, const struct io_uring_cqe *cqe);

    /* Execute the request now if it cannot block: its result; -EAGAIN if it
     * would block or cannot be tried. No CQE. */
    int (*try_now)(struct kernel *kernel, const struct io_uring_sqe *sqe);

    /* Make enter() of the owner return soon, or the next one not sleep. From
     * any thread, also before attach(). Many calls may cost one return. */
    void (*wake)(struct kernel *kernel);

    /* From any thread, also before attach(): put one CQE more into the CQ, and
     * wake. 0 or -ENOMEM. NULL: it takes none. */
    int (*post)(struct kernel *kernel, uint64_t user_data, int32_t res,
                uint32_t flags);

    /* From any thread: put the file of `fd`, which stays the caller's, into
     * slot `index` - 1 (IORING_FILE_INDEX_ALLOC: any) of a table in user space,
     * and post as above what comes of it: the slot if any was asked for, or 0.
     * That is the result, too; or a negative errno, and nothing is posted. A
     * negative `fd` is one. `from` is the emulator that sends it, which must be
     * another (-EINVAL), or NULL. NULL: it has no table. */
    int (*give)(struct kernel *kernel, const void *from, int fd, uint32_t index,
                uint64_t user_data);

    /* A descriptor that is readable when enter() without waiting would find
     * something to do; made on the first call. >= 0, or a negative errno. It
     * stays the kernel's. enter() makes it unreadable before it looks. */
    int (*pollable_fd)(struct kernel *kernel);

    /* As io_uring_register(2). -EOPNOTSUPP for what this kernel lacks. */
    int (*reg)(struct kernel *kernel, unsigned opcode, void *arg,
               unsigned count);

    /* Memory shared with the kernel, zeroed, page-aligned; NULL if none. */
    void *(*map)(struct kernel *kernel, size_t size);
    void (*unmap)(struct kernel *kernel, void *memory, size_t size);

    uint64_t (*now_ns)(struct kernel *kernel); /* the monotonic clock */
    /* The same clock, read cheaply: some milliseconds behind, never ahead.
     * NULL: there is none. */
    uint64_t (*coarse_ns)(struct kernel *kernel);
    uint64_t (*random)(struct kernel *kernel);

    /* Make the CQ hold `wanted` CQEs, if it may grow so much. The number of
     * them from which this is to be called again. Not inside enter(). NULL: it
     * does not grow. */
    uint64_t (*grow)(struct kernel *kernel, uint64_t wanted);

    /* How busy the blocking pool is; NULL: there is none. */
    void (*pool)(struct kernel *kernel, struct kernel_pool *pool);

    /* Before attach(), and once: refuse what is not permitted (restrict.h; the
     * kernel keeps a copy, in `restriction`). 0; -EBUSY: it is too late, or was
     * done; -EOPNOTSUPP: this Linux cannot hold a ring to it; -ENOMEM. NULL: it
     * cannot. */
    int (*restrict_to)(struct kernel *kernel,
                       const struct restriction *restriction);

    /* Free everything. The loop has reaped every last CQE before. */
    void (*destroy)(struct kernel *kernel);
};

struct kernel {
    const struct kernel_class *class;
    struct sq sq;
    struct cq cq;
    struct cq *side_cq;   /* the co-processor's results, or NULL */
    struct cq *polled_cq; /* those of polled requests, or NULL */

    /* enter() brings results that nothing else does, so it does not sleep. */
    bool polling;

    /* enter() may have slept; the owner sets it back. */
    bool slept;

    /* A thread of Linux's takes what is published, sooner or later: enter()
     * then says it has taken whatever it is told of. The SQ's head tells. */
    bool sq_thread;
    /* Chains begin a batch, and are not longer; 0: no matter. */
    unsigned batch_max;
    _Atomic uint64_t calls; /* of Linux, by enter() where sq_thread is */

    /* The table of registered files is the emulator's, not Linux's. */
    bool files_emulated;

    /* SEND and RECV take registered memory (7.2). */
    bool sockets_registered;

    /* By opcode. */
    uint8_t route[256];

    /* What it may be asked for; NULL: anything. */
    struct restriction *restriction;

    /* For reports: what the ring was set up with, and the descriptor of the
     * ring (-1 if there is none). */
    uint32_t setup_flags;
    uint32_t features;
    int ring_fd;
    const char *reason;     /* why this kernel was chosen, one line */
    gyre_ring_options ring; /* of what was asked for, what is in force */

    /* post.c: by which number others send CQEs to it. */
    int address;
    bool enabled; /* Linux knows it by that number */
    struct kernel *next_known;
};

struct kernel_options {
    unsigned entries;     /* SQ, 1..32768, rounded up to a power of two */
    unsigned cq_entries;  /* 0: twice the SQ */
    bool clamp;           /* too many: take the most there is */
    unsigned threads_max; /* of the blocking pool; 0: KERNEL_THREADS_DEFAULT */
    unsigned queue_max;   /* calls that wait for a thread; 0: any number */
    unsigned idle_ms;     /* until a thread leaves; 0: KERNEL_IDLE_MS_DEFAULT */
    /* In place of one of its own: then the three above are 0. */
    struct gyre_blocking_pool *pool;
    gyre_ring_options ring; /* what is asked of Linux's ring */
    const char **why; /* or NULL; set to a sentence if `ring` is refused */
    int fd_first; /* the emulator's own descriptors begin there, if it can be */
};

#define KERNEL_ENTRIES_MAX 32768U
#define KERNEL_THREADS_DEFAULT 8U
#define KERNEL_IDLE_MS_DEFAULT 5000U
/* What a polling thread takes at a time from each of several rings. */
#define KERNEL_SHARED_BATCH 8U
#define KERNEL_SPIN_US_MAX 1000000U

/* Each implementation's constructor: 0 and a kernel, or a negative errno. */
int uring_open(struct kernel **kernel, const struct kernel_options *options);
int emu_open(struct kernel **kernel, const struct kernel_options *options);

#endif
