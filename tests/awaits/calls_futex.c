/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/futex.h and gyre/message.h.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "awaits/stage.h"

/* The word is scene->count. A wake that was lost would be one more. */
static void word_up(struct scene *scene)
{
    scene->count = 0;
}

static void wake_word(struct scene *scene)
{
    linger(scene);
    (void)syscall(SYS_futex, &scene->count, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
                  0);
    __atomic_store_n(&scene->count, 1, __ATOMIC_SEQ_CST);
    (void)syscall(SYS_futex, &scene->count, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
                  0);
}

/* Woken, or too late to wait. */
static int over(int result)
{
    return result == -EAGAIN ? 0 : result;
}

static int wait_futex_wait(struct scene *scene)
{
    return over(
        AWAIT(scene, gyre_futex_wait(&scene->count, 0,
                                     scene->way == 0 ? GYRE_FUTEX_ANY : 2, 0)));
}

SCENARIO(gyre_futex_wait) = {
    .wait = wait_futex_wait, .help = wake_word, .set_up = word_up, .ways = 2
};

static int wait_futex_waitv(struct scene *scene)
{
    static const uint32_t never;
    gyre_futex futexes[2] = { gyre_futex_make(&never, 0, 0),
                              gyre_futex_make(&scene->count, 0, 0) };
    int result = AWAIT(scene, gyre_futex_waitv(futexes, 2));

    if (result == -EOPNOTSUPP)
        TEST_SKIP("futex_waitv is unknown to this valgrind or Linux");
    return result == -EAGAIN ? 1 : result;
}

SCENARIO(gyre_futex_waitv) = { .wait = wait_futex_waitv,
                               .help = wake_word,
                               .set_up = word_up,
                               .result = { 1 } };

static int wait_futex_wake(struct scene *scene)
{
    return AWAIT(scene, gyre_futex_wake(&scene->count, 1, GYRE_FUTEX_ANY, 0));
}

SCENARIO(gyre_futex_wake) = { .wait = wait_futex_wake, .set_up = word_up };

/* ---- messages ------------------------------------------------------------ */

static gyre_receiver receiver;

static void got_message(gyre_receiver *at, int32_t value)
{
    (void)at;
    (void)value;
}

static int wait_message_send(struct scene *scene)
{
    int result = gyre_receiver_open(&receiver, scene->loop, got_message, NULL);

    CHECK_OK(result);
    result =
        AWAIT(scene, gyre_message_send(gyre_receiver_address(&receiver), 1));
    gyre_receiver_close(&receiver);
    return result;
}

SCENARIO(gyre_message_send) = { .wait = wait_message_send };
