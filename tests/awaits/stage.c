/* SPDX-License-Identifier: MIT */
/*
 * stage.c - see stage.h
 *
 * The loop's limits are one piece of ready work and one completion a turn, so a
 * turn is as small a step as can be. Of three steps the first resumes a task
 * and does nothing else, so that a strike meets ops that have not been
 * submitted; the second submits, so that it meets ops that are done and the
 * loop does not know; the third turns the loop, and sleeps only if the turn
 * before brought nothing.
 */
#include "awaits/stage.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/world.h"
#include "loop/loop.h"
#include "task/task.h"

/* More steps than any scenario has: one that comes so far is stuck. */
#define STEPS_MAX 2000U
#define NEVER UINT_MAX /* for a strike */

static const char *const strike_names[STRIKES] = {
    "the scope was cancelled",
    "the task was cancelled",
    "the deadline passed",
    "the deadline's timer ran",
    "a shield's outer scope was cancelled",
    "the loop was destroyed",
};

/* What is being tried, for messages. */
static const char *call_name;
static unsigned pass_number;

static _Noreturn void complain(const struct scene *scene, const char *what)
{
    FAIL("%s, way %u, step %d, when %s: %s; it returned %d", call_name,
         scene->way, (int)pass_number, strike_names[scene->strike], what,
         scene->result);
}

#define REQUIRE(scene, condition)                                              \
    ((condition) ? (void)0 : complain((scene), #condition))

/* ---- the program --------------------------------------------------------- */

uint64_t stage_delay(void)
{
    return 400 * GYRE_US * test_scale();
}

void linger(struct scene *scene)
{
    (void)scene;
    for (int i = 0; i < 3; i++)
        (void)gyre_yield();
}

void linger_until_done(struct scene *scene)
{
    gyre_scope shield;

    gyre_scope_open(&shield, &(gyre_scope_options){
                                 .shield = true,
                                 .deadline_ns = GYRE_NEVER,
                             });
    while (!scene->done)
        (void)gyre_sleep(stage_delay() / 4);
    CHECK_OK(gyre_scope_close(&shield));
}

uint64_t own_deadline(const struct scene *scene)
{
    uint64_t now = gyre_loop_update_now(scene->loop);

    return now + (scene->way == 0 ? 1000 * GYRE_SECOND : stage_delay());
}

int spawn_more(struct scene *scene, gyre_scope *scope, int (*fn)(void *arg),
               gyre_task **task)
{
    int err = task != NULL ? gyre_spawn_with(scope, NULL, fn, scene, task)
                           : gyre_spawn(scope, fn, scene);

    if (err != 0)
        REQUIRE(scene, err == -ECANCELED && scene->strike == STRIKE_DESTROY &&
                           scene->struck);
    scene->refused = err != 0;
    return err;
}

static int wait_main(void *arg)
{
    struct scene *scene = arg;
    gyre_scope shield;
    int result;

    if (scene->strike == STRIKE_SHIELD) {
        gyre_scope_open(&shield, &(gyre_scope_options){
                                     .shield = true,
                                     .deadline_ns = GYRE_NEVER,
                                 });
        result = scene->scenario->wait(scene);
        CHECK_OK(gyre_scope_close(&shield));
    } else {
        result = scene->scenario->wait(scene);
    }
    scene->result = result;
    scene->done = true;
    CHECK_EQ(write(scene->noise[1], "", 1), 1);
    /* A cancel is no error of the scope, and the scope is to tell. */
    return result == -ECANCELED || (result == -ETIME && scene->struck) ? result
                                                                       : 0;
}

static int help_main(void *arg)
{
    struct scene *scene = arg;

    if (scene->scenario->help != NULL)
        scene->scenario->help(scene);
    return 0;
}

/* Something else that waits for the kernel, for as long as the call does. */
static int noise_main(void *arg)
{
    struct scene *scene = arg;
    char byte;

    return (int)gyre_recv(scene->noise[0], &byte, 1, 0);
}

static int scene_main(void *arg)
{
    struct scene *scene = arg;
    gyre_scope *scope = &scene->scope;
    bool first = scene->scenario->help_first;

    gyre_scope_open(scope, NULL);
    if (first)
        CHECK_OK(gyre_spawn(scope, help_main, scene));
    CHECK_OK(gyre_spawn_with(scope, &(gyre_task_options){ .name = "waiter" },
                             wait_main, scene, &scene->waiter));
    if (!first)
        CHECK_OK(gyre_spawn(scope, help_main, scene));
    CHECK_OK(gyre_spawn(scope, noise_main, scene));
    scene->opened = true;
    scene->close_result = gyre_scope_close(scope);
    scene->finished = true;
    return 0;
}

/* ---- steps and strikes --------------------------------------------------- */

static void step(struct scene *scene, unsigned number, bool *tired)
{
    gyre_loop *loop = scene->loop;
    uint64_t called = loop->called;

    if (number % 3 == 1 && gyre_loop_run_one_ready(loop))
        return;
    if (number % 3 == 2 && loop->backlog.first != NULL) {
        CHECK_OK(gyre_loop_submit(loop));
        return;
    }
    REQUIRE(scene, !loop_is_done(loop)); /* else nobody will ever wake it */
    CHECK_OK(gyre_loop_run(loop, *tired ? GYRE_RUN_ONCE : GYRE_RUN_NOWAIT));
    *tired = called == loop->called && loop->ready_first == NULL;
}

static void strike(struct scene *scene)
{
    gyre_loop *loop = scene->loop;

    scene->struck = true;
    scene->struck_before = !scene->begun;
    scene->struck_inside = scene->inside;
    scene->struck_woken = scene->inside && !scene->waiter->waiting;
    switch (scene->strike) {
    case STRIKE_TASK:
        if (!scene->done)
            gyre_task_cancel(scene->waiter);
        break;
    case STRIKE_DEADLINE:
        gyre_scope_set_deadline(&scene->scope, 1);
        break;
    case STRIKE_TIMER:
        gyre_scope_set_deadline(&scene->scope, gyre_loop_update_now(loop) + 1);
        break;
    case STRIKE_DESTROY:
        gyre_loop_destroy(loop);
        scene->loop = NULL;
        break;
    default:
        gyre_scope_cancel(&scene->scope);
        break;
    }
}

static int strike_error(enum strike strike)
{
    return strike == STRIKE_DEADLINE || strike == STRIKE_TIMER ? -ETIME
                                                               : -ECANCELED;
}

/* ---- the census ---------------------------------------------------------- */

static unsigned count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* At the very moment when the scope has closed, and its opener has ended. */
static void census_loop(const struct scene *scene)
{
    const gyre_loop *loop = scene->loop;
    gyre_loop_stats stats = { .size = sizeof stats };
    struct tasks *tasks = loop->tasks;

    gyre_loop_get_stats(loop, &stats);
    REQUIRE(scene, stats.ready == 0);
    REQUIRE(scene, stats.queued == 0);
    REQUIRE(scene, stats.in_flight == 0);
    REQUIRE(scene, stats.timers == 0);
    REQUIRE(scene, tasks->alive == 0 && tasks->promised == 0);
    REQUIRE(scene, tasks->outside == 0);
    REQUIRE(scene, list_is_empty(&tasks->spawners));
    REQUIRE(scene, list_is_empty(scope_list(tasks->root.scopes_)));
    REQUIRE(scene, list_is_empty(scope_list(tasks->root.members_)));
    REQUIRE(scene, list_is_empty(scope_list(tasks->root.handles_)));
}

static void judge(const struct scene *scene)
{
    const struct scenario *scenario = scene->scenario;
    int own = scenario->result[scene->way];
    bool deaf = scenario->deaf[scene->way] || scene->strike == STRIKE_SHIELD;
    int error = strike_error(scene->strike);

    REQUIRE(scene, scene->done);
    /* In a loop that ends, not even the tasks of a scenario can be spawned. */
    if (scene->refused)
        REQUIRE(scene, scene->result == -ECANCELED);
    else if (!scene->struck || deaf || (scene->struck_woken && !scenario->many))
        REQUIRE(scene, scene->result == own);
    else if (scene->struck_before)
        REQUIRE(scene, scene->result == error);
    else
        REQUIRE(scene, scene->result == own || scene->result == error);
    if (scene->struck && error == -ETIME)
        REQUIRE(scene,
                scene->close_result == -ETIME || scene->close_result == 0);
    else
        REQUIRE(scene, scene->close_result == 0);
}

/* ---- passes -------------------------------------------------------------- */

static void ignore(gyre_timer *timer, int status)
{
    (void)timer, (void)status;
}

/* If it is to be used again it has slept: kernels open what they need for that
 * when they first do. */
static gyre_loop *stage_loop(bool again)
{
    gyre_loop *loop;
    gyre_timer timer;

    CHECK_OK(gyre_loop_create(&loop, &(gyre_loop_options){
                                         .entries = 16,
                                         .dispatch_max = 1,
                                         .ready_max = 1,
                                         .blocking_threads_max = 2,
                                     }));
    if (!again)
        return loop;
    gyre_timer_init(&timer, loop, ignore, NULL);
    /* Twice, as a process may be slow at what it does for the first time. */
    for (int i = 0; i < 2; i++) {
        gyre_timer_start_after(&timer, stage_delay());
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_UNTIL_DONE));
    }
    return loop;
}

static void set_up(struct scene *scene)
{
    for (int i = 0; i < STAGE_FDS; i++)
        scene->fds[i] = -1;
    pair_open(scene->noise);
    if (scene->scenario->set_up != NULL)
        scene->scenario->set_up(scene);
}

static void tear_down(struct scene *scene)
{
    if (scene->scenario->tear_down != NULL)
        scene->scenario->tear_down(scene);
    for (int i = 0; i < STAGE_FDS; i++)
        if (scene->fds[i] >= 0)
            CHECK_OK(close(scene->fds[i]));
    pair_close(scene->noise);
}

static void pass(struct scene *scene, unsigned strike_at)
{
    bool tired = false;

    CHECK(gyre_loop_scope(scene->loop) != NULL);
    CHECK_OK(gyre_spawn(gyre_loop_scope(scene->loop), scene_main, scene));
    while (!scene->opened)
        CHECK(gyre_loop_run_one_ready(scene->loop));
    for (unsigned n = 0; !scene->finished; n++) {
        REQUIRE(scene, n < STEPS_MAX);
        if (n == strike_at)
            strike(scene);
        if (scene->loop == NULL)
            break;
        step(scene, n + 1, &tired);
    }
}

/* What became of the passes of one kind. */
struct tally {
    unsigned passes;
    unsigned inside; /* strikes that met the call while it waited */
    unsigned ended;  /* ... and ended it */
};

/* One pass; false: it was over before the strike. */
static bool try_pass(const struct scenario *scenario, unsigned way,
                     enum strike strike, unsigned strike_at, gyre_loop **loop,
                     struct tally *tally)
{
    static struct scene scene;
    unsigned fds = count_fds();

    if (*loop == NULL)
        *loop = stage_loop(strike != STRIKE_DESTROY);
    scene = (struct scene){ .scenario = scenario, .way = way };
    scene.strike = strike;
    scene.loop = *loop;
    if (strike != STRIKE_DESTROY)
        fds = count_fds();
    set_up(&scene);
    pass(&scene, strike_at);
    *loop = scene.loop;
    if (scenario->may_leave && *loop != NULL)
        CHECK_OK(gyre_loop_run(*loop, GYRE_RUN_UNTIL_DONE));
    if (*loop != NULL)
        census_loop(&scene);
    judge(&scene);
    if (strike == STRIKE_DESTROY) {
        gyre_loop_destroy(*loop);
        *loop = NULL;
    }
    tear_down(&scene);
    /* A kernel's helpers (threads for blocking calls) begin with their first
     * use. */
    if (*loop == NULL || strike_at != NEVER)
        REQUIRE(&scene, count_fds() == fds);
    tally->inside += scene.struck_inside;
    tally->ended += scene.struck_inside && scene.result == strike_error(strike);
    return scene.struck;
}

static void try_strikes(const struct scenario *scenario, unsigned way,
                        enum strike strike)
{
    struct tally tally = { 0 };
    gyre_loop *loop = NULL;
    bool deaf = scenario->deaf[way] || strike == STRIKE_SHIELD;

    pass_number = NEVER;
    CHECK(!try_pass(scenario, way, strike, NEVER, &loop, &tally));
    do
        pass_number = tally.passes++;
    while (try_pass(scenario, way, strike, pass_number, &loop, &tally));
    gyre_loop_destroy(loop);
    if (tally.inside == 0)
        FAIL("%s, way %u: never seen to wait in %u passes", call_name, way,
             tally.passes);
    /* The timer may be slower than the call. */
    if (tally.ended == 0 && !deaf && strike != STRIKE_TIMER)
        FAIL("%s, way %u: not once ended when %s, in %u passes", call_name, way,
             strike_names[strike], tally.passes);
}

void stage_run(const char *call, const struct scenario *scenario)
{
    unsigned ways = scenario->ways == 0 ? 1 : scenario->ways;
    /* Slow as it is there: the first and the last. */
    unsigned next = test_on_valgrind() ? STRIKES - 1 : 1;

    call_name = call;
    for (unsigned way = 0; way < ways; way++)
        for (unsigned strike = 0; strike < STRIKES; strike += next)
            try_strikes(scenario, way, (enum strike)strike);
}
