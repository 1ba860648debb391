/* SPDX-License-Identifier: MIT */
/*
 * boxes_by_hand.c - threads that are posted to, as one writes them oneself
 *
 * By futex: a stack without locks, which the thread takes as a whole, and a
 * word that says whether it sleeps. It can wait for nothing else, so nothing
 * can be cheaper. By eventfd: what programs on epoll have, a queue under a
 * mutex, and an eventfd that is written to when the queue was empty. By ring:
 * Linux carries the letters from ring to ring; a box's thread sends with the
 * call by which it waits, others by a call that needs no ring (Linux 6.13).
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boxes.h"
#include "by_hand_uring.h"

/* What all have. A letter without a number of its own ends the thread. */
struct box {
    pthread_t thread;
    int cpu;
    int error;
    sem_t ready;
};

static int box_start(struct box *box, int cpu, void *(*fn)(void *))
{
    box->cpu = cpu;
    sem_init(&box->ready, 0, 0);
    if (pthread_create(&box->thread, NULL, fn, box) != 0)
        return -EAGAIN;
    mail_wait(&box->ready);
    return box->error;
}

/* The thread's first words. */
static void box_is_ready(struct box *box, int error)
{
    mail_bind(box->cpu);
    box->error = error;
    sem_post(&box->ready);
}

static struct letter *next_of(const struct letter *letter)
{
    return letter->room[0];
}

static _Thread_local bool ending;

static void end_thread(struct letter *letter)
{
    (void)letter;
    ending = true;
}

static void box_end(const struct box_class *by, struct box *box)
{
    struct letter last = { .open = end_thread };

    by->post(box, &last);
    pthread_join(box->thread, NULL);
}

static void open_all(struct letter *first)
{
    while (first != NULL) {
        struct letter *next = next_of(first);

        first->open(first);
        first = next;
    }
}

/* ---- futex --------------------------------------------------------------- */

struct futex_box {
    struct box box;
    _Atomic(struct letter *) newest;
    atomic_uint asleep;
};

static long futex(atomic_uint *word, int op, unsigned value)
{
    return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL,
                   0);
}

static struct letter *reversed(struct letter *newest)
{
    struct letter *oldest = NULL;

    while (newest != NULL) {
        struct letter *next = next_of(newest);

        newest->room[0] = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void *futex_main(void *arg)
{
    struct futex_box *box = arg;

    box_is_ready(&box->box, 0);
    while (!ending) {
        atomic_store(&box->asleep, 1);
        if (atomic_load(&box->newest) == NULL)
            futex(&box->asleep, FUTEX_WAIT, 1);
        atomic_store_explicit(&box->asleep, 0, memory_order_relaxed);
        open_all(reversed(atomic_exchange_explicit(&box->newest, NULL,
                                                   memory_order_acquire)));
    }
    return NULL;
}

static struct box *futex_create(int cpu)
{
    struct futex_box *box = mail_alloc(sizeof *box);

    return box_start(&box->box, cpu, futex_main) < 0 ? NULL : &box->box;
}

static void futex_post(struct box *to, struct letter *letter)
{
    struct futex_box *box = (struct futex_box *)to;
    struct letter *newest =
        atomic_load_explicit(&box->newest, memory_order_relaxed);

    do
        letter->room[0] = newest;
    while (!atomic_compare_exchange_weak(&box->newest, &newest, letter));
    if (atomic_load(&box->asleep) != 0 && atomic_exchange(&box->asleep, 0) != 0)
        futex(&box->asleep, FUTEX_WAKE, INT_MAX);
}

static void futex_destroy(struct box *box)
{
    box_end(&box_by_futex, box);
    free(box);
}

const struct box_class box_by_futex = { futex_create, futex_post,
                                        futex_destroy };

/* ---- eventfd ------------------------------------------------------------- */

struct event_box {
    struct box box;
    pthread_mutex_t mutex;
    struct letter *first, *last;
    int event;
    int epoll;
};

static void *event_main(void *arg)
{
    struct event_box *box = arg;

    box_is_ready(&box->box, box->event < 0 || box->epoll < 0 ? -errno : 0);
    while (!ending) {
        struct epoll_event event;
        struct letter *first;
        uint64_t count;

        if (epoll_wait(box->epoll, &event, 1, -1) != 1)
            continue;
        if (read(box->event, &count, sizeof count) != sizeof count)
            continue;
        pthread_mutex_lock(&box->mutex);
        first = box->first;
        box->first = NULL;
        pthread_mutex_unlock(&box->mutex);
        open_all(first);
    }
    return NULL;
}

static struct box *event_create(int cpu)
{
    struct event_box *box = mail_alloc(sizeof *box);
    struct epoll_event event = { .events = EPOLLIN };

    pthread_mutex_init(&box->mutex, NULL);
    box->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    box->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(box->epoll, EPOLL_CTL_ADD, box->event, &event) != 0)
        return NULL;
    return box_start(&box->box, cpu, event_main) < 0 ? NULL : &box->box;
}

static void event_post(struct box *to, struct letter *letter)
{
    struct event_box *box = (struct event_box *)to;
    const uint64_t one = 1;
    bool was_empty;

    letter->room[0] = NULL;
    pthread_mutex_lock(&box->mutex);
    was_empty = box->first == NULL;
    if (was_empty)
        box->first = letter;
    else
        box->last->room[0] = letter;
    box->last = letter;
    pthread_mutex_unlock(&box->mutex);
    if (was_empty && write(box->event, &one, sizeof one) != sizeof one)
        abort();
}

static void event_destroy(struct box *to)
{
    struct event_box *box = (struct event_box *)to;

    box_end(&box_by_eventfd, to);
    close(box->event);
    close(box->epoll);
    free(box);
}

const struct box_class box_by_eventfd = { event_create, event_post,
                                          event_destroy };

/* ---- rings --------------------------------------------------------------- */

struct ring_box {
    struct box box;
    struct hand_ring ring;
};

static _Thread_local struct ring_box *here;

static void *ring_main(void *arg)
{
    struct ring_box *box = arg;
    int err = hand_open(&box->ring, 64, 4096);

    here = box;
    box_is_ready(&box->box, err);
    while (err >= 0 && !ending) {
        uint32_t ready;

        if (hand_enter(&box->ring, 1) < 0)
            abort();
        ready = hand_ready(&box->ring);
        for (uint32_t i = 0; i < ready; i++) {
            uint64_t at = hand_cqe(&box->ring, i)->user_data;
            struct letter *letter = (struct letter *)(uintptr_t)at;

            letter->open(letter);
        }
        hand_seen(&box->ring, ready);
    }
    return NULL;
}

static struct box *ring_create(int cpu)
{
    struct ring_box *box = mail_alloc(sizeof *box);
    struct io_uring_sqe none = { .opcode = IORING_OP_MSG_RING, .fd = -1 };

    if (box_start(&box->box, cpu, ring_main) < 0 ||
        ring_sys_register(-1, IORING_REGISTER_SEND_MSG_RING, &none, 1) !=
            -EBADF)
        return NULL;
    return &box->box;
}

static void ring_post(struct box *to, struct letter *letter)
{
    struct ring_box *box = (struct ring_box *)to;
    struct io_uring_sqe message = {
        .opcode = IORING_OP_MSG_RING,
        .fd = box->ring.real_fd,
        .off = (uintptr_t)letter,
        .flags = here != NULL ? IOSQE_CQE_SKIP_SUCCESS : 0,
    };

    if (here != NULL)
        *hand_sqe(&here->ring) = message;
    else if (ring_sys_register(-1, IORING_REGISTER_SEND_MSG_RING, &message, 1) <
             0)
        abort();
}

static void ring_destroy(struct box *to)
{
    struct ring_box *box = (struct ring_box *)to;

    box_end(&box_by_ring, to);
    close(box->ring.real_fd);
    free(box);
}

const struct box_class box_by_ring = { ring_create, ring_post, ring_destroy };
