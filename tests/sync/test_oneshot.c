/* SPDX-License-Identifier: MIT */
/*
 * One value, from one to one: whoever comes first, whoever gives up first.
 */
#include <sched.h>

#include "sync/lab.h"

struct party {
    gyre_oneshot oneshot;
    void *value;
    int result;
    int watched; /* what gyre_oneshot_wait_closed() returned */
    unsigned late[3];
    int sent;
    bool disposed;
    bool gives_up;
};

static int receiver(void *arg)
{
    struct party *party = arg;

    party->result = gyre_oneshot_recv(&party->oneshot, &party->value);
    return 0;
}

static int watcher(void *arg)
{
    struct party *party = arg;

    party->watched = gyre_oneshot_wait_closed(&party->oneshot);
    return 0;
}

static void party_init(struct party *party, unsigned flags)
{
    memset(party, 0, sizeof *party);
    gyre_oneshot_init(&party->oneshot, flags);
    party->result = party->watched = 1;
}

static int value_goes_over(void *arg)
{
    unsigned flags = *(unsigned *)arg;
    gyre_scope scope;
    struct party party;

    party_init(&party, flags); /* the receiver waits */
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, receiver, &party);
    must_spawn(&scope, watcher, &party);
    let_others_run();
    CHECK_EQ(party.result, 1);
    CHECK_OK(gyre_oneshot_send(&party.oneshot, &scope));
    let_others_run();
    CHECK_OK(party.result);
    CHECK(party.value == &scope);
    CHECK_OK(party.watched);
    CHECK_OK(gyre_oneshot_wait_closed(&party.oneshot));
    gyre_oneshot_close_send(&party.oneshot); /* it is over already */
    CHECK(!gyre_oneshot_close_recv(&party.oneshot, &party.value));
    gyre_oneshot_destroy(&party.oneshot);

    party_init(&party, flags); /* the value waits */
    CHECK_ERR(gyre_oneshot_try_recv(&party.oneshot, &party.value), -EAGAIN);
    CHECK_OK(gyre_oneshot_send(&party.oneshot, &party));
    must_spawn(&scope, watcher, &party);
    let_others_run();
    CHECK_EQ(party.watched, 1); /* sent is not received */
    CHECK_OK(gyre_oneshot_recv(&party.oneshot, &party.value));
    CHECK(party.value == &party);
    let_others_run();
    CHECK_OK(party.watched);
    gyre_oneshot_destroy(&party.oneshot);
    return gyre_scope_close(&scope);
}

TEST(M2_the_value_goes_over_whoever_comes_first)
{
    unsigned flags = 0;

    must_run(value_goes_over, &flags);
}

TEST(M2_M11_a_local_one_does_the_same)
{
    unsigned flags = GYRE_LOCAL;

    must_run(value_goes_over, &flags);
}

static int giving_up(void *arg)
{
    gyre_scope scope;
    struct party party;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    party_init(&party, 0);
    must_spawn(&scope, receiver, &party);
    let_others_run();
    gyre_oneshot_close_send(&party.oneshot);
    let_others_run();
    CHECK_ERR(party.result, GYRE_EOF);
    CHECK_ERR(gyre_oneshot_try_recv(&party.oneshot, &party.value), GYRE_EOF);

    party_init(&party, 0);
    gyre_oneshot_close_send(&party.oneshot);
    CHECK_ERR(gyre_oneshot_recv(&party.oneshot, &party.value), GYRE_EOF);

    party_init(&party, 0);
    must_spawn(&scope, watcher, &party);
    let_others_run();
    CHECK(!gyre_oneshot_close_recv(&party.oneshot, &party.value));
    let_others_run();
    CHECK_OK(party.watched);
    CHECK_ERR(gyre_oneshot_send(&party.oneshot, &party), -EPIPE);
    gyre_oneshot_close_send(&party.oneshot);

    party_init(&party, 0);
    CHECK_OK(gyre_oneshot_send(&party.oneshot, &scope));
    CHECK(gyre_oneshot_close_recv(&party.oneshot, &party.value));
    CHECK(party.value == &scope); /* for the receiver to dispose of */
    CHECK(!gyre_oneshot_close_recv(&party.oneshot, &party.value));
    gyre_oneshot_destroy(&party.oneshot);
    return gyre_scope_close(&scope);
}

TEST(M2_either_side_can_give_up_and_the_other_is_told)
{
    must_run(giving_up, NULL);
}

static int tried_again(void *arg)
{
    uint64_t now = gyre_loop_update_now(gyre_loop_current());
    gyre_scope scope;
    struct party party;

    (void)arg;
    party_init(&party, 0);
    CHECK_ERR(gyre_oneshot_recv_until(&party.oneshot, &party.value, now),
              -ETIMEDOUT);
    CHECK_ERR(
        gyre_oneshot_recv_until(&party.oneshot, &party.value, now + GYRE_MS),
        -ETIMEDOUT);
    CHECK_GE(gyre_loop_update_now(gyre_loop_current()), now + GYRE_MS);
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, receiver, &party);
    must_spawn(&scope, watcher, &party);
    let_others_run();
    gyre_scope_cancel(&scope);
    /* Cancelled, but it has not run yet: the value is not for it. */
    CHECK_OK(gyre_oneshot_send(&party.oneshot, &scope));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(party.result, -ECANCELED);
    CHECK_ERR(party.watched, -ECANCELED);
    CHECK(party.value == NULL);
    CHECK_OK(gyre_oneshot_recv_until(&party.oneshot, &party.value, now));
    CHECK(party.value == &scope);
    gyre_oneshot_destroy(&party.oneshot);
    return 0;
}

TEST(M2_M12_R8_a_receive_that_was_cut_can_be_tried_again)
{
    must_run(tried_again, NULL);
}

/* ---- every order of steps ------------------------------------------------ */

static void be_late(unsigned steps)
{
    while (steps-- > 0)
        CHECK_OK(gyre_yield());
}

static int late_sender(void *arg)
{
    struct party *party = arg;

    be_late(party->late[0]);
    party->sent = gyre_oneshot_send(&party->oneshot, party);
    return 0;
}

static int late_receiver(void *arg)
{
    struct party *party = arg;

    be_late(party->late[1]);
    party->result = gyre_oneshot_try_recv(&party->oneshot, &party->value);
    if (party->result == 0)
        return 0;
    CHECK_ERR(party->result, -EAGAIN);
    be_late(party->late[2]);
    if (party->gives_up)
        party->disposed =
            gyre_oneshot_close_recv(&party->oneshot, &party->value);
    else
        party->result = gyre_oneshot_recv(&party->oneshot, &party->value);
    return 0;
}

TEST(M2_in_every_order_of_steps_the_value_is_in_one_place)
{
    gyre_loop *loop;

    CHECK_OK(gyre_loop_create(&loop, NULL));
    for (unsigned n = 0; n < 4 * 4 * 4 * 2; n++) {
        struct party party;

        party_init(&party, 0);
        party.late[0] = n % 4;
        party.late[1] = n / 4 % 4;
        party.late[2] = n / 16 % 4;
        party.gives_up = n / 64 != 0;
        must_spawn(gyre_loop_scope(loop), late_sender, &party);
        must_spawn(gyre_loop_scope(loop), late_receiver, &party);
        while (gyre_loop_run_one_ready(loop))
            ;
        if (party.sent == 0) {
            CHECK(party.value == &party);
            CHECK(party.result == 0 || party.disposed);
        } else {
            CHECK_ERR(party.sent, -EPIPE);
            CHECK(!party.disposed && party.value == NULL);
        }
        gyre_oneshot_destroy(&party.oneshot);
    }
    gyre_loop_destroy(loop);
}

/* ---- threads ------------------------------------------------------------- */

/* In the receiver's frame, which is gone as soon as it has the value. */
static void *thread_sender(void *arg)
{
    gyre_channel *targets = arg;
    gyre_oneshot *oneshot;

    while (gyre_channel_recv(targets, &oneshot) == 0) {
        int err = gyre_oneshot_send(oneshot, targets);

        CHECK(err == 0);
    }
    return NULL;
}

static unsigned asked_for(gyre_channel *targets, unsigned n)
{
    gyre_oneshot oneshot = GYRE_ONESHOT_INIT;
    gyre_oneshot *address = &oneshot;
    void *value = NULL;

    CHECK_OK(gyre_channel_send(targets, &address));
    if (n % 3 == 0)
        while (gyre_oneshot_try_recv(&oneshot, &value) == -EAGAIN)
            sched_yield();
    else
        CHECK_OK(gyre_oneshot_recv(&oneshot, &value));
    CHECK(value == targets);
    gyre_oneshot_destroy(&oneshot);
    memset(&oneshot, 0xA5, sizeof oneshot);
    return 1;
}

static void *thread_asker(void *arg)
{
    for (unsigned n = 0; n < 4000 / test_scale(); n++)
        asked_for(arg, n);
    return NULL;
}

static int task_asker(void *arg)
{
    for (unsigned n = 0; n < 4000 / test_scale(); n++)
        asked_for(arg, n);
    return 0;
}

TEST(M2_M9_answers_cross_threads_into_frames_that_vanish)
{
    gyre_channel *targets = make_channel(sizeof(gyre_oneshot *), 4, 0);
    pthread_t senders[2], asker;

    thread_start(&senders[0], thread_sender, targets);
    thread_start(&senders[1], thread_sender, targets);
    thread_start(&asker, thread_asker, targets);
    must_run(task_asker, targets);
    thread_join(asker);
    CHECK_OK(gyre_channel_close(targets));
    thread_join(senders[0]);
    thread_join(senders[1]);
    gyre_channel_destroy(targets);
}

/* ---- misuse -------------------------------------------------------------- */

TEST_PANICS(M2_sending_twice_panics, "sender has sent or closed before")
{
    gyre_oneshot oneshot = GYRE_ONESHOT_INIT;

    (void)!gyre_oneshot_send(&oneshot, NULL);
    (void)!gyre_oneshot_send(&oneshot, NULL);
}

TEST_PANICS(M2_receiving_twice_panics, "receiver has received or closed before")
{
    gyre_oneshot oneshot = GYRE_ONESHOT_INIT;
    void *value;

    (void)!gyre_oneshot_send(&oneshot, NULL);
    (void)!gyre_oneshot_recv(&oneshot, &value);
    (void)!gyre_oneshot_recv(&oneshot, &value);
}

static int second_receiver(void *arg)
{
    struct party party;

    (void)arg;
    party_init(&party, 0);
    must_spawn(gyre_scope_current(), receiver, &party);
    let_others_run();
    (void)!gyre_oneshot_try_recv(&party.oneshot, &party.value);
    return 0;
}

TEST_PANICS(M2_a_second_receiver_panics, "has one receiver, and it waits")
{
    must_run(second_receiver, NULL);
}

static int destroyed_early(void *arg)
{
    struct party party;

    (void)arg;
    party_init(&party, 0);
    must_spawn(gyre_scope_current(), receiver, &party);
    let_others_run();
    gyre_oneshot_destroy(&party.oneshot);
    return 0;
}

TEST_PANICS(M2_destroying_under_the_receiver_panics,
            "a oneshot is destroyed while somebody waits for it")
{
    must_run(destroyed_early, NULL);
}
