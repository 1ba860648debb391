/* SPDX-License-Identifier: MIT */
/*
 * boost_fiber.cpp - the peer boost-fiber: fibers with a scheduler, on stacks
 * from Boost's pool
 *
 * All run on this one thread, by the scheduler that comes with the library
 * (round robin), which is also built for fibers that meet those of other
 * threads. Of a buffered channel one place is never used, and their number is a
 * power of two, so one of capacity 1 has two places.
 */
#include <boost/fiber/all.hpp>
#include <unistd.h>
#include <vector>

#include "peer.h"

namespace fibers = boost::fibers;

static fibers::pooled_fixedsize_stack &pool()
{
    static fibers::pooled_fixedsize_stack stacks{ 64 * 1024 };

    return stacks;
}

template <typename Fn> static fibers::fiber start(Fn fn)
{
    return fibers::fiber{ std::allocator_arg, pool(), fn };
}

static void join_all(std::vector<fibers::fiber> &all)
{
    for (auto &one : all)
        one.join();
    all.clear();
}

/* ---- switch, spawn ------------------------------------------------------ */

static uint64_t yields(unsigned n, uint64_t ops)
{
    std::vector<fibers::fiber> all;
    uint64_t each = ops / n;

    for (unsigned i = 0; i < n; i++)
        all.push_back(start([each] {
            for (uint64_t left = each; left > 0; left--)
                boost::this_fiber::yield();
        }));
    join_all(all);
    return each * n;
}

static uint64_t lives(unsigned n, uint64_t ops)
{
    std::vector<fibers::fiber> all;
    uint64_t done = 0;

    all.reserve(n);
    while (done < ops) {
        for (unsigned i = 0; i < n; i++)
            all.push_back(start([] {}));
        join_all(all);
        done += n;
    }
    return done;
}

static uint64_t idle(unsigned n, uint64_t)
{
    static fibers::mutex mutex;
    static fibers::condition_variable never;
    uint64_t before = peer_memory();

    for (unsigned i = 0; i < n; i++)
        start([] {
            std::unique_lock<fibers::mutex> lock(mutex);

            never.wait(lock);
        }).detach();
    boost::this_fiber::yield();
    peer_bytes = peer_memory() - before;
    /* There is nobody to wake them, and no need to. */
    printf("bytes %u %" PRIu64 "\n", n, peer_bytes);
    fflush(stdout);
    _exit(0);
}

/* ---- mutex -------------------------------------------------------------- */

static uint64_t locks(unsigned n, uint64_t ops)
{
    std::vector<fibers::fiber> all;
    uint64_t each = ops / n;
    fibers::mutex mutex;

    if (n == 1) {
        for (uint64_t i = 0; i < ops; i++) {
            mutex.lock();
            mutex.unlock();
        }
        return ops;
    }
    for (unsigned i = 0; i < n; i++)
        all.push_back(start([&mutex, each] {
            for (uint64_t left = each; left > 0; left--) {
                mutex.lock();
                boost::this_fiber::yield();
                mutex.unlock();
            }
        }));
    join_all(all);
    return each * n;
}

/* ---- channels ----------------------------------------------------------- */

using buffered = fibers::buffered_channel<uint64_t>;
using unbuffered = fibers::unbuffered_channel<uint64_t>;

template <typename Channel>
static void ping_pong_by(Channel &ping, Channel &pong, uint64_t ops)
{
    fibers::fiber other = start([&ping, &pong] {
        uint64_t value;

        while (ping.pop(value) == fibers::channel_op_status::success)
            pong.push(value);
    });
    fibers::fiber self = start([&ping, &pong, ops] {
        for (uint64_t i = 0; i < ops; i++) {
            uint64_t value;

            ping.push(i);
            pong.pop(value);
        }
        ping.close();
    });

    self.join();
    other.join();
}

static uint64_t ping_pong(unsigned capacity, uint64_t ops)
{
    if (capacity == 0) {
        unbuffered ping, pong;

        ping_pong_by(ping, pong, ops);
    } else {
        buffered ping(capacity < 2 ? 2 : capacity);
        buffered pong(capacity < 2 ? 2 : capacity);

        ping_pong_by(ping, pong, ops);
    }
    return ops;
}

static uint64_t stream_by(unsigned pairs, unsigned capacity, uint64_t ops)
{
    std::vector<fibers::fiber> producers, consumers;
    buffered channel(capacity < 2 ? 2 : capacity);
    uint64_t each = ops / pairs;

    for (unsigned i = 0; i < pairs; i++) {
        producers.push_back(start([&channel, each] {
            for (uint64_t value = 0; value < each; value++)
                channel.push(value);
        }));
        consumers.push_back(start([&channel] {
            uint64_t value;

            while (channel.pop(value) == fibers::channel_op_status::success)
                ;
        }));
    }
    join_all(producers);
    channel.close();
    join_all(consumers);
    return each * pairs;
}

static uint64_t stream(unsigned capacity, uint64_t ops)
{
    return stream_by(1, capacity, ops);
}

static uint64_t many(unsigned capacity, uint64_t ops)
{
    return stream_by(8, capacity, ops);
}

static const peer_test tests[] = {
    { "yield", yields }, { "spawn", lives },         { "idle", idle },
    { "lock", locks },   { "ping-pong", ping_pong }, { "stream", stream },
    { "many", many },
};

int main()
{
    return peer_main(tests, sizeof tests / sizeof tests[0]);
}
