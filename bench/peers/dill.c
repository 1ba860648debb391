/* SPDX-License-Identifier: MIT */
/*
 * dill.c - the peer dill: coroutines of libdill
 *
 * It keeps 64 idle stacks and maps others anew each time; so where more live at
 * a time, they are given memory of ours. A coroutine runs as soon as it is
 * made. Its channels have no buffer, and it has no mutex, for it has one
 * thread.
 */
#include <libdill.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

#define STACK_BYTES ((size_t)64 * 1024)
#define STACKS 1000

static void *stack_at(unsigned index)
{
    static char *stacks;

    if (stacks == NULL)
        stacks = malloc(STACKS * STACK_BYTES);
    if (stacks == NULL)
        abort();
    return stacks + index * STACK_BYTES;
}

/* ---- switch, spawn ------------------------------------------------------ */

static coroutine void yielder(uint64_t count)
{
    while (count-- > 0)
        yield();
}

static uint64_t yields(unsigned n, uint64_t ops)
{
    uint64_t each = ops / n;
    int all = bundle();

    if (n > STACKS)
        return 0;
    for (unsigned i = 0; i < n; i++)
        if (bundle_go_mem(all, yielder(each), stack_at(i), STACK_BYTES) != 0)
            abort();
    bundle_wait(all, -1);
    hclose(all);
    return each * n;
}

static coroutine void nothing(void)
{
}

static uint64_t lives(unsigned n, uint64_t ops)
{
    uint64_t done = 0;

    if (n == 1) {
        for (; done < ops; done++)
            hclose(go(nothing()));
        return done;
    }
    while (done < ops)
        done += yields(n, n);
    return done;
}

static coroutine void sleeper(void)
{
    msleep(-1);
}

static uint64_t idle(unsigned n, uint64_t ops)
{
    uint64_t before = peer_memory();

    (void)ops;
    for (unsigned i = 0; i < n; i++)
        if (go(sleeper()) < 0)
            return 0;
    peer_bytes = peer_memory() - before;
    printf("bytes %u %" PRIu64 "\n", n, peer_bytes);
    fflush(stdout);
    _exit(0);
}

/* ---- channels ----------------------------------------------------------- */

static coroutine void echo(int from, int to)
{
    uint64_t value;

    while (chrecv(from, &value, sizeof value, -1) == 0)
        chsend(to, &value, sizeof value, -1);
}

static uint64_t ping_pong(unsigned capacity, uint64_t ops)
{
    int ping[2], pong[2];
    uint64_t value = 0;
    int other;

    if (capacity != 0 || chmake(ping) != 0 || chmake(pong) != 0)
        return 0;
    other = go(echo(ping[1], pong[0]));
    for (uint64_t i = 0; i < ops; i++) {
        chsend(ping[0], &value, sizeof value, -1);
        chrecv(pong[1], &value, sizeof value, -1);
    }
    hclose(other);
    for (unsigned i = 0; i < 2; i++) {
        hclose(ping[i]);
        hclose(pong[i]);
    }
    return ops;
}

static coroutine void source(int to, uint64_t count)
{
    for (uint64_t value = 0; value < count; value++)
        chsend(to, &value, sizeof value, -1);
}

static uint64_t choices(unsigned capacity, uint64_t ops)
{
    int left[2], right[2], sources[2];
    uint64_t each = ops / 2;
    uint64_t value;

    if (capacity != 0 || chmake(left) != 0 || chmake(right) != 0)
        return 0;
    sources[0] = go(source(left[0], each));
    sources[1] = go(source(right[0], each));
    for (uint64_t i = 0; i < 2 * each; i++) {
        struct chclause clauses[] = {
            { CHRECV, left[1], &value, sizeof value },
            { CHRECV, right[1], &value, sizeof value },
        };

        if (choose(clauses, 2, -1) < 0)
            abort();
    }
    for (unsigned i = 0; i < 2; i++) {
        hclose(sources[i]);
        hclose(left[i]);
        hclose(right[i]);
    }
    return 2 * each;
}

static const struct peer_test tests[] = {
    { "yield", yields },        { "spawn", lives },    { "idle", idle },
    { "ping-pong", ping_pong }, { "select", choices },
};

int main(void)
{
    return peer_main(tests, sizeof tests / sizeof tests[0]);
}
