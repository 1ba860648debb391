/* SPDX-License-Identifier: MIT */
/*
 * Defects that were found by reading, each shown by a program that it broke.
 * They have nothing else in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "io/world.h"

/* ---- many descriptors beside the ring become ready at once --------------- */

enum { MANY = 200, MANY_BYTES = 1000 };

static unsigned many_done;

static void sent_one(gyre_op *op, gyre_result result)
{
    (void)op;
    CHECK_EQ(result.res, MANY_BYTES);
    many_done++;
}

static void fill_up(int fd)
{
    char bytes[4096] = { 0 };

    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

static void drain(int fd)
{
    char bytes[65536];

    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    CHECK_EQ(errno, EAGAIN);
}

KERNEL_TEST(more_sockets_ready_at_once_than_one_look_can_tell)
{
    static gyre_op ops[MANY];
    static int pairs[MANY][2];
    const char *path = file_make("body", MANY_BYTES);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    gyre_loop *loop;

    CHECK_GE(file, 0);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    for (int i = 0; i < MANY; i++) {
        pair_open(pairs[i]);
        fill_up(pairs[i][0]);
        gyre_op_sendfile(&ops[i], pairs[i][0], file, 0, MANY_BYTES);
        gyre_op_start(loop, &ops[i], sent_one, NULL);
    }
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    CHECK_EQ(many_done, 0u);
    for (int i = 0; i < MANY; i++)
        drain(pairs[i][1]);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(many_done, (unsigned)MANY);
    gyre_loop_destroy(loop);
    for (int i = 0; i < MANY; i++)
        pair_close(pairs[i]);
    close(file);
}

/* ---- joins and closes at the same moment --------------------------------- */

struct meeting {
    gyre_scope *joiners;
    gyre_task *child;
    int joined;
    int result;
    bool late;
};

static int join_child(void *arg)
{
    struct meeting *m = arg;

    m->joined = gyre_join(m->child, &m->result);
    return 0;
}

static int nap_then_seven(void *arg)
{
    (void)arg;
    CHECK_OK(gyre_sleep(GYRE_MS));
    return 7;
}

/* The joiner stands outside of the scope whose closing waits for the child. */
static int join_across(void *arg)
{
    struct meeting *m = arg;
    gyre_scope outer, inner;

    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&inner, NULL);
    CHECK_OK(gyre_spawn_with(&inner, NULL, nap_then_seven, NULL, &m->child));
    CHECK_OK(gyre_spawn(&outer, join_child, m));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_scope_close(&inner));
    CHECK_OK(gyre_scope_close(&outer));
    CHECK_OK(m->joined);
    CHECK_EQ(m->result, 7);
    return 0;
}

KERNEL_TEST2(a_join_from_outside_ends_with_the_closing_scope)
{
    struct meeting m = { 0 };

    must_run(join_across, &m);
}

/*
 * Ready at one moment, in this order: the child, which ends; the opener, who
 * closes the child's scope; and the joiner, whose own scope has been cancelled
 * and who must not look at the child any more.
 */
struct three {
    struct meeting m;
    gyre_scope *root;
};

static int child_waits(void *arg)
{
    struct three *t = arg;

    while (!t->m.late)
        (void)gyre_yield();
    return 7;
}

/* The child is spawned before the first yield, so it always runs first. */
static int opener(void *arg)
{
    struct three *t = arg;
    gyre_scope inner;

    gyre_scope_open(&inner, NULL);
    CHECK_OK(gyre_spawn_with(&inner, NULL, child_waits, t, &t->m.child));
    while (!t->m.late)
        CHECK_OK(gyre_yield());
    CHECK_OK(gyre_scope_close(&inner));
    return 0;
}

static int joiner_in_scope(void *arg)
{
    struct three *t = arg;
    gyre_scope own;

    gyre_scope_open(&own, NULL);
    t->m.joiners = &own;
    t->m.joined = gyre_join(t->m.child, &t->m.result);
    CHECK_OK(gyre_scope_close(&own));
    return 0;
}

static int cancels_in_between(void *arg)
{
    struct three *t = arg;

    CHECK_OK(gyre_spawn(t->root, opener, t));
    CHECK_OK(gyre_yield());
    CHECK_OK(gyre_spawn(t->root, joiner_in_scope, t));
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_yield());
    CHECK(t->m.joiners != NULL);
    t->m.late = true;
    gyre_scope_cancel(t->m.joiners);
    return 0;
}

static int run_three(void *arg)
{
    struct three *t = arg;
    gyre_scope all;

    gyre_scope_open(&all, NULL);
    t->root = &all;
    CHECK_OK(gyre_spawn(&all, cancels_in_between, t));
    CHECK_OK(gyre_scope_close(&all));
    CHECK(t->m.joined == 0 || t->m.joined == -ECANCELED);
    return 0;
}

KERNEL_TEST2(a_cancelled_joiner_does_not_look_at_a_task_that_is_gone)
{
    static struct three t;

    must_run(run_three, &t);
}

/* A callback spawns when the last child has ended and the opener, who waits in
 * close, has not run yet. */
struct latecomer {
    gyre_scope *scope;
    bool began;
};

static int late_child(void *arg)
{
    struct latecomer *l = arg;

    CHECK_OK(gyre_yield());
    l->began = true;
    return 0;
}

static int last_child(void *arg)
{
    (void)arg;
    return 0;
}

static int spawner(void *arg)
{
    struct latecomer *l = arg;

    CHECK_OK(gyre_spawn(l->scope, late_child, l));
    return 0;
}

static int close_with_latecomer(void *arg)
{
    struct latecomer *l = arg;
    gyre_scope outer, inner;

    gyre_scope_open(&outer, NULL);
    gyre_scope_open(&inner, NULL);
    l->scope = &inner;
    CHECK_OK(gyre_spawn(&inner, last_child, NULL));
    CHECK_OK(gyre_spawn(&outer, spawner, l));
    CHECK_OK(gyre_scope_close(&inner));
    CHECK(l->began);
    CHECK_OK(gyre_scope_close(&outer));
    return 0;
}

KERNEL_TEST2(a_scope_that_closes_waits_for_who_comes_last)
{
    struct latecomer l = { 0 };

    must_run(close_with_latecomer, &l);
}

/* ---- what an op says of itself ------------------------------------------- */

struct order {
    gyre_op bad;
    gyre_op open;
    gyre_op_status seen;
    char path[PATH_MAX];
    int fd;
};

static void bad_done(gyre_op *op, gyre_result result)
{
    struct order *o = op->user;

    CHECK_LT(result.res, 0);
    o->seen = gyre_op_state(&o->open);
    /* In flight means that the kernel has read the path. */
    if (o->seen == GYRE_OP_IN_FLIGHT)
        memset(o->path, 'x', sizeof o->path - 1);
}

static void open_done(gyre_op *op, gyre_result result)
{
    struct order *o = op->user;

    o->fd = result.res;
}

KERNEL_TEST(an_op_is_in_flight_when_its_arguments_have_been_read)
{
    static struct order o;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    strcpy(o.path, "/dev/null");
    /* On an old Linux a request that is refused ends the batch. These are flags
     * that accept does not know. */
    gyre_op_accept(&o.bad, -1, NULL, NULL, -1);
    gyre_op_openat(&o.open, AT_FDCWD, o.path, O_RDONLY, 0);
    gyre_op_start(loop, &o.bad, bad_done, &o);
    gyre_op_start(loop, &o.open, open_done, &o);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK_GE(o.fd, 0);
    close(o.fd);
    gyre_loop_destroy(loop);
}

/* ---- flags that no loop can keep ----------------------------------------- */

static void keep_result(gyre_op *op, gyre_result result)
{
    *(int *)op->user = result.res;
}

KERNEL_TEST(links_without_a_chain_and_silent_requests_are_refused)
{
    /* IO_LINK, IO_HARDLINK, CQE_SKIP_SUCCESS */
    static const uint8_t flags[] = { 1 << 2, 1 << 3, 1 << 6 };
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    for (size_t i = 0; i < sizeof flags; i++) {
        gyre_op flagged, plain;
        int first = 1, second = 1;

        gyre_op_nop(&flagged);
        gyre_op_nop(&plain);
        ((uint8_t *)flagged.sqe_)[1] = flags[i];
        gyre_op_start(loop, &flagged, keep_result, &first);
        gyre_op_start(loop, &plain, keep_result, &second);
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
        CHECK_ERR(first, -EINVAL);
        CHECK_OK(second);
    }
    gyre_loop_destroy(loop);
}

/* ---- try ----------------------------------------------------------------- */

KERNEL_TEST(try_leaves_alone_what_it_is_not_for)
{
    gyre_loop *loop;
    gyre_op op;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    CHECK_GE(fd, 0);
    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_op_close(&op, fd);
    CHECK_ERR(gyre_op_try(loop, &op), -EAGAIN);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    gyre_op_nop(&op);
    CHECK_ERR(gyre_op_try(loop, &op), -EAGAIN);
    gyre_op_raw(&op, 250);
    CHECK_ERR(gyre_op_try(loop, &op), -EAGAIN);
    gyre_loop_destroy(loop);
    close(fd);
}

/* ---- arguments ----------------------------------------------------------- */

static int statx_all_bits(void *arg)
{
    char status[256] __attribute__((aligned(8)));

    (void)arg;
    CHECK_ERR(gyre_statx(AT_FDCWD, "/", 0, UINT_MAX, (void *)&status), -EINVAL);
    return 0;
}

KERNEL_TEST(statx_gets_the_mask_it_was_given)
{
    must_run(statx_all_bits, NULL);
}

static int big_read(void *arg)
{
    enum { PIECE = 4 << 20, PIECES = 768 };
    static char buffer[PIECE];
    static struct iovec iov[PIECES];
    int fd = memfd_create("sparse", MFD_CLOEXEC);

    (void)arg;
    CHECK_GE(fd, 0);
    /* Nothing but a hole, for which a file in memory takes no memory, and all
     * of it read to one place. */
    CHECK_OK(ftruncate(fd, (off_t)PIECE * PIECES));
    for (int i = 0; i < PIECES; i++)
        iov[i] = (struct iovec){ buffer, PIECE };
    CHECK_EQ(gyre_readv(fd, iov, PIECES, 0), 0x7ffff000);
    close(fd);
    return 0;
}

KERNEL_TEST2(a_read_of_more_than_2_GiB_is_short)
{
    must_run(big_read, NULL);
}

static int odd_result(void *arg)
{
    return *(int *)arg;
}

static int call_odd(void *arg)
{
    int value = -515;

    (void)arg;
    CHECK_EQ(gyre_call_blocking(odd_result, &value), -515);
    value = -4;
    CHECK_EQ(gyre_call_blocking(odd_result, &value), -4);
    return 0;
}

KERNEL_TEST2(a_call_s_result_is_what_the_function_returned)
{
    must_run(call_odd, NULL);
}

static int write_abc(void *arg)
{
    return write(*(int *)arg, "abc", 3) == 3 ? 0 : -errno;
}

static int recv_in_vain(int fd)
{
    gyre_scope_options soon = { 0 };
    gyre_scope scope;
    char byte;
    int result;

    soon.deadline_ns = gyre_loop_update_now(gyre_loop_current()) + GYRE_MS;
    gyre_scope_open(&scope, &soon);
    result = (int)gyre_recv(fd, &byte, 1, 0);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return result;
}

/* The first receive waits, the second takes all there is. */
static int recv_from_file(void *arg)
{
    char bytes[16];
    int pair[2];
    int file;

    (void)arg;
    pair_open(pair);
    CHECK_OK(gyre_call_blocking(write_abc, &pair[1]));
    CHECK_EQ(gyre_recv(pair[0], bytes, sizeof bytes, 0), 3);
    CHECK_ERR(recv_in_vain(pair[0]), -ETIME);
    CHECK_OK(gyre_call_blocking(write_abc, &pair[1]));
    CHECK_EQ(gyre_recv(pair[0], bytes, sizeof bytes, 0), 3);
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_GE(file, 0);
    CHECK_EQ(dup3(file, pair[0], O_CLOEXEC), pair[0]);
    CHECK_ERR(gyre_recv(pair[0], bytes, sizeof bytes, 0), -ENOTSOCK);
    close(file);
    pair_close(pair);
    return 0;
}

KERNEL_TEST2(a_receive_from_what_became_a_file_says_so)
{
    must_run(recv_from_file, NULL);
}

/* ---- fairness ------------------------------------------------------------ */

struct sender {
    int pair[2];
    int file;
    bool done;
    unsigned turns;
};

static int count_turns(void *arg)
{
    struct sender *s = arg;

    while (!s->done) {
        s->turns++;
        CHECK_OK(gyre_yield());
    }
    return 0;
}

static int send_slices(void *arg)
{
    struct sender *s = arg;
    uint64_t at = 0;

    for (int i = 0; i < 4; i++) {
        ssize_t n = gyre_sendfile(s->pair[0], s->file, at, 8 << 20);

        CHECK_GT(n, 0);
        at += (uint64_t)n;
    }
    s->done = true;
    return 0;
}

static int send_beside(gyre_scope *scope, void *arg)
{
    struct sender *s = arg;

    tcp_pair_open(s->pair);
    CHECK_OK(gyre_spawn(scope, send_slices, s));
    CHECK_OK(gyre_spawn(scope, count_turns, s));
    return 0;
}

static int run_sender(void *arg)
{
    struct sender *s = arg;

    CHECK_OK(gyre_scope_run(NULL, send_beside, s));
    CHECK_GE(s->turns, 3u);
    pair_close(s->pair);
    return 0;
}

KERNEL_TEST2(a_long_sendfile_lets_others_run)
{
    static struct sender s;

    s.file = open(file_make("long", 8 << 20), O_RDONLY | O_CLOEXEC);
    CHECK_GE(s.file, 0);
    must_run(run_sender, &s);
    close(s.file);
}

static int call_slowly(void *arg)
{
    struct timespec pause = { .tv_nsec = 2000000 };

    (void)arg;
    nanosleep(&pause, NULL);
    return 77;
}

static int await_call(void *arg)
{
    *(int *)arg = gyre_call_blocking(call_slowly, NULL);
    return 0;
}

static int yield_until_done(void *arg)
{
    int result = 0;

    (void)arg;
    CHECK_OK(gyre_spawn(gyre_scope_current(), await_call, &result));
    while (result == 0)
        CHECK_OK(gyre_yield());
    CHECK_EQ(result, 77);
    return 0;
}

KERNEL_TEST(J7_a_task_that_only_yields_keeps_no_result_from_the_others)
{
    must_run(yield_until_done, NULL);
}

/* ---- clocks -------------------------------------------------------------- */

static void fired(gyre_timer *timer, int status)
{
    CHECK_OK(status);
    *(bool *)timer->user = true;
}

KERNEL_TEST2(a_delay_counts_from_the_call_when_the_loop_does_not_turn)
{
    bool done = false;
    gyre_loop *loop;
    gyre_timer timer;
    uint64_t before;

    test_quiet();
    CHECK_OK(gyre_loop_create(&loop, NULL));
    (void)gyre_loop_now(loop);
    usleep(20000);
    gyre_timer_init(&timer, loop, fired, &done);
    before = gyre_loop_update_now(loop);
    usleep(20000);
    gyre_timer_start_after(&timer, 10 * GYRE_MS);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    CHECK(done);
    CHECK_GE(gyre_loop_update_now(loop) - before, 30 * GYRE_MS);
    gyre_loop_destroy(loop);
}

/* ---- other threads ------------------------------------------------------- */

struct poster {
    gyre_loop *loop;
    gyre_work work;
    bool ran;
};

static void let_go(gyre_work *work)
{
    struct poster *p =
        (struct poster *)((char *)work - offsetof(struct poster, work));

    p->ran = true;
    gyre_loop_release(p->loop);
}

static void *post_and_leave(void *arg)
{
    struct poster *p = arg;

    gyre_loop_post(p->loop, &p->work, let_go);
    return NULL;
}

static void *stop_and_leave(void *arg)
{
    gyre_loop_stop(((struct poster *)arg)->loop);
    return NULL;
}

KERNEL_TEST2(a_loop_may_be_destroyed_by_what_was_posted_last)
{
    for (int i = 0; i < 60; i++) {
        struct poster p = { 0 };
        pthread_t thread;

        CHECK_OK(gyre_loop_create(&p.loop, NULL));
        gyre_loop_hold(p.loop);
        CHECK_OK(pthread_create(&thread, NULL, post_and_leave, &p));
        while (!p.ran) {
            CHECK_OK(gyre_loop_run(p.loop, GYRE_RUN_NOWAIT));
            sched_yield();
        }
        gyre_loop_destroy(p.loop);
        pthread_join(thread, NULL);

        CHECK_OK(gyre_loop_create(&p.loop, NULL));
        CHECK_OK(pthread_create(&thread, NULL, stop_and_leave, &p));
        while (gyre_loop_run(p.loop, GYRE_RUN_NOWAIT) != 1)
            sched_yield();
        gyre_loop_destroy(p.loop);
        pthread_join(thread, NULL);
    }
}

/* ---- counts -------------------------------------------------------------- */

KERNEL_TEST(H6_a_bare_wake_counts_no_completion)
{
    gyre_loop_stats stats = { .size = sizeof stats };
    gyre_wake_counts wakes;
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    gyre_loop_hold(loop);
    CHECK_OK(gyre_loop_run(loop, GYRE_RUN_NOWAIT));
    /* The kernel's own way of waking writes a CQE on some, none on others. */
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        struct poster p = { .loop = loop };

        CHECK_OK(pthread_create(&thread, NULL, post_and_leave, &p));
        while (!p.ran)
            CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        gyre_loop_hold(loop); /* the work has released it */
        CHECK_OK(pthread_join(thread, NULL));
    }
    wakes = gyre_loop_take_wakes(loop);
    gyre_loop_get_stats(loop, &stats);
    CHECK_EQ(wakes.tasks, 3u);
    CHECK_EQ(wakes.completions, 0u);
    CHECK_EQ(stats.completions, 0u);
    gyre_loop_release(loop);
    gyre_loop_destroy(loop);
}
