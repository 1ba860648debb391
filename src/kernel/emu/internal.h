/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the emulator share
 *
 * The life of a request:
 *
 *               attempt()              complete()
 *     SQE --> NEW ----------------------------------> CQE (or OVERFLOWN first)
 *              |  ^ ready       ^ worker is done  ^ deadline, cancel
 *              |  |             |                 |
 *              +-> WAITING -----+ (fd, epoll)     |
 *              +-> POLLING (fd, an epoll of their own; CQEs with F_MORE)
 *              +-> ASLEEP (futex, a thread of its own)
 *              +-> POOLED ------+-----------------+
 *              +-> TIMING --------------------------- (wheel)
 *
 * `attempt` is the heart of an operation: a non-blocking try that gives the
 * result, or a verdict that says what to wait for. It is called when the
 * request comes and again whenever its descriptor is ready, and it needs
 * nothing but the request; so the same function serves emu_try(). `work` may
 * block and runs on a thread of the pool.
 *
 * Rules, each kept by the file that is named:
 *
 *   - A request that is not complete lies on `held` and in the hash, and
 *     nowhere else but in its place (request.c).
 *   - Whatever the caller may take back after submission has been copied when
 *     a request becomes held (`keep`; copy.c).
 *   - Requests of one direction on one descriptor are served in order of
 *     arrival (wait.c).
 *   - Other threads touch nothing but the queue of jobs, the list of those done
 *     and the wake flag (kernel/blocking.c, emu.c).
 */
#ifndef KERNEL_EMU_INTERNAL_H
#define KERNEL_EMU_INTERNAL_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/list.h"
#include "base/wheel.h"
#include "kernel/blocking.h"
#include "kernel/emu/buffers.h"
#include "kernel/emu/files.h"
#include "kernel/kernel.h"
#include "kernel/post.h"

struct emu;
struct request;

/* What an attempt answers besides results; far below every negative errno. */
enum verdict {
    EMU_WAIT = INT_MIN, /* try again when the descriptor is ready */
    EMU_WAIT_ELSEWHERE, /* likewise, but it is another one than before */
    EMU_AGAIN,          /* likewise, and some results have been posted */
    EMU_POOL,           /* it may block: to the pool */
    EMU_POOL_SERIAL,    /* likewise, and nobody else of this direction until it
                          is back: the descriptor is ready for one only */
    EMU_TAKEN,          /* the operation keeps or has completed the request */
};

/* What a wait of an operation waits for: data, room, or events of its own.
 * Waits of one of the first two directions are served in order. */
enum direction { EMU_IN, EMU_OUT, EMU_OTHER, EMU_DIRECTIONS, EMU_NONE };

struct emu_op {
    const char *name;
    enum direction direction; /* of its waits */
    bool no_try;              /* emu_try() answers -EAGAIN */
    bool no_file;             /* sqe.fd is not what it works on */
    bool no_slot;             /* sqe.fd may not be a slot */
    bool splices;             /* splice_fd_in is a second one */
    bool opens;               /* for a slot, if file_index says so */
    bool any_result;          /* the worker's answer is never a verdict */
    bool harmless;            /* an error of the call itself is no failure of
                                 the request, for its chain and for
                                 CQE_SKIP_SUCCESS */
    bool chooses;             /* it knows IOSQE_BUFFER_SELECT */
    bool notifies;            /* a notification follows the result */
    bool registered;          /* it may name something of the tables by more
                                 than IOSQE_FIXED_FILE and `splices` */

    /* The fields that Linux refuses: 0 or -EINVAL. */
    int (*check)(const struct io_uring_sqe *sqe);

    /* One of the two; neither: straight to the pool. */
    int (*begin)(struct emu *emu, struct request *r); /* needs the emulator */
    int (*attempt)(struct request *r);

    /* Copy what the caller need not keep: 0, -EFAULT, -EINVAL, -ENOMEM, ... */
    int (*keep)(struct request *r);

    /* On a thread: the result, or EMU_WAIT. */
    int (*work)(struct request *r);

    /* While TIMING: its time has come. */
    void (*tick)(struct emu *emu, struct request *r);

    /* Told of each result before it is posted. */
    void (*after)(struct emu *emu, const struct request *r, int result);
};

enum place {
    EMU_FREE,
    EMU_NEW,       /* being started, or between two places */
    EMU_WAITING,   /* on a list of its descriptor */
    EMU_POLLING,   /* a multishot poll, on a list of its descriptor */
    EMU_ORPHANED,  /* its descriptor is gone: only a cancel can end it */
    EMU_POOLED,    /* queued, running or finished on the pool */
    EMU_TIMING,    /* on the wheel */
    EMU_ASLEEP,    /* on a futex, by a thread of its own */
    EMU_LINKED,    /* part of a chain, not begun */
    EMU_LATER,     /* begins or ends when this enter() has taken its SQEs */
    EMU_OVERFLOWN, /* complete, but the CQ was full */
};

struct vector {
    struct iovec *iov;
    unsigned count;
    struct iovec few[6];
};

struct kept_message {
    struct msghdr hdr;
    struct vector vector;
    size_t control_used; /* by earlier parts of the message */
    struct sockaddr_storage name;
};

struct kept_path {
    const char *text;
    uint64_t how_flags, how_mode, how_resolve; /* OPENAT2 */
    char few[200];
};

enum { TEXTS_MAX = 2 };

struct kept_texts {
    const char *text[TEXTS_MAX];
    char few[256];
};

struct timing {
    struct wheel_node node;  /* on the wheel, or on the list of `clock` */
    struct emu_clock *clock; /* NULL: the wheel's, CLOCK_MONOTONIC */
    uint64_t interval_ns;
    uint32_t target;  /* emu->events at which a counted timeout is complete */
    uint32_t repeats; /* of a multishot timeout; 0: no end */
    struct list counted;
};

/* WAITID */
struct kept_child {
    struct timing timing; /* first: as kept.timing */
    int id;
    uint64_t pause_ns; /* until it looks again, without a pidfd */
};

struct request {
    struct io_uring_sqe sqe;
    struct emu *emu; /* NULL in emu_try() */
    enum place place;
    int32_t result;   /* while OVERFLOWN, and from the worker */
    struct list link; /* of its place */
    struct list all;  /* emu->held */
    struct list hash;
    struct blocking_job job; /* while POOLED */
    void *memory;                /* what `kept` had no room for */

    /* From here to `kept` all is zero when a request begins. */
    const struct emu_op *op;
    struct request *next;      /* of the chain; while FREE, of the free ones */
    struct request *limit;     /* its linked timeout; of that: what it guards */
    struct emu_file *files[2]; /* the slots it was given: fd, splice_fd_in */
    struct emu_buffer *buffer; /* the registered one that it names */
    uint32_t cqe_flags;        /* of its next CQE */
    uint32_t done;             /* bytes moved by earlier attempts */
    uint32_t seen;             /* poll: the events that were reported */
    bool held;
    bool copied;           /* `kept` is filled */
    bool short_is_failure; /* for CQE_SKIP_SUCCESS: Linux fails short ones */
    bool harmless;         /* likewise: its error is none */
    bool started;          /* connect: is on its way; waitid: has a pidfd */
    bool serial;           /* was given to the pool by EMU_POOL_SERIAL */
    bool at_source;        /* splice: it waits for splice_fd_in */
    bool cancelled;        /* while it ran: it shall not wait again */
    bool keeps[2];         /* closed meanwhile: fd, splice_fd_in; keep.c */
    bool multishot;        /* its results but the last carry F_MORE */
    bool over;             /* multishot: the present result is the last */
    bool chosen;           /* sqe.addr and len are a buffer of its group */
    bool counted;          /* among emu->unfinished */
    bool drains;           /* the first of a chain: it waits for all before */
    bool doomed;           /* refused as part of a chain: ends with `result` */
    bool begins;           /* while LATER: is to begin, not to end */
    bool silent;           /* while LATER: ends without a CQE */
    union {
        struct vector vector;
        struct kept_message message;
        struct sockaddr_storage name;
        struct epoll_event event;
        struct kept_path path;
        struct kept_texts texts;
        struct timing timing;
        struct kept_child child;
        struct waiter *waiter;
    } kept;
};

/* What is known about a descriptor on which something waits or has waited. */
struct fd_state {
    struct list waiting[EMU_DIRECTIONS];
    struct request *busy[EMU_DIRECTIONS]; /* EMU_POOL_SERIAL */
    uint32_t generation; /* of the registration; old events are ignored */
    bool registered;     /* in the epoll, as far as we know */
    bool edge;           /* its errors stay set: wait for changes only */
    bool drained;        /* the last receive took all there was */
    bool brisk;          /* its last event came with many others */

    struct list polls; /* multishot, see multipoll.c */
    uint32_t polls_generation;
    bool polls_registered;
};

enum {
    EMU_EVENTS = 128,
    EMU_PIECES = 256, /* buffers of one bundle, as on Linux */
    EMU_GROUP_BUCKETS = 64,
};

/* The first buffers of a group, looked at and not taken (group.c). */
struct look {
    struct iovec pieces[EMU_PIECES];
    unsigned count;
    uint16_t id; /* of the first */
    size_t size; /* of all */
};

/* What an event of the epoll is about: a descriptor with the generation of its
 * registration, or one of our own. */
#define EMU_KEY_SIGNAL UINT64_MAX
#define EMU_KEY_TIMER (UINT64_MAX - 1)
#define EMU_KEY_SLEEP (UINT64_MAX - 2)
#define EMU_KEY_CLOCKS (UINT64_MAX - 2 - EMU_CLOCKS) /* one for each */
#define EMU_KEY_POLLS (EMU_KEY_CLOCKS - 1)
#define EMU_KEYS_OWN EMU_KEY_POLLS

/* A clock that the wheel does not keep, and the timeouts on it (clock.c). */
struct emu_clock {
    clockid_t id;
    int fd;            /* a timer of Linux's; -1 until the first timeout */
    uint64_t armed_ns; /* what it is set to; WHEEL_NEVER: nothing, or it rang */
    struct list timings; /* by deadline */
};

/* The eventfd that the program has registered (event.c). */
struct cq_event {
    int fd;        /* -1: none */
    bool async;    /* only for what a thread has done */
    bool threaded; /* a CQE of that kind came since it rang */
    uint32_t told; /* the CQ's tail then */
};

enum { EMU_BOOTTIME, EMU_REALTIME, EMU_CLOCKS };

struct chunk;

struct emu {
    struct kernel kernel;
    const void *owner; /* identifies the thread */
    int fd_first;      /* kernel_options.fd_first */
    int epoll_fd;
    int event_fd; /* wakes, and results of the pool; edge-triggered */
    int timer_fd; /* for who polls us; -1 until somebody does */
    uint64_t timer_ns;
    int sleep_fd; /* for our own sleeps; -1 until the first with a deadline */
    uint64_t sleep_ns; /* when it expires, if that is yet to come */
    atomic_bool woken;

    /* What the queues' pointers point to. */
    _Atomic uint32_t sq_head, sq_tail, sq_flags, cq_head, cq_tail, cq_flags;

    /* request.c */
    struct chunk *chunks;
    struct request *free; /* by next */
    struct list held;
    struct list *buckets;
    unsigned bucket_shift; /* 64 - log2(buckets) */
    size_t held_count;
    struct list overflow;

    /* chain.c */
    struct request *chain_first; /* of the chain that is being taken */
    struct request *chain_last;
    struct list later;
    struct list drained; /* what waits behind a drain, by heads of chains */
    uint64_t unfinished; /* requests that have begun, with all of their chain */
    bool draining;       /* there was a drain, and not yet all is as before */
    bool drain_next;     /* what comes next is one, too */
    bool drain_refused;  /* after a request that may be silent, as on Linux */

    /* wait.c */
    struct fd_state **fds;
    size_t fds_size;
    struct list orphans;
    unsigned waiting;
    unsigned splices;   /* of these, with another descriptor besides */
    unsigned kept;      /* keep.c */
    int events_at_once; /* of the last look at the epoll */

    /* multipoll.c */
    int polls_fd; /* an epoll; -1 until there is a multishot poll */
    unsigned polling;

    /* timeout.c */
    struct wheel timers;
    struct emu_clock clocks[EMU_CLOCKS];
    struct list counted; /* by target */
    uint32_t events;     /* CQEs that count for counted timeouts */
    uint32_t expired;    /* those that do not: of timeouts themselves */

    struct emu_files files;
    struct emu_buffers buffers;

    struct blocking_user pool;
    unsigned pooled;
    struct cq_event cq_event;

    struct post_box mail; /* mail.c */

    /* waiter.c */
    unsigned asleep;
    unsigned idle_waiter_count;
    struct list idle_waiters;
    _Atomic(struct waiter *) waiter_results;

    struct list groups[EMU_GROUP_BUCKETS]; /* group.c, by id */

    struct epoll_event ready[EMU_EVENTS];
};

static inline struct emu *emu_of(struct kernel *kernel)
{
    return CONTAINER_OF(kernel, struct emu, kernel);
}

static inline void *emu_pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

/* The result of a libc call that sets errno. */
static inline int emu_result(long value)
{
    return value < 0 ? -errno : (int)value;
}

uint64_t emu_now_ns(void);
void emu_signal(int event_fd);
int emu_move(const struct emu *emu, int fd);

/* ops.c: a row without a name is none. */
extern const struct emu_op emu_ops[256];

static inline const struct emu_op *op_find(unsigned opcode)
{
    const struct emu_op *op = &emu_ops[(uint8_t)opcode];

    return op->name != NULL ? op : NULL;
}

/* request.c: slots, starting, completing */
int request_init(struct emu *emu);
void request_deinit(struct emu *emu);
struct request *request_new(struct emu *emu, const struct io_uring_sqe *sqe);
int request_flags_refusal(const struct io_uring_sqe *sqe);
int request_refusal(const struct io_uring_sqe *sqe);
void request_start(struct emu *emu, struct request *r);
void request_settle(struct emu *emu, struct request *r, int verdict);
int request_hold(struct emu *emu, struct request *r);
void request_drop_hold(struct emu *emu, struct request *r);
void request_complete(struct emu *emu, struct request *r, int result);
void request_end_short(struct emu *emu, struct request *r, int error);
bool request_post_more(struct emu *emu, struct request *r, int result);
int request_attempt(struct emu *emu, struct request *r);
bool request_goes_on(struct emu *emu, struct request *r, int *result);
bool request_asks_for_many(const struct io_uring_sqe *sqe);
bool request_asks_for_now(const struct io_uring_sqe *sqe);
void request_release(struct emu *emu, struct request *r);
void request_rename(struct emu *emu, struct request *r, uint64_t user_data);
bool request_has_room(const struct emu *emu);
struct list *request_bucket(struct emu *emu, uint64_t user_data);
void request_flush_overflow(struct emu *emu);
bool request_post_for_others(struct emu *emu, const struct posted *posted);
bool request_reserve(struct emu *emu, unsigned count);
void request_post(struct emu *emu, struct request *r, int result, bool silent);
bool request_post_refusal(struct emu *emu, uint64_t user_data, int result);

/* What follows is passed by every request, or turn: what is seldom is behind
 * one test each. */

/* May there be several results? Then each but the last carries F_MORE. */
static inline bool request_is_multishot(const struct io_uring_sqe *sqe)
{
    return UNLIKELY(sqe->ioprio != 0 ||
                    sqe->opcode == IORING_OP_READ_MULTISHOT) &&
           request_asks_for_many(sqe);
}

/* Does the caller want an answer now rather than a wait? */
static inline bool request_is_impatient(const struct io_uring_sqe *sqe)
{
    return UNLIKELY(sqe->rw_flags != 0 || sqe->ioprio != 0) &&
           request_asks_for_now(sqe);
}

/* Cancels find it no more. */
static inline void request_let_go(struct emu *emu, struct request *r)
{
    if (r->held)
        request_drop_hold(emu, r);
}

/* Move overflown results to the CQ as far as there is room. */
static inline void request_flush(struct emu *emu)
{
    if (UNLIKELY(!list_is_empty(&emu->overflow)))
        request_flush_overflow(emu);
}

static inline int request_cut_short(const struct request *r, int error)
{
    return r->done > 0 ? (int)r->done : error;
}

/* Is it yet to choose a buffer? */
static inline bool request_chooses(const struct request *r)
{
    return (r->sqe.flags & IOSQE_BUFFER_SELECT) != 0 && !r->chosen;
}

/* chain.c: links, linked timeouts, drains */
void chain_init(struct emu *emu);
void chain_take(struct emu *emu, struct request *r);
void chain_close(struct emu *emu);
void chain_run_later(struct emu *emu);
void chain_go_on(struct emu *emu, struct request *r, bool failed);
void chain_limit_passed(struct emu *emu, struct request *limit);
int chain_limit_check(const struct io_uring_sqe *sqe);
int chain_limit_begin(struct emu *emu, struct request *r);

/* Begin and end what is to begin and end now. */
static inline void chain_run(struct emu *emu)
{
    if (UNLIKELY(!list_is_empty(&emu->later) || !list_is_empty(&emu->drained)))
        chain_run_later(emu);
}

/* copy.c: the caller's memory */
int copy_check(uint64_t from, size_t size);
int copy_in(void *to, uint64_t from, size_t size);
int copy_check_out(uint64_t to, size_t size);
int copy_out(uint64_t to, const void *from, size_t size);
int text_check(uint64_t from);
int copy_path(struct request *r, uint64_t from);
int copy_texts(struct request *r, const uint64_t from[], size_t count);
int copy_vector(struct request *r, struct vector *vector, uint64_t from,
                size_t count);
void vector_advance(struct vector *vector, size_t bytes);
size_t vector_total(const struct iovec *iov, size_t count);

/* wait.c: descriptors */
void wait_deinit(struct emu *emu);
bool wait_has_line(struct emu *emu, int fd, enum direction direction);
bool wait_must_queue(struct emu *emu, const struct request *r);
int wait_add(struct emu *emu, struct request *r);
void wait_leave(struct emu *emu, struct request *r);
void wait_event(struct emu *emu, const struct epoll_event *event);
int wait_reserve(struct emu *emu, struct request *r);
void wait_release(struct emu *emu, struct request *r);
void wait_resume(struct emu *emu, int fd, enum direction direction);
int request_awaited(const struct request *r);
enum direction request_direction(const struct request *r);
struct fd_state *wait_find(struct emu *emu, int fd);
struct fd_state *wait_get(struct emu *emu, int fd);
void wait_forget(struct emu *emu, int fd);
void wait_close(struct emu *emu, int fd);

/* keep.c: descriptors that are closed under requests */
int keep_instead(struct emu *emu, int fd);
bool keep_is_needed(const struct emu *emu, int fd);
void keep_end(struct emu *emu, struct request *r);

/* register.c */
int register_call(struct emu *emu, unsigned opcode, void *arg, unsigned count);

/* group.c: groups of buffers */
void group_init(struct emu *emu);
void group_deinit(struct emu *emu);
int group_register(struct emu *emu, void *arg);
int group_unregister(struct emu *emu, void *arg);
int group_status(struct emu *emu, void *arg);
int group_look(const struct request *r, size_t limit, bool bundle,
               struct look *look);
uint32_t group_take(const struct request *r, const struct look *look,
                    size_t bytes);
int group_hold(struct request *r, size_t limit);
bool group_is_ring(const struct request *r);
bool group_is_empty(const struct request *r);

/* clock.c: clocks that are not the wheel's */
void clock_init(struct emu *emu);
void clock_deinit(struct emu *emu);
struct emu_clock *clock_of(struct emu *emu, uint32_t timeout_flags,
                           bool absolute);
int clock_prepare(struct emu *emu, struct emu_clock *clock);
uint64_t clock_now_ns(const struct emu_clock *clock);
void clock_insert(struct emu_clock *clock, struct wheel_node *node);
void clock_remove(struct emu_clock *clock, struct wheel_node *node);
struct wheel_node *clock_take_due(struct emu_clock *clock);
void clock_rang(struct emu *emu, uint64_t key);

/* Is there any timeout on a clock? */
static inline bool clock_is_used(const struct emu *emu)
{
    static_assert(EMU_CLOCKS == 2, "each is looked at");
    return !list_is_empty(&emu->clocks[0].timings) ||
           !list_is_empty(&emu->clocks[1].timings);
}

/* event.c */
int event_register(struct emu *emu, void *arg);
int event_register_async(struct emu *emu, void *arg);
int event_unregister(struct emu *emu, void *arg);
void event_tell(struct emu *emu);

/* timeout.c */
void timeout_run_due(struct emu *emu);
void timeout_count_due(struct emu *emu);
void timeout_leave(struct emu *emu, struct request *r);
void timeout_sleep(struct emu *emu, struct request *r, uint64_t delay_ns);
uint64_t timeout_next_ns(const struct emu *emu);
int timeout_ready_limit(struct emu *emu, struct request *limit);
void timeout_arm_limit(struct emu *emu, struct request *limit);

/* Complete those whose time has come. */
static inline void timeout_run(struct emu *emu)
{
    if (UNLIKELY(emu->timers.count > 0 || clock_is_used(emu)))
        timeout_run_due(emu);
}

/* A CQE has been posted: complete the timeouts that waited for so many. */
static inline void timeout_count(struct emu *emu)
{
    if (UNLIKELY(!list_is_empty(&emu->counted)))
        timeout_count_due(emu);
}

/* turn.c */
int turn_enter(struct kernel *kernel, unsigned submit, unsigned want,
               uint64_t deadline_ns);
void turn_own(struct emu *emu);
int turn_timer_open(struct emu *emu, clockid_t clock, uint64_t key);
void turn_timer_set(int fd, uint64_t ns);
void turn_arm_timer(struct emu *emu);
int turn_collect(struct emu *emu, uint64_t until_ns);

/* The operations, by file. */
int nop_check(const struct io_uring_sqe *sqe);
int nop_attempt(struct request *r);

int rw_check(const struct io_uring_sqe *sqe);
int rw_read(struct request *r);
int rw_write(struct request *r);
int rw_keep(struct request *r);
int rw_read_work(struct request *r);
int rw_write_work(struct request *r);

int net_socket_check(const struct io_uring_sqe *sqe);
int net_accept_check(const struct io_uring_sqe *sqe);
int net_accept(struct request *r);
int net_accept_work(struct request *r);
int net_connect_check(const struct io_uring_sqe *sqe);
int net_connect(struct request *r);
int net_connect_keep(struct request *r);
int net_connect_work(struct request *r);
int net_recv(struct request *r);
void net_recv_after(struct emu *emu, const struct request *r, int result);
int net_send(struct request *r);
int net_send_keep(struct request *r);
int net_shutdown_check(const struct io_uring_sqe *sqe);
int net_shutdown(struct request *r);
int net_finish(struct request *r, long n, size_t wanted);
bool net_is_connected_kind(int fd);

/* select.c: requests that choose their buffers */
int select_hold(struct request *r);
int select_read(struct request *r);
int select_read_check(const struct io_uring_sqe *sqe);
int select_recv(struct request *r);
int select_recvmsg(struct request *r);
int select_send(struct request *r);
int select_send_bundle(struct request *r);
void select_shot_is_over(struct request *r);

int group_provide_check(const struct io_uring_sqe *sqe);
int group_provide(struct emu *emu, struct request *r);
int group_remove_check(const struct io_uring_sqe *sqe);
int group_remove(struct emu *emu, struct request *r);
int net_zc_check(const struct io_uring_sqe *sqe);
int net_zc_refusal(const struct request *r);
int net_send_zc(struct request *r);
bool net_wants_poll_first(const struct io_uring_sqe *sqe);

/* Does the caller know that there is nothing yet, and want no try? */
static inline bool net_polls_first(const struct io_uring_sqe *sqe)
{
    return UNLIKELY(sqe->ioprio != 0) && net_wants_poll_first(sqe);
}

int message_recv(struct request *r);
int message_send(struct request *r);
int message_send_zc(struct request *r);
int message_keep(struct request *r);
void message_tell(const struct request *r, const struct msghdr *got);

int socket_check(const struct io_uring_sqe *sqe);
int socket_open(struct request *r);
int socket_bind_check(const struct io_uring_sqe *sqe);
int socket_bind(struct request *r);
int socket_listen_check(const struct io_uring_sqe *sqe);
int socket_listen(struct request *r);
int socket_command_check(const struct io_uring_sqe *sqe);
int socket_command(struct request *r);
int socket_discard_work(struct request *r);
/* An option of SOL_SOCKET: 0, or a negative errno. */
int socket_option(int fd, int option, int *value);

int file_open_check(const struct io_uring_sqe *sqe);
int file_open(struct request *r);
int file_open_keep(struct request *r);
int file_open_work(struct request *r);
int file_open2(struct request *r);
int file_open2_keep(struct request *r);
int file_open2_work(struct request *r);
int file_close_check(const struct io_uring_sqe *sqe);
int file_close(struct request *r);
int file_close_begin(struct emu *emu, struct request *r);
void file_close_after(struct emu *emu, const struct request *r, int result);
int file_statx_check(const struct io_uring_sqe *sqe);
int file_statx_keep(struct request *r);
int file_statx_work(struct request *r);
int file_fsync_check(const struct io_uring_sqe *sqe);
int file_fsync_work(struct request *r);
int file_getdents_work(struct request *r);
int file_call_work(struct request *r);

int space_fallocate_check(const struct io_uring_sqe *sqe);
int space_fallocate_work(struct request *r);
int space_ftruncate_check(const struct io_uring_sqe *sqe);
int space_ftruncate_work(struct request *r);
int space_sync_range_check(const struct io_uring_sqe *sqe);
int space_sync_range_work(struct request *r);
int space_advice_check(const struct io_uring_sqe *sqe);
int space_fadvise_work(struct request *r);
int space_madvise_work(struct request *r);

int path_one_keep(struct request *r);
int path_two_keep(struct request *r);
int path_link_keep(struct request *r);
int path_rename_check(const struct io_uring_sqe *sqe);
int path_rename_work(struct request *r);
int path_unlink_check(const struct io_uring_sqe *sqe);
int path_unlink_work(struct request *r);
int path_mkdir_check(const struct io_uring_sqe *sqe);
int path_mkdir_work(struct request *r);
int path_symlink_check(const struct io_uring_sqe *sqe);
int path_symlink_work(struct request *r);
int path_link_check(const struct io_uring_sqe *sqe);
int path_link_work(struct request *r);

int xattr_set_check(const struct io_uring_sqe *sqe);
int xattr_get_check(const struct io_uring_sqe *sqe);
int xattr_path_keep(struct request *r);
int xattr_fd_keep(struct request *r);
int xattr_set_work(struct request *r);
int xattr_get_work(struct request *r);
int xattr_fset_work(struct request *r);
int xattr_fget_work(struct request *r);

int splice_check(const struct io_uring_sqe *sqe);
int splice_tee_check(const struct io_uring_sqe *sqe);
int splice_attempt(struct request *r);
int splice_work(struct request *r);
int splice_pipe_check(const struct io_uring_sqe *sqe);
int splice_pipe(struct request *r);

int sendfile_attempt(struct request *r);
int sendfile_work(struct request *r);

int poll_check(const struct io_uring_sqe *sqe);
int poll_begin(struct emu *emu, struct request *r);
int poll_attempt(struct request *r);
uint32_t poll_wanted(const struct request *r);
bool poll_ready(int fd, short events);
int poll_remove_check(const struct io_uring_sqe *sqe);
int poll_remove_begin(struct emu *emu, struct request *r);

/* multipoll.c */
int multipoll_begin(struct emu *emu, struct request *r);
void multipoll_leave(struct emu *emu, struct request *r);
void multipoll_orphan(struct emu *emu, struct fd_state *state);
void multipoll_serve(struct emu *emu);

int mail_check(const struct io_uring_sqe *sqe);
int mail_send(struct request *r);
int mail_pass(struct request *r);
int mail_give(struct kernel *kernel, const void *from, int fd, uint32_t index,
              uint64_t user_data);
int mail_post(struct kernel *kernel, uint64_t user_data, int32_t res,
              uint32_t flags);
void mail_collect(struct emu *emu);

/* Have others sent something, or put a file in place of one of ours? */
static inline bool mail_has_come(struct emu *emu)
{
    return !post_box_is_empty(&emu->mail) ||
           atomic_load_explicit(&emu->files.dropped, memory_order_relaxed) !=
               NULL;
}

int futex_check(const struct io_uring_sqe *sqe);
int futex_waitv_check(const struct io_uring_sqe *sqe);
int futex_wait_begin(struct emu *emu, struct request *r);
int futex_waitv_keep(struct request *r);
int futex_waitv_begin(struct emu *emu, struct request *r);
int futex_wake(struct request *r);

int child_check(const struct io_uring_sqe *sqe);
int child_begin(struct emu *emu, struct request *r);
int child_attempt(struct request *r);
void child_tick(struct emu *emu, struct request *r);
void child_after(struct emu *emu, const struct request *r, int result);

int epoll_ctl_check(const struct io_uring_sqe *sqe);
int epoll_ctl_attempt(struct request *r);
int epoll_ctl_keep(struct request *r);
int epoll_wait_check(const struct io_uring_sqe *sqe);
int epoll_wait_attempt(struct request *r);

int timeout_check(const struct io_uring_sqe *sqe);
int timeout_begin(struct emu *emu, struct request *r);
int timeout_keep(struct request *r);
int timeout_remove_check(const struct io_uring_sqe *sqe);
int timeout_remove_begin(struct emu *emu, struct request *r);
int timeout_remove_keep(struct request *r);

int cancel_check(const struct io_uring_sqe *sqe);
int cancel_begin(struct emu *emu, struct request *r);
int cancel_sync(struct emu *emu, void *arg);
bool cancel_take(struct emu *emu, struct request *r, struct list *ended);
void cancel_end(struct emu *emu, struct list *ended);

#endif
