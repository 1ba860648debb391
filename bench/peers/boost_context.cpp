/* SPDX-License-Identifier: MIT */
/*
 * boost_context.cpp - the peer boost-context: switches without a scheduler
 *
 * `fiber` and `callcc`: there and back between two contexts. `spawn`: a context
 * that returns at once, on a stack from Boost's pool.
 */
#include <boost/context/continuation.hpp>
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <utility>

#include "peer.h"

namespace ctx = boost::context;

static const std::size_t stack_bytes = 64 * 1024;

static uint64_t fiber_pairs(unsigned, uint64_t ops)
{
    bool stop = false;
    ctx::fiber other{ [&stop](ctx::fiber &&back) {
        while (!stop)
            back = std::move(back).resume();
        return std::move(back);
    } };

    for (uint64_t i = 0; i < ops; i++)
        other = std::move(other).resume();
    stop = true;
    other = std::move(other).resume();
    return ops;
}

static uint64_t callcc_pairs(unsigned, uint64_t ops)
{
    bool stop = false;
    ctx::continuation other = ctx::callcc([&stop](ctx::continuation &&back) {
        while (!stop)
            back = back.resume();
        return std::move(back);
    });

    for (uint64_t i = 0; i < ops; i++)
        other = other.resume();
    stop = true;
    other = other.resume();
    return ops;
}

static uint64_t lives(unsigned n, uint64_t ops)
{
    static ctx::pooled_fixedsize_stack pool{ stack_bytes };

    if (n != 1)
        return 0;
    for (uint64_t i = 0; i < ops; i++) {
        ctx::fiber one{ std::allocator_arg, pool,
                        [](ctx::fiber &&back) { return std::move(back); } };

        one = std::move(one).resume();
    }
    return ops;
}

static const peer_test tests[] = {
    { "fiber", fiber_pairs },
    { "callcc", callcc_pairs },
    { "spawn", lives },
};

int main()
{
    return peer_main(tests, sizeof tests / sizeof tests[0]);
}
