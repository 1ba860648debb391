/* SPDX-License-Identifier: MIT */
/*
 * asio.cpp - the peer asio: an io_context for each thread, posted to by
 * asio::post()
 */
#include <asio.hpp>
#include <thread>

#include "mail_peer.h"

struct box {
    asio::io_context context{ 1 };
    asio::executor_work_guard<asio::io_context::executor_type> work{
        context.get_executor()
    };
    std::thread thread;
};

static struct box *create(int cpu)
{
    struct box *box = new struct box;

    box->thread = std::thread([box, cpu] {
        mail_bind(cpu);
        box->context.run();
    });
    return box;
}

static void post(struct box *box, struct letter *letter)
{
    asio::post(box->context, [letter] { letter->open(letter); });
}

const struct box_class peer_boxes = { create, post, nullptr };

static const peer_test tests[] = { PEER_MAIL_TESTS };

int main()
{
    int code = peer_main(tests, sizeof tests / sizeof tests[0]);

    /* The contexts run on: there is nothing to be taken back. */
    std::_Exit(code);
}
