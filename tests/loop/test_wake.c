/* SPDX-License-Identifier: MIT */
/*
 * test_wake.c - what other threads may do to a loop: wake, post, start
 *
 * The tests with threads let the scripted kernel sleep for true, so a wake that
 * is lost hangs the test until the runner ends it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

/* ---- bare wakes ---------------------------------------------------------- */

TEST(H3_a_wake_before_the_sleep_is_remembered)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    probe_fly(&p, &rig, 1, 7);
    gyre_loop_wake(rig.loop, GYRE_WAKE_IO, 1);
    /* Would panic if it slept: nothing else can end that sleep. */
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_EQ(scripted_sleeps(rig.s), 0);
    rig_close(&rig);
}

TEST(H2_wakes_of_a_loop_that_is_awake_cost_no_system_call)
{
    struct rig rig;

    rig_open(&rig, 8);
    for (int i = 0; i < 1000; i++)
        gyre_loop_wake(rig.loop, GYRE_WAKE_TASK, 1);
    CHECK_EQ(scripted_wake_count(rig.s), 0);
    CHECK_EQ(rig_stats(&rig).wakes, 0);
    rig_close(&rig);
}

static gyre_loop *the_loop;
static unsigned ran;

static void count_work(gyre_work *work)
{
    (void)work;
    ran++;
}

static bool wake_often(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    static gyre_work work[10];

    (void)s, (void)deadline_ns, (void)arg;
    for (int i = 0; i < 10; i++) {
        gyre_loop_wake(the_loop, GYRE_WAKE_IO, 1);
        gyre_loop_post(the_loop, &work[i], count_work);
    }
    return false;
}

TEST(H1_H2_many_wakes_of_one_sleep_are_one_system_call)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    the_loop = rig.loop;
    probe_fly(&p, &rig, 1, 7);
    scripted_on_sleep(rig.s, wake_often, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_EQ(scripted_sleeps(rig.s), 1);
    CHECK_EQ(scripted_wake_count(rig.s), 1);
    CHECK_EQ(rig_stats(&rig).wakes, 1);
    scripted_on_sleep(rig.s, NULL, NULL);
    while (ran < 10)
        rig_turn(&rig);
    rig_close(&rig);
}

static bool wake_once(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    (void)s, (void)deadline_ns, (void)arg;
    gyre_loop_wake(the_loop, GYRE_WAKE_TASK, 1);
    return false;
}

TEST(H1_a_bare_wake_ends_run_once)
{
    struct rig rig;
    struct probe p;

    rig_open(&rig, 8);
    the_loop = rig.loop;
    probe_fly(&p, &rig, 1, 7);
    scripted_on_sleep(rig.s, wake_once, NULL);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    CHECK_EQ(scripted_sleeps(rig.s), 1);
    CHECK_EQ(p.calls, 0);
    rig_close(&rig);
}

/* ---- the end ------------------------------------------------------------- */

static struct kernel_class lingering;
static void (*plain_wake)(struct kernel *kernel);
static void (*plain_destroy)(struct kernel *kernel);
static atomic_bool left_wake;

/* As a thread that loses the processor here. That it lingers finds an end that
 * does not wait for it, but is not what the test needs to be right. */
static void wake_and_linger(struct kernel *kernel)
{
    plain_wake(kernel);
    usleep(20000);
    atomic_store(&left_wake, true);
}

static void destroy_when_left(struct kernel *kernel)
{
    CHECK(atomic_load(&left_wake));
    plain_destroy(kernel);
}

static void release_loop(gyre_work *work)
{
    (void)work;
    gyre_loop_release(the_loop);
}

static void *post_release(void *arg)
{
    while (atomic_load(&the_loop->given) != GIVEN_SLEEP)
        ;
    gyre_loop_post(the_loop, arg, release_loop);
    return NULL;
}

TEST(H1_the_end_waits_for_a_poster_who_has_not_returned)
{
    struct rig rig;
    gyre_work work;
    pthread_t thread;

    rig_open(&rig, 8);
    the_loop = rig.loop;
    scripted_sleep_for_true(rig.s);
    lingering = *rig.loop->kernel->class;
    plain_wake = lingering.wake;
    plain_destroy = lingering.destroy;
    lingering.wake = wake_and_linger;
    lingering.destroy = destroy_when_left;
    rig.loop->kernel->class = &lingering;
    gyre_loop_hold(rig.loop);
    CHECK_OK(pthread_create(&thread, NULL, post_release, &work));
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    rig_close(&rig);
    CHECK_OK(pthread_join(thread, NULL));
}

/* ---- reasons ------------------------------------------------------------- */

TEST(H6_reasons_are_counted_and_taken)
{
    struct rig rig;
    struct probe p[3];
    gyre_wake_counts counts;
    gyre_work work;

    rig_open(&rig, 8);
    gyre_loop_wake(rig.loop, GYRE_WAKE_TASK, 3);
    gyre_loop_wake(rig.loop, GYRE_WAKE_IO, 5);
    gyre_loop_wake(rig.loop, GYRE_WAKE_COMPLETION, 7);
    gyre_loop_wake(rig.loop, GYRE_WAKE_IO, 0);
    gyre_loop_post(rig.loop, &work, count_work);
    counts = gyre_loop_take_wakes(rig.loop);
    CHECK_EQ(counts.tasks, 4);
    CHECK_EQ(counts.io, 5);
    CHECK_EQ(counts.completions, 7);
    counts = gyre_loop_take_wakes(rig.loop);
    CHECK_EQ(counts.tasks + counts.io + counts.completions, 0);

    /* Completions are counted as CQEs, however they came. */
    for (int i = 0; i < 3; i++)
        probe_fly(&p[i], &rig, i, i);
    scripted_complete(rig.s, 0, 1, IORING_CQE_F_MORE);
    scripted_complete_all(rig.s, 0);
    rig_turn(&rig);
    counts = gyre_loop_take_wakes(rig.loop);
    CHECK_EQ(counts.completions, 4);
    CHECK_EQ(counts.tasks + counts.io, 0);
    rig_close(&rig);
}

TEST(H6_a_full_count_stays_full_and_carries_nowhere)
{
    static const struct {
        gyre_wake_reason reason;
        uint32_t max;
    } cases[] = {
        { GYRE_WAKE_TASK, (1U << 20) - 1 },
        { GYRE_WAKE_IO, (1U << 20) - 1 },
        { GYRE_WAKE_COMPLETION, (1U << 24) - 1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig rig;
        gyre_wake_counts counts;
        uint32_t got;

        rig_open(&rig, 8);
        gyre_loop_wake(rig.loop, cases[i].reason, cases[i].max - 1);
        gyre_loop_wake(rig.loop, cases[i].reason, 1);
        for (int n = 0; n < 3; n++) {
            gyre_loop_wake(rig.loop, cases[i].reason, 1);
            gyre_loop_wake(rig.loop, cases[i].reason, UINT32_MAX);
        }
        counts = gyre_loop_take_wakes(rig.loop);
        got = i == 0 ? counts.tasks : i == 1 ? counts.io : counts.completions;
        CHECK_EQ(got, cases[i].max);
        CHECK_EQ((uint64_t)counts.tasks + counts.io + counts.completions,
                 cases[i].max);
        rig_close(&rig);
    }
}

/* ---- posted work --------------------------------------------------------- */

struct numbered {
    gyre_work work;
    int number;
};

static int order[64];
static unsigned order_count;

static void note_order(gyre_work *work)
{
    order[order_count++] = CONTAINER_OF(work, struct numbered, work)->number;
}

TEST(H1_posted_work_runs_in_order_at_the_next_turn)
{
    struct rig rig;
    struct numbered n[20];

    rig_open(&rig, 8);
    for (int i = 0; i < 20; i++) {
        n[i].number = i;
        gyre_loop_post(rig.loop, &n[i].work, note_order);
    }
    CHECK_EQ(order_count, 0);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(order_count, 20);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(order[i], i);
    rig_close(&rig);
}

static void free_work(gyre_work *work)
{
    ran++;
    memset(work, 0xDD, sizeof *work);
    free(work);
}

TEST(H1_work_frees_itself)
{
    struct rig rig;

    rig_open(&rig, 8);
    for (int i = 0; i < 5; i++) {
        gyre_work *work = malloc(sizeof *work);

        CHECK(work != NULL);
        gyre_loop_post(rig.loop, work, free_work);
    }
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_EQ(ran, 5);
    rig_close(&rig);
}

enum { THREADS = 4, POSTS = 100000 };

struct poster {
    pthread_t thread;
    gyre_loop *loop;
    unsigned next;  /* the loop's: the post expected next */
    unsigned count; /* posts to make */
    struct post *posts;
    atomic_bool stop;
};

struct post {
    gyre_work work;
    struct poster *poster;
    unsigned number;
};

static unsigned posts_run;
static unsigned posts_wanted;

static void run_post(gyre_work *work)
{
    struct post *post = CONTAINER_OF(work, struct post, work);

    CHECK_EQ(post->number, post->poster->next);
    post->poster->next++;
    if (++posts_run == posts_wanted)
        gyre_loop_stop(post->poster->loop);
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;

    for (unsigned i = 0; i < poster->count; i++) {
        poster->posts[i].poster = poster;
        poster->posts[i].number = i;
        gyre_loop_post(poster->loop, &poster->posts[i].work, run_post);
    }
    return NULL;
}

TEST(H1_H2_posts_of_four_threads_all_run_each_in_order)
{
    struct rig rig;
    struct poster poster[THREADS];
    unsigned count = POSTS / test_scale();
    gyre_wake_counts counts;

    rig_open(&rig, 8);
    scripted_sleep_for_true(rig.s);
    posts_wanted = THREADS * count;
    rig_turn(&rig);
    for (int i = 0; i < THREADS; i++) {
        poster[i] = (struct poster){ .loop = rig.loop, .count = count };
        poster[i].posts = calloc(count, sizeof *poster[i].posts);
        CHECK(poster[i].posts != NULL);
        CHECK_OK(pthread_create(&poster[i].thread, NULL, post_all, &poster[i]));
    }
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_FOREVER), 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(poster[i].thread, NULL);
        CHECK_EQ(poster[i].next, count);
        free(poster[i].posts);
    }
    CHECK_EQ(posts_run, THREADS * count);
    counts = gyre_loop_take_wakes(rig.loop);
    CHECK_EQ(counts.tasks,
             posts_wanted < (1U << 20) ? posts_wanted : (1U << 20) - 1);
    CHECK_LE(scripted_wake_count(rig.s), rig_stats(&rig).turns + 1);
    rig_close(&rig);
}

/* Ping-pong: each post is made only when the one before was answered, so each
 * may meet the loop at any point of falling asleep. */
struct pingpong {
    gyre_work work;
    gyre_loop *loop;
    atomic_uint answered;
    unsigned rounds;
};

static void answer(gyre_work *work)
{
    struct pingpong *p = CONTAINER_OF(work, struct pingpong, work);

    if (atomic_fetch_add(&p->answered, 1) + 1 == p->rounds)
        gyre_loop_stop(p->loop);
}

static void *ping(void *arg)
{
    struct pingpong *p = arg;
    unsigned spin = 0;

    for (unsigned i = 0; i < p->rounds; i++) {
        gyre_loop_post(p->loop, &p->work, answer);
        while (atomic_load(&p->answered) == i)
            ;
        for (unsigned n = i % 61; n > 0; n--)
            atomic_signal_fence(memory_order_seq_cst), spin++;
    }
    return NULL;
}

TEST(H10_no_wake_is_lost_between_looking_and_sleeping)
{
    struct rig rig;
    struct pingpong p = { .rounds = 30000 / test_scale() };
    pthread_t thread;

    rig_open(&rig, 8);
    scripted_sleep_for_true(rig.s);
    p.loop = rig.loop;
    rig_turn(&rig);
    CHECK_OK(pthread_create(&thread, NULL, ping, &p));
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_FOREVER), 1);
    pthread_join(thread, NULL);
    CHECK_EQ(atomic_load(&p.answered), p.rounds);
    rig_close(&rig);
}

/* ---- ops from other threads ---------------------------------------------- */

struct remote {
    struct rig *rig;
    struct probe *probes;
    int count;
};

static void *start_remote(void *arg)
{
    struct remote *remote = arg;

    for (int i = 0; i < remote->count; i++)
        gyre_op_start_remote(remote->rig->loop, &remote->probes[i].op,
                             probe_done, &remote->probes[i]);
    return NULL;
}

static bool start_remotely(struct scripted *s, uint64_t deadline_ns, void *arg)
{
    pthread_t thread;

    (void)deadline_ns;
    scripted_on_sleep(s, NULL, NULL);
    CHECK_OK(pthread_create(&thread, NULL, start_remote, arg));
    pthread_join(thread, NULL);
    return false;
}

TEST(H12_an_op_from_another_thread_is_handed_over_in_order)
{
    enum { OPS = 50 };
    struct rig rig;
    struct probe own, p[OPS];
    struct remote remote = { &rig, p, OPS };
    gyre_wake_counts counts;

    rig_open(&rig, 8);
    for (int i = 0; i < OPS; i++)
        probe_init(&p[i], &rig, i, 100 + i);
    probe_fly(&own, &rig, -1, 7);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    scripted_on_sleep(rig.s, start_remotely, &remote);
    gyre_loop_take_wakes(rig.loop);
    while (rig.calls < OPS)
        CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_ONCE));
    for (int i = 0; i < OPS; i++) {
        CHECK_ENDED(&p[i], 1);
        CHECK_EQ(rig.journal[i], i);
    }
    CHECK_EQ(scripted_wake_count(rig.s), 1);
    counts = gyre_loop_take_wakes(rig.loop);
    CHECK_EQ(counts.io, OPS);
    CHECK_EQ(counts.tasks, 0);
    rig_close(&rig);
}

TEST(H12_an_op_handed_over_before_the_first_run_starts_with_it)
{
    struct rig rig;
    struct probe p;
    struct remote remote = { &rig, &p, 1 };

    rig_open(&rig, 8);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    probe_init(&p, &rig, 1, 7);
    start_remotely(rig.s, 0, &remote);
    CHECK_EQ(gyre_op_state(&p.op), GYRE_OP_IDLE);
    CHECK_OK(gyre_loop_run(rig.loop, GYRE_RUN_UNTIL_DONE));
    CHECK_ENDED(&p, 1);
    rig_close(&rig);
}

static void count_down(struct probe *probe, gyre_result result)
{
    struct rig *rig = probe->rig;

    CHECK_EQ(result.res, 1);
    if (rig->calls == posts_wanted)
        gyre_loop_stop(rig->loop);
}

TEST(H12_ops_of_four_threads_all_complete)
{
    enum { OPS = 20000 };
    struct rig rig;
    struct probe *p[THREADS];
    struct remote remote[THREADS];
    pthread_t thread[THREADS];
    int count = OPS / (int)test_scale();

    rig_open(&rig, 64);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    scripted_sleep_for_true(rig.s);
    posts_wanted = THREADS * (unsigned)count;
    rig_turn(&rig);
    for (int i = 0; i < THREADS; i++) {
        p[i] = calloc((size_t)count, sizeof *p[i]);
        CHECK(p[i] != NULL);
        for (int n = 0; n < count; n++) {
            probe_init(&p[i][n], &rig, 0, n % 100);
            p[i][n].then = count_down;
        }
        remote[i] = (struct remote){ &rig, p[i], count };
        CHECK_OK(pthread_create(&thread[i], NULL, start_remote, &remote[i]));
    }
    CHECK_EQ(gyre_loop_run(rig.loop, GYRE_RUN_FOREVER), 1);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        for (int n = 0; n < count; n++)
            CHECK_EQ(p[i][n].lasts, 1);
        free(p[i]);
    }
    rig_close(&rig);
}

/* ---- reading from other threads ------------------------------------------ */

static void *read_all(void *arg)
{
    struct poster *reader = arg;
    uint64_t last = 0;

    while (!atomic_load(&reader->stop)) {
        gyre_loop_stats stats = { .size = sizeof stats };

        gyre_loop_get_stats(reader->loop, &stats);
        CHECK_GE(stats.turns, last);
        last = stats.turns;
        (void)gyre_loop_is_io_idle(reader->loop);
        CHECK(!gyre_loop_is_mine(reader->loop));
        CHECK_STR_EQ(gyre_loop_kernel(reader->loop), "scripted");
    }
    return NULL;
}

TEST(L16_any_thread_may_look)
{
    struct rig rig;
    struct probe p;
    struct poster reader = { .count = 0 };

    rig_open(&rig, 8);
    scripted_set_policy(rig.s, scripted_answer_len, NULL);
    reader.loop = rig.loop;
    rig_turn(&rig);
    CHECK_OK(pthread_create(&reader.thread, NULL, read_all, &reader));
    for (int i = 0; i < 2000; i++) {
        probe_init(&p, &rig, 1, 7);
        probe_start(&p);
        rig_turn(&rig);
        CHECK_ENDED(&p, 1);
    }
    atomic_store(&reader.stop, true);
    pthread_join(reader.thread, NULL);
    rig_close(&rig);
}
