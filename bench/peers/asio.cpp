/* SPDX-License-Identifier: MIT */
/*
 * asio.cpp - the peer asio: an io_context for each thread, posted to by
 * asio::post(), and an echo server on some of them
 */
#include <array>
#include <asio.hpp>
#include <memory>
#include <thread>
#include <vector>

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

/* ---- echo: a context and a socket that listens for each thread ----------- */

using asio::ip::tcp;
using reuse_port =
    asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

class session : public std::enable_shared_from_this<session>
{
  public:
    session(tcp::socket socket, std::size_t size)
        : socket_(std::move(socket)), size_(size)
    {
    }

    void read()
    {
        auto self = shared_from_this();

        socket_.async_read_some(asio::buffer(buffer_, size_),
                                [self](std::error_code error, std::size_t n) {
                                    if (!error)
                                        self->write(n);
                                });
    }

  private:
    void write(std::size_t n)
    {
        auto self = shared_from_this();

        asio::async_write(socket_, asio::buffer(buffer_, n),
                          [self](std::error_code error, std::size_t) {
                              if (!error)
                                  self->read();
                          });
    }

    tcp::socket socket_;
    std::size_t size_;
    std::array<char, 4096> buffer_;
};

class server
{
  public:
    server(unsigned short port, std::size_t size)
        : acceptor_(context_), size_(size)
    {
        tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);

        acceptor_.open(endpoint.protocol());
        acceptor_.set_option(reuse_port(true));
        acceptor_.bind(endpoint);
        acceptor_.listen(512);
        accept();
    }

    unsigned short port() const
    {
        return acceptor_.local_endpoint().port();
    }

    void run()
    {
        context_.run();
    }

  private:
    void accept()
    {
        acceptor_.async_accept(
            [this](std::error_code error, tcp::socket socket) {
                if (!error)
                    std::make_shared<session>(std::move(socket), size_)->read();
                accept();
            });
    }

    asio::io_context context_{ 1 };
    tcp::acceptor acceptor_;
    std::size_t size_;
};

static uint64_t echo(unsigned engines, uint64_t size)
{
    std::vector<std::unique_ptr<server>> servers;
    std::vector<std::thread> threads;
    unsigned short port = 0;

    for (unsigned i = 0; i < engines; i++) {
        servers.push_back(std::make_unique<server>(port, size));
        port = servers[0]->port();
    }
    for (unsigned i = 1; i < engines; i++)
        threads.emplace_back([&servers, i] { servers[i]->run(); });
    peer_listens(port);
    servers[0]->run();
    return 0;
}

static const peer_test tests[] = { PEER_MAIL_TESTS, { "echo", echo } };

int main()
{
    int code = peer_main(tests, sizeof tests / sizeof tests[0]);

    /* The contexts run on: there is nothing to be taken back. */
    std::_Exit(code);
}
