/* SPDX-License-Identifier: MIT */
/*
 * test_futex.c - futexes, with all who may share one, on every kernel
 *
 * On the emulator each test that waits is also run as on a Linux without
 * futex_waitv(2).
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/abi.h"
#include "ring/feature.h"
#include "runner/patient.h"
#include "stage.h"

static void settle(gyre_loop *loop)
{
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
}

static void start_wait(gyre_loop *loop, struct call *call, const void *word,
                       uint32_t mask, unsigned flags)
{
    gyre_op_futex_wait(&call->op, word, 0, mask, flags);
    call_start(loop, call);
    stage_turn(loop);
}

static int wake(gyre_loop *loop, const void *word, uint32_t count,
                uint32_t mask, unsigned flags)
{
    struct call call;

    gyre_op_futex_wake(&call.op, word, count, mask, flags);
    return call_run(loop, &call);
}

/* As a plain thread does it. */
static int plain_wake(const void *word, int count)
{
    return (int)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL,
                        0);
}

static void end_wait(gyre_loop *loop, struct call *call)
{
    CHECK_OK(gyre_op_cancel(&call->op));
    CHECK_ERR(call_wait(loop, call), -ECANCELED);
}

static bool linux_has_vectors(void)
{
    return syscall(449 /* futex_waitv */, NULL, 0, 0, NULL, 0) < 0 &&
           errno == EINVAL;
}

/* On both kinds of emulation. */
static void both_ways(void (*body)(void))
{
    body();
    if (strcmp(test_kernel(), "emu") != 0)
        return;
    CHECK_EQ(ring_features_restrict("futex_vectors"), 0u);
    body();
}

static void one_wait(void)
{
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0;
    struct call call;

    start_wait(loop, &call, &word, GYRE_FUTEX_ANY, 0);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    CHECK_EQ(wake(loop, &word, 1, GYRE_FUTEX_ANY, 0), 1);
    CHECK_OK(call_wait(loop, &call));
    CHECK_EQ(wake(loop, &word, 1, GYRE_FUTEX_ANY, 0), 0);

    /* The value is another. */
    word = 5;
    gyre_op_futex_wait(&call.op, &word, 0, GYRE_FUTEX_ANY, 0);
    CHECK_ERR(call_run(loop, &call), -EAGAIN);
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D5_a_wait_is_woken)
{
    both_ways(one_wait);
}

/* What is in flight is queued: a plain wake, once, without a change of the
 * word, is heard. */
static void plain_wakes(void)
{
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0;
    struct call calls[3];

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 3; i++)
            start_wait(loop, &calls[i], &word, GYRE_FUTEX_ANY, 0);
        CHECK_EQ(plain_wake(&word, 1), 1);
        CHECK_OK(call_wait(loop, &calls[0])); /* first come, first served */
        CHECK_EQ(calls[1].calls + calls[2].calls, 0u);
        CHECK_EQ(plain_wake(&word, 10), 2);
        CHECK_OK(call_wait(loop, &calls[1]));
        CHECK_OK(call_wait(loop, &calls[2]));
        CHECK_EQ(plain_wake(&word, 10), 0);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D5_plain_threads_wake_as_many_as_wait)
{
    both_ways(plain_wakes);
}

static void masks(void)
{
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0;
    struct call first, second, third;

    start_wait(loop, &first, &word, 1, 0);
    start_wait(loop, &second, &word, 2, 0);
    start_wait(loop, &third, &word, GYRE_FUTEX_ANY, 0);
    CHECK_EQ(wake(loop, &word, 10, 4, 0), 1);
    CHECK_OK(call_wait(loop, &third));
    CHECK_EQ(wake(loop, &word, 10, 2, 0), 1);
    CHECK_OK(call_wait(loop, &second));
    CHECK_EQ(first.calls, 0u);
    CHECK_EQ(wake(loop, &word, 10, 1, 0), 1);
    CHECK_OK(call_wait(loop, &first));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D5_masks_choose_who_is_woken)
{
    both_ways(masks);
}

KERNEL_TEST(D5_bad_futexes_say_why)
{
    static const char bytes[16];
    const char *crooked = bytes + 1 + (-(uintptr_t)bytes & 3);
    const void *nowhere = (const void *)(uintptr_t)4096;
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0;
    struct call call;
    gyre_futex words[129];

    gyre_op_futex_wait(&call.op, &word, 0, 0, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_futex_wait(&call.op, crooked, 0, GYRE_FUTEX_ANY, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    if (!test_on_valgrind()) { /* it takes the bad pointers for our bug */
        gyre_op_futex_wait(&call.op, nowhere, 0, GYRE_FUTEX_ANY, 0);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
        gyre_op_futex_wait(&call.op, nowhere, 0, 1, GYRE_FUTEX_SHARED);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
    }
    gyre_op_futex_wait(&call.op, &word, 0, GYRE_FUTEX_ANY, 0);
    gyre_op_sqe(&call.op)->fd = 128; /* a word of 8 bits */
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_futex_wait(&call.op, &word, 0, GYRE_FUTEX_ANY, 0);
    gyre_op_sqe(&call.op)->off = UINT64_C(1) << 32;
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_futex_wait(&call.op, &word, 0, GYRE_FUTEX_ANY, 0);
    gyre_op_sqe(&call.op)->len = 1;
    CHECK_ERR(call_run(loop, &call), -EINVAL);

    CHECK_ERR(wake(loop, &word, 1, 0, 0), -EINVAL);
    CHECK_ERR(wake(loop, crooked, 1, GYRE_FUTEX_ANY, 0), -EINVAL);
    CHECK_ERR(wake(loop, crooked, 0, GYRE_FUTEX_ANY, 0), -EINVAL);
    for (unsigned count = 0; count < 2 && !test_on_valgrind(); count++)
        CHECK_ERR(wake(loop, nowhere, count, GYRE_FUTEX_ANY, GYRE_FUTEX_SHARED),
                  -EFAULT);

    memset(words, 0, sizeof words);
    gyre_op_futex_waitv(&call.op, words, 0);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_futex_waitv(&call.op, words, 129);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    gyre_op_futex_waitv(&call.op, words, 1); /* words of 8 bits */
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    words[0] = gyre_futex_make(&word, 0, 0);
    words[0].zero = 1;
    gyre_op_futex_waitv(&call.op, words, 1);
    CHECK_ERR(call_run(loop, &call), -EINVAL);
    if (!test_on_valgrind()) {
        gyre_op_futex_waitv(&call.op, nowhere, 1);
        CHECK_ERR(call_run(loop, &call), -EFAULT);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D5_a_wake_of_none_wakes_none)
{
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0;
    struct call call;

    start_wait(loop, &call, &word, GYRE_FUTEX_ANY, 0);
    CHECK_EQ(wake(loop, &word, 0, GYRE_FUTEX_ANY, 0), 0);
    settle(loop);
    CHECK_EQ(call.calls, 0u);
    CHECK_EQ(wake(loop, &word, INT32_MAX, GYRE_FUTEX_ANY, 0), 1);
    CHECK_OK(call_wait(loop, &call));
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D5_a_wait_on_many_words_tells_which)
{
    enum { WORDS = GYRE_FUTEX_WORDS_MAX };
    static uint32_t words[WORDS];
    gyre_loop *loop = stage_open(8);
    gyre_futex futexes[WORDS];
    struct call call;

    for (unsigned i = 0; i < WORDS; i++)
        futexes[i] = gyre_futex_make(&words[i], 0, 0);
    for (int i = 0; i < WORDS; i += 25) {
        gyre_futex copy[WORDS];

        memcpy(copy, futexes, sizeof copy);
        gyre_op_futex_waitv(&call.op, copy, WORDS);
        call_start(loop, &call);
        stage_turn(loop);
        memset(copy, 0xDD, sizeof copy); /* held until submission */
        if (call.lasts != 0 && call.result.res == -EOPNOTSUPP)
            TEST_SKIP("futex_waitv is unknown to this valgrind or Linux");
        CHECK_EQ(plain_wake(&words[i], 1), 1);
        CHECK_EQ(call_wait(loop, &call), i);
    }
    words[WORDS - 1] = 1;
    gyre_op_futex_waitv(&call.op, futexes, WORDS);
    CHECK_ERR(call_run(loop, &call), -EAGAIN);
    words[WORDS - 1] = 0;
    gyre_op_futex_waitv(&call.op, futexes, WORDS);
    call_start(loop, &call);
    settle(loop);
    end_wait(loop, &call);
    gyre_loop_destroy(loop);
}

/* One task of the same loop wakes another's word of several at the moment at
 * which it is cancelled: either it is told, or the wake went to nobody. */
static void wakes_and_cancels(void)
{
    enum { ROUNDS = 300 };
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0;
    struct call call;
    int told = 0, cancelled = 0;

    for (int i = 0; i < ROUNDS; i++) {
        int woken;

        start_wait(loop, &call, &word, GYRE_FUTEX_ANY, 0);
        CHECK_OK(gyre_op_cancel(&call.op));
        if (i % 2 == 0) {
            woken = plain_wake(&word, 1);
            (void)call_wait(loop, &call);
        } else {
            stage_turn(loop);
            woken = plain_wake(&word, 1);
            (void)call_wait(loop, &call);
        }
        if (woken == 1 && call.result.res == 0)
            told++;
        else if (woken == 0 && call.result.res == -ECANCELED)
            cancelled++;
        else
            FAIL("woken %d, told %d", woken, call.result.res);
    }
    CHECK_EQ(told + cancelled, ROUNDS);
    CHECK_GT(told, 0);
    CHECK_GT(cancelled, 0);
    gyre_loop_destroy(loop);
}

/* Without vectors a wake may go along with the cancel, which wakes all. */
KERNEL_TEST(D5_no_wake_is_lost_to_a_cancel)
{
    if (!linux_has_vectors())
        TEST_SKIP("this Linux, or valgrind, has no futex_waitv");
    wakes_and_cancels();
}

static void cancels(void)
{
    gyre_loop *loop = stage_open(8);
    uint32_t word = 0, other = 0;
    struct call first, second;

    start_wait(loop, &first, &word, GYRE_FUTEX_ANY, 0);
    start_wait(loop, &second, &other, 6, 0);
    end_wait(loop, &first);
    end_wait(loop, &second);
    /* The loop's end does the same. */
    start_wait(loop, &first, &word, GYRE_FUTEX_ANY, 0);
    start_wait(loop, &second, &other, 1, 0);
    gyre_loop_destroy(loop);
    CHECK_EQ(first.lasts + second.lasts, 2u);
    CHECK_EQ(plain_wake(&word, 10), 0);
    CHECK_EQ(plain_wake(&other, 10), 0);
}

KERNEL_TEST(D5_waits_are_cancelled_and_end_with_their_loop)
{
    both_ways(cancels);
}

KERNEL_TEST(D5_a_thousand_waits_end_with_their_loop)
{
    enum { WAITS = 1000 };
    static struct call calls[WAITS];
    int count = WAITS / (int)test_scale();
    gyre_loop *loop = stage_open(64);
    uint32_t word = 0;

    for (int i = 0; i < count; i++) {
        gyre_op_futex_wait(&calls[i].op, &word, 0, GYRE_FUTEX_ANY, 0);
        call_start(loop, &calls[i]);
        if (i % 64 == 63) /* a turn takes as many as the ring has entries */
            settle(loop);
    }
    settle(loop);
    CHECK_EQ(plain_wake(&word, count / 2), count / 2);
    for (int i = 0; i < count / 2 && !linux_has_vectors(); i++)
        (void)call_wait(loop,
                        &calls[i]); /* else the end takes the wake along */
    gyre_loop_destroy(loop);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(calls[i].lasts, 1u);
        CHECK_EQ(calls[i].result.res, i < count / 2 ? 0 : -ECANCELED);
    }
}

/* ---- other processes ----------------------------------------------------- */

static void shared_by_processes(void)
{
    uint32_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    gyre_loop *loop;
    struct call call;
    pid_t child;
    int status;

    CHECK(words != MAP_FAILED);
    child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        /* Wait for the word, then wake until somebody hears. */
        while (atomic_load((_Atomic uint32_t *)&words[1]) == 0)
            syscall(SYS_futex, &words[1], FUTEX_WAIT, 0, NULL, NULL, 0);
        while (syscall(SYS_futex, &words[0], FUTEX_WAKE, 1, NULL, NULL, 0) != 1)
            ;
        _exit(0);
    }
    loop = stage_open(8);
    gyre_op_futex_wait(&call.op, &words[0], 0, GYRE_FUTEX_ANY,
                       GYRE_FUTEX_SHARED);
    call_start(loop, &call);
    stage_turn(loop);
    /* A private wake is about another word. */
    CHECK_EQ(plain_wake(&words[0], 1), 0);
    atomic_store((_Atomic uint32_t *)&words[1], 1);
    CHECK_GE(wake(loop, &words[1], 1, GYRE_FUTEX_ANY, GYRE_FUTEX_SHARED), 0);
    CHECK_OK(call_wait(loop, &call));
    CHECK_EQ(patient_waitpid(child, &status), child);
    CHECK_EQ(status, 0);
    gyre_loop_destroy(loop);
    CHECK_OK(munmap(words, 4096));
}

KERNEL_TEST(D5_a_word_is_shared_with_another_process)
{
    both_ways(shared_by_processes);
}

/* ---- many wakes ---------------------------------------------------------- */

/* A semaphore: each post is one more in the word and one wake; as many takes
 * as posts must come through, with two loops and two plain threads. */
struct semaphore {
    _Atomic uint32_t count;
    uint32_t total;
    _Atomic uint32_t taken;
};

static bool semaphore_try(struct semaphore *s)
{
    uint32_t count = atomic_load(&s->count);

    while (count > 0)
        if (atomic_compare_exchange_weak(&s->count, &count, count - 1)) {
            atomic_fetch_add(&s->taken, 1);
            return true;
        }
    return false;
}

static void *post_all(void *arg)
{
    struct semaphore *s = arg;

    for (uint32_t i = 0; i < s->total; i++) {
        atomic_fetch_add(&s->count, 1);
        plain_wake(&s->count, 1);
    }
    return NULL;
}

static int take_share(void *arg)
{
    struct semaphore *s = arg;

    for (uint32_t i = 0; i < s->total; i++)
        while (!semaphore_try(s)) {
            int error = gyre_futex_wait(&s->count, 0, GYRE_FUTEX_ANY, 0);

            CHECK(error == 0 || error == -EAGAIN);
        }
    return 0;
}

static void *take_plainly(void *arg)
{
    struct semaphore *s = arg;

    for (uint32_t i = 0; i < s->total; i++)
        while (!semaphore_try(s))
            syscall(SYS_futex, &s->count, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

static void *run_taker(void *arg)
{
    CHECK_OK(gyre_run(NULL, take_share, arg));
    return NULL;
}

static void storm(uint32_t rounds)
{
    struct semaphore s = { .total = rounds };
    void *(*const bodies[])(void *) = { post_all,  post_all,  post_all,
                                        run_taker, run_taker, take_plainly };
    pthread_t threads[6];

    for (int i = 0; i < 6; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, bodies[i], &s), 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(atomic_load(&s.taken), 3 * rounds);
    CHECK_EQ(atomic_load(&s.count), 0u);
}

TEST_WITH(D5_no_wake_is_lost_in_a_hundred_thousand,
          .kernels = TEST_EVERY_KERNEL, .timeout_s = 120)
{
    storm(100000 / 3 / (test_scale() > 1 ? 20u : 1u));
}

/* The word never changes, so that nothing but the wake itself ends a wait:
 * each wake that was heard by one ends one. */
static void counted(void)
{
    enum { WAITS = 16 };
    uint32_t rounds = 2000 / test_scale();
    gyre_loop *loop = stage_open(32);
    static struct call calls[WAITS];
    uint32_t word = 0;
    unsigned ended = 0, woken = 0;

    for (int i = 0; i < WAITS; i++) {
        calls[i].lasts = 0;
        start_wait(loop, &calls[i], &word, GYRE_FUTEX_ANY, 0);
    }
    for (uint32_t round = 0; round < rounds; round++) {
        woken += (unsigned)plain_wake(&word, 1 + (int)(round % 5));
        while (ended < woken) {
            unsigned before = ended;

            for (int i = 0; i < WAITS; i++)
                if (calls[i].lasts == 1) {
                    CHECK_OK(calls[i].result.res);
                    ended++;
                    start_wait(loop, &calls[i], &word, GYRE_FUTEX_ANY, 0);
                }
            if (ended == before)
                CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
        }
        CHECK_EQ(ended, woken);
    }
    gyre_loop_destroy(loop);
}

KERNEL_TEST(D5_each_wake_ends_one_wait)
{
    both_ways(counted);
}
