/* SPDX-License-Identifier: MIT */
/*
 * Channels at work: tinyCoro's producers and consumers at its sizes and at ten
 * times those, on one loop and on two; the programs that channels are known for
 * (a ring, a chain, a sieve, fan-in); and as many who wait as there is room
 * for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sync/lab.h"

/* ---- producers and consumers --------------------------------------------- */

struct job {
    unsigned producers, consumers, items; /* items by each producer */
    size_t capacity;
    unsigned flags;
    gyre_channel *channel;
    unsigned running; /* producers */
    unsigned *seen;   /* how often each item was received; atomic */
    _Atomic unsigned received;
};

struct producer {
    struct job *job;
    unsigned first;
};

static int produce(void *arg)
{
    struct producer *producer = arg;
    struct job *job = producer->job;

    for (unsigned i = 0; i < job->items; i++) {
        unsigned item = producer->first + i;

        CHECK_OK(gyre_channel_send(job->channel, &item));
    }
    if (--job->running == 0)
        CHECK_OK(gyre_channel_close(job->channel));
    return 0;
}

static int consume(void *arg)
{
    struct job *job = arg;
    unsigned item, count = 0;
    int err;

    while ((err = gyre_channel_recv(job->channel, &item)) == 0) {
        CHECK_LT(item, job->producers * job->items);
        __atomic_fetch_add(&job->seen[item], 1, __ATOMIC_RELAXED);
        count++;
    }
    CHECK_ERR(err, GYRE_EOF);
    job->received += count;
    return 0;
}

static int all_producers(void *arg)
{
    struct job *job = arg;
    struct producer *producers = calloc(job->producers, sizeof *producers);
    gyre_branch *branches = calloc(job->producers, sizeof *branches);

    job->running = job->producers;
    for (unsigned i = 0; i < job->producers; i++) {
        producers[i] = (struct producer){ job, i * job->items };
        branches[i] = (gyre_branch){ .fn = produce, .arg = &producers[i] };
    }
    CHECK_OK(gyre_all(branches, job->producers));
    free(producers);
    free(branches);
    return 0;
}

static int all_consumers(void *arg)
{
    struct job *job = arg;
    gyre_branch *branches = calloc(job->consumers, sizeof *branches);

    for (unsigned i = 0; i < job->consumers; i++)
        branches[i] = (gyre_branch){ .fn = consume, .arg = job };
    CHECK_OK(gyre_all(branches, job->consumers));
    free(branches);
    return 0;
}

static int on_one_loop(void *arg)
{
    gyre_branch both[] = { { .fn = all_consumers, .arg = arg },
                           { .fn = all_producers, .arg = arg } };

    return gyre_all(both, 2);
}

static void run_small(gyre_task_fn *fn, void *arg)
{
    CHECK_OK(gyre_run(&(gyre_run_options){ .stack_size = 32768 }, fn, arg));
}

static void *producers_thread(void *arg)
{
    run_small(all_producers, arg);
    return NULL;
}

static void job_run(struct job job, bool two_loops)
{
    unsigned total = job.producers * job.items;
    pthread_t thread;

    job.channel = make_channel(sizeof(unsigned), job.capacity, job.flags);
    job.seen = calloc(total, sizeof *job.seen);
    if (two_loops) {
        thread_start(&thread, producers_thread, &job);
        run_small(all_consumers, &job);
        thread_join(thread);
    } else {
        run_small(on_one_loop, &job);
    }
    CHECK_EQ(job.received, total);
    for (unsigned i = 0; i < total; i++)
        CHECK_EQ(job.seen[i], 1u); /* exactly once */
    free(job.seen);
    gyre_channel_destroy(job.channel);
}

static const struct job jobs[] = {
    { 1, 1, 100 },       { 1, 1, 1000 },      { 1, 1, 10000 },
    { 1, 1, 100000 },    { 10, 10, 100 },     { 10, 10, 10000 },
    { 100, 100, 100 },   { 100, 100, 1000 },  { 1000, 1000, 1 },
    { 1000, 1000, 100 }, { 1, 1000, 100000 }, { 1000, 1, 100 },
};

static unsigned scaled(unsigned items, unsigned scale)
{
    return items / scale > 0 ? items / scale : 1;
}

static void all_jobs(size_t capacity, bool two_loops, unsigned flags)
{
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        struct job job = jobs[i];

        job.capacity = capacity;
        job.flags = flags;
        job.producers = test_tasks(job.producers);
        job.consumers = test_tasks(job.consumers);
        if (job.producers * job.items > 10000)
            job.items = scaled(job.items, test_scale());
        job_run(job, two_loops);
    }
}

TEST(M10_J6_tinycoro_producers_and_consumers_one_place)
{
    all_jobs(1, false, 0);
}

TEST(M10_J6_tinycoro_producers_and_consumers_sixteen_places)
{
    all_jobs(16, false, 0);
}

TEST(M10_tinycoro_producers_and_consumers_hand_to_hand)
{
    all_jobs(0, false, 0);
}

TEST(M10_tinycoro_producers_and_consumers_unbounded)
{
    all_jobs(GYRE_UNBOUNDED, false, 0);
}

TEST(M11_tinycoro_producers_and_consumers_local)
{
    all_jobs(16, false, GYRE_LOCAL);
}

TEST_WITH(M10_tinycoro_producers_and_consumers_on_two_loops, .timeout_s = 60)
{
    all_jobs(16, true, 0);
}

TEST_WITH(M10_J6_tinycoro_producers_and_consumers_tenfold, .timeout_s = 60)
{
    static const struct job large[] = { { 1, 1, 1000000 },
                                        { 10, 10, 100000 },
                                        { 100, 100, 10000 },
                                        { 1000, 1000, 1000 } };

    for (unsigned i = 0; i < 4; i++) {
        struct job job = large[i];

        job.capacity = 16;
        job.producers = test_tasks(job.producers);
        job.consumers = test_tasks(job.consumers);
        job.items = scaled(job.items, test_scale() * (i == 0 ? 1 : 2));
        job_run(job, false);
    }
}

/* tinyCoro's channel of strings: pointers whose owner goes with them. */
static int send_strings(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        char *text = malloc(64);

        snprintf(text, 64, "string number %d of a thousand", i);
        CHECK_OK(gyre_channel_send(arg, &text));
    }
    CHECK_OK(gyre_channel_close(arg));
    return 0;
}

static int recv_strings(void *arg)
{
    char *text, wanted[64];

    for (int i = 0; gyre_channel_recv(arg, &text) == 0; i++) {
        snprintf(wanted, 64, "string number %d of a thousand", i);
        CHECK_STR_EQ(text, wanted);
        free(text);
    }
    return 0;
}

static int strings(void *arg)
{
    gyre_channel *channel = make_channel(sizeof(char *), 16, 0);
    gyre_branch both[] = { { .fn = send_strings, .arg = channel },
                           { .fn = recv_strings, .arg = channel } };

    (void)arg;
    CHECK_OK(gyre_all(both, 2));
    gyre_channel_destroy(channel);
    return 0;
}

TEST(M10_tinycoro_channel_of_strings)
{
    must_run(strings, NULL);
}

/* ---- a ring, a chain, a sieve -------------------------------------------- */

struct hop {
    gyre_channel *from, *to;
    unsigned hops; /* seen here */
};

static int pass_on(void *arg)
{
    struct hop *hop = arg;
    unsigned left;

    while (gyre_channel_recv(hop->from, &left) == 0) {
        hop->hops++;
        if (left == 0)
            break;
        left--;
        CHECK_OK(gyre_channel_send(hop->to, &left));
    }
    gyre_channel_close(hop->to); /* the others go home, too */
    return 0;
}

static int ring(void *arg)
{
    enum { NODES = 100 };
    static gyre_branch branches[NODES];
    static struct hop hops[NODES];
    unsigned total = 100000 / test_scale(), seen = 0;

    (void)arg;
    for (unsigned i = 0; i < NODES; i++)
        hops[i].from = make_channel(sizeof(unsigned), i == 0, 0);
    for (unsigned i = 0; i < NODES; i++) {
        hops[i].to = hops[(i + 1) % NODES].from;
        branches[i] = (gyre_branch){ .fn = pass_on, .arg = &hops[i] };
    }
    CHECK_OK(gyre_channel_send(hops[0].from, &total));
    CHECK_OK(gyre_all(branches, NODES));
    for (unsigned i = 0; i < NODES; i++) {
        seen += hops[i].hops;
        gyre_channel_destroy(hops[i].from);
    }
    CHECK_EQ(seen, total + 1);
    return 0;
}

TEST(M10_a_token_makes_a_hundred_thousand_hops_in_a_ring)
{
    must_run(ring, NULL);
}

/* Each takes from his right, adds one, gives to his left. */
static int whisper(void *arg)
{
    struct hop *hop = arg;
    unsigned n;

    CHECK_OK(gyre_channel_recv(hop->from, &n));
    n++;
    CHECK_OK(gyre_channel_send(hop->to, &n));
    return 0;
}

static int whispers(void *arg)
{
    unsigned count = test_tasks(20000 / test_scale()), n = 0;
    gyre_branch *branches = calloc(count, sizeof *branches);
    gyre_channel **channels = calloc(count + 1, sizeof(gyre_channel *));
    struct hop *hops = calloc(count, sizeof *hops);

    (void)arg;
    for (unsigned i = 0; i <= count; i++)
        channels[i] = make_channel(sizeof n, i == 0 || i == count, 0);
    for (unsigned i = 0; i < count; i++) {
        hops[i] = (struct hop){ channels[i], channels[i + 1], 0 };
        branches[i] = (gyre_branch){ .fn = whisper, .arg = &hops[i] };
    }
    CHECK_OK(gyre_channel_send(channels[0], &n));
    CHECK_OK(gyre_all(branches, count));
    CHECK_OK(gyre_channel_recv(channels[count], &n));
    CHECK_EQ(n, count);
    for (unsigned i = 0; i <= count; i++)
        gyre_channel_destroy(channels[i]);
    free(branches);
    free(channels);
    free(hops);
    return 0;
}

TEST(M10_a_whisper_goes_through_a_long_chain)
{
    run_small(whispers, NULL);
}

/* A filter behind each prime lets through what it does not divide. */
struct filter {
    gyre_channel *from, *to;
    unsigned prime;
};

static int numbers(void *arg)
{
    for (unsigned n = 2; gyre_channel_send(arg, &n) == 0; n++)
        ;
    return 0;
}

static int filter(void *arg)
{
    struct filter *f = arg;
    unsigned n;

    while (gyre_channel_recv(f->from, &n) == 0)
        if (n % f->prime != 0 && gyre_channel_send(f->to, &n) != 0)
            break;
    gyre_channel_close(f->from); /* downstream has gone: tell upstream */
    return 0;
}

static int sieve(void *arg)
{
    enum { PRIMES = 100 };
    static struct filter filters[PRIMES];
    gyre_channel *from = make_channel(sizeof(unsigned), 0, 0);
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    must_spawn(&scope, numbers, from);
    for (unsigned i = 0; i < PRIMES; i++) {
        struct filter *f = &filters[i];

        f->from = from;
        f->to = make_channel(sizeof(unsigned), 0, 0);
        CHECK_OK(gyre_channel_recv(from, &f->prime));
        from = f->to;
        must_spawn(&scope, filter, f);
    }
    CHECK_OK(gyre_channel_close(from));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(filters[PRIMES - 1].prime, 541u);
    for (unsigned i = 0; i < PRIMES; i++)
        gyre_channel_destroy(filters[i].from);
    gyre_channel_destroy(from);
    return 0;
}

TEST(M10_a_sieve_of_filters_finds_the_hundredth_prime)
{
    must_run(sieve, NULL);
}

/* ---- fan-in by select, sorting by halves --------------------------------- */

enum { SOURCES = 20, EACH = 200 };

static int source(void *arg)
{
    for (unsigned i = 0; i < EACH; i++)
        CHECK_OK(gyre_channel_send(arg, &i));
    CHECK_OK(gyre_channel_close(arg));
    return 0;
}

static int fan_in(void *arg)
{
    static gyre_channel *channels[SOURCES];
    gyre_case cases[SOURCES];
    unsigned items[SOURCES], next[SOURCES] = { 0 }, open = SOURCES, got = 0;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < SOURCES; i++) {
        channels[i] = make_channel(sizeof(unsigned), i % 3, 0);
        cases[i] = gyre_on_recv(channels[i], &items[i]);
        must_spawn(&scope, source, channels[i]);
    }
    while (open > 0) {
        int i = gyre_select(cases, SOURCES);

        CHECK_GE(i, 0);
        if (cases[i].result == GYRE_EOF) {
            CHECK_EQ(next[i], (unsigned)EACH);
            cases[i] = gyre_on_timer(GYRE_NEVER);
            open--;
        } else {
            CHECK_EQ(items[i], next[i]++); /* in order, of each */
            got++;
        }
    }
    CHECK_EQ(got, (unsigned)SOURCES * EACH);
    CHECK_OK(gyre_scope_close(&scope));
    for (unsigned i = 0; i < SOURCES; i++)
        gyre_channel_destroy(channels[i]);
    return 0;
}

TEST(K9_M9_many_channels_fan_into_one_select)
{
    must_run(fan_in, NULL);
}

struct part {
    int *from, *work;
    unsigned count;
};

static int sort_part(void *arg)
{
    struct part *part = arg;
    unsigned half = part->count / 2, a = 0, b = half;
    struct part parts[2] = { { part->from, part->work, half },
                             { part->from + half, part->work + half,
                               part->count - half } };
    gyre_branch branches[2] = { { .fn = sort_part, .arg = &parts[0] },
                                { .fn = sort_part, .arg = &parts[1] } };

    if (part->count < 2)
        return 0;
    CHECK_OK(gyre_all(branches, 2));
    for (unsigned i = 0; i < part->count; i++)
        part->work[i] = b == part->count ||
                                (a < half && part->from[a] <= part->from[b])
                            ? part->from[a++]
                            : part->from[b++];
    memcpy(part->from, part->work, part->count * sizeof(int));
    return 0;
}

static int sort_by_halves(void *arg)
{
    unsigned count = test_tasks(20000 / test_scale());
    int *from = malloc(count * sizeof(int)),
        *work = malloc(count * sizeof(int));
    struct part all = { from, work, count };
    struct chance chance = { 5 };

    (void)arg;
    for (unsigned i = 0; i < count; i++)
        from[i] = (int)below(&chance, 1000000);
    CHECK_OK(sort_part(&all));
    for (unsigned i = 1; i < count; i++)
        CHECK_LE(from[i - 1], from[i]);
    free(from);
    free(work);
    return 0;
}

TEST(K10_a_sort_by_halves_each_half_a_task)
{
    run_small(sort_by_halves, NULL);
}

/* ---- as many as there is room for ---------------------------------------- */

struct masses {
    gyre_channel *channel;
    unsigned count;
    uint64_t sum;
    unsigned ended;
};

static int recv_one(void *arg)
{
    struct masses *m = arg;
    unsigned n;

    CHECK_OK(gyre_channel_recv(m->channel, &n));
    m->sum += n;
    CHECK_EQ(m->ended++, n); /* in the order of their coming */
    return 0;
}

static int send_one(void *arg)
{
    struct masses *m = arg;
    unsigned n = m->ended++;

    CHECK_OK(gyre_channel_send(m->channel, &n));
    m->sum += n;
    return 0;
}

static int masses(void *arg)
{
    struct masses m = { .count = test_tasks(100000 / test_scale()) };
    uint64_t sum = (uint64_t)m.count * (m.count - 1) / 2;
    gyre_scope scope;
    unsigned got;

    (void)arg;
    m.channel = make_channel(sizeof(unsigned), 0, 0);
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < m.count; i++)
        must_spawn(&scope, recv_one, &m);
    for (unsigned i = 0; i < m.count; i++)
        CHECK_OK(gyre_channel_send(m.channel, &i));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(m.sum, sum);

    m.sum = m.ended = 0;
    gyre_scope_open(&scope, NULL);
    for (unsigned i = 0; i < m.count; i++)
        must_spawn(&scope, send_one, &m);
    for (unsigned i = 0; i < m.count; i++) {
        CHECK_OK(gyre_channel_recv(m.channel, &got));
        CHECK_EQ(got, i);
    }
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(m.sum, sum);
    gyre_channel_destroy(m.channel);
    return 0;
}

TEST_WITH(M10_a_hundred_thousand_wait_to_receive_and_to_send, .timeout_s = 60)
{
    CHECK_OK(
        gyre_run(&(gyre_run_options){ .stack_size = 16384 }, masses, NULL));
}
