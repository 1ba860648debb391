/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of gyre/select.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "awaits/stage.h"
#include "io/world.h"
#include "runner/patient.h"

/* ---- select: in the second way an accepted connection wins --------------- */

static struct sockaddr_in address;

enum { ON_CHANNEL, ON_ACCEPT, ON_OP, ON_TIMER, ON_EVENT, ON_TASK, CASES };

/* fds[0] receives nothing, fds[2] listens; a channel, and an event. */
static void select_up(struct scene *scene)
{
    gyre_channel_options options = { .capacity = 1 };

    pair_open(scene->fds);
    scene->fds[2] = listen_open(&address, 4);
    CHECK_OK(gyre_channel_create(&scene->channel, sizeof(unsigned), &options));
    gyre_event_init(&scene->sync.event, 0);
}

/* What was sent was received, or is still there. */
static void select_down(struct scene *scene)
{
    size_t left = scene->way != 1 && scene->count == 0 ? 1 : 0;

    CHECK_EQ(gyre_channel_length(scene->channel), left);
    gyre_channel_destroy(scene->channel);
    gyre_event_destroy(&scene->sync.event);
}

/* In the third way both come at once: what was accepted as well is closed. */
static void select_help(struct scene *scene)
{
    const unsigned seven = 7;

    linger(scene);
    if (scene->way > 0) {
        scene->fds[3] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(scene->fds[3] >= 0);
        CHECK_OK(patient_connect(scene->fds[3], (struct sockaddr *)&address,
                                 sizeof address));
    }
    if (scene->way != 1)
        CHECK_OK(gyre_channel_try_send(scene->channel, &seven));
}

static int linger_main(void *arg)
{
    struct scene *scene = arg;

    linger_until_done(scene);
    return 0;
}

/* Whoever did not win has taken nothing. */
static void check_losers(const gyre_case *cases, int winner)
{
    for (int i = 0; i < CASES; i++)
        if (i != winner)
            CHECK_ERR(cases[i].result,
                      i == ON_ACCEPT || i == ON_OP ? -ECANCELED : -EAGAIN);
}

static int wait_select(struct scene *scene)
{
    gyre_case cases[CASES];
    gyre_op accept_op, recv_op;
    int index = spawn_more(scene, &scene->scope, linger_main, &scene->task);

    if (index < 0)
        return index;
    gyre_op_accept(&accept_op, scene->fds[2], NULL, NULL, SOCK_CLOEXEC);
    gyre_op_recv(&recv_op, scene->fds[0], scene->bytes, 8, 0);
    cases[ON_CHANNEL] = gyre_on_recv(scene->channel, &scene->count);
    cases[ON_ACCEPT] = gyre_on_op(&accept_op);
    cases[ON_OP] = gyre_on_op(&recv_op);
    cases[ON_TIMER] = gyre_on_timer(GYRE_NEVER);
    cases[ON_EVENT] = gyre_on_event(&scene->sync.event, NULL);
    cases[ON_TASK] = gyre_on_task(scene->task, NULL);
    index = AWAIT(scene, gyre_select(cases, CASES));
    check_losers(cases, index);
    if (index == ON_ACCEPT) {
        CHECK_GE(cases[ON_ACCEPT].result, 0);
        CHECK_OK(close(cases[ON_ACCEPT].result));
    }
    CHECK_EQ(scene->count, index == ON_CHANNEL ? 7u : 0u);
    /* An op that was quicker than its cancel wins. */
    return scene->way == 2 && index == ON_ACCEPT ? ON_CHANNEL : index;
}

SCENARIO(gyre_select) = { .wait = wait_select,
                          .help = select_help,
                          .set_up = select_up,
                          .tear_down = select_down,
                          .ways = 3,
                          .result = { ON_CHANNEL, ON_ACCEPT, ON_CHANNEL } };

/* ---- several functions --------------------------------------------------- */

static void pair_up(struct scene *scene)
{
    pair_open(scene->fds);
}

static void send_byte(struct scene *scene)
{
    linger(scene);
    CHECK_EQ(write(scene->fds[1], "x", 1), 1);
}

static int receive(void *arg)
{
    struct scene *scene = arg;

    return (int)gyre_recv(scene->fds[0], scene->bytes, 8, 0);
}

static int yield(void *arg)
{
    (void)arg;
    return gyre_yield();
}

static int sleep_long(void *arg)
{
    (void)arg;
    return gyre_sleep(1000 * GYRE_SECOND);
}

enum { NO_RESULT = 12345 };

/* Each branch has its result, whatever became of the call. */
static int with_results(const gyre_branch *branches, int result)
{
    for (int i = 0; i < 2; i++)
        CHECK_NE(branches[i].result, NO_RESULT);
    return result;
}

static int wait_all(struct scene *scene)
{
    gyre_branch branches[] = {
        { receive, scene, "receive", NO_RESULT },
        { yield, scene, NULL, NO_RESULT },
    };

    return with_results(branches, AWAIT(scene, gyre_all(branches, 2)));
}

SCENARIO(gyre_all) = { .wait = wait_all, .help = send_byte, .set_up = pair_up };

static int wait_all_settled(struct scene *scene)
{
    gyre_branch branches[] = {
        { receive, scene, "receive", NO_RESULT },
        { yield, scene, NULL, NO_RESULT },
    };

    return with_results(branches, AWAIT(scene, gyre_all_settled(branches, 2)));
}

SCENARIO(gyre_all_settled) = { .wait = wait_all_settled,
                               .help = send_byte,
                               .set_up = pair_up };

static int wait_race(struct scene *scene)
{
    gyre_branch branches[] = {
        { sleep_long, scene, "sleep", NO_RESULT },
        { receive, scene, "receive", NO_RESULT },
    };

    return with_results(branches, AWAIT(scene, gyre_race(branches, 2)));
}

SCENARIO(gyre_race) = {
    .wait = wait_race, .help = send_byte, .set_up = pair_up, .result = { 1 }
};
