/* SPDX-License-Identifier: MIT */
/*
 * What comes in, by iterators: every byte, message and connection once and in
 * order, with a bound, whatever ends it; and what was not taken is disposed of.
 * On every kernel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mem/hall.h"
#include "ring/feature.h"

static int send_total(void *arg)
{
    struct hall *hall = arg;
    uint64_t sent = 0;

    while (sent < hall->total) {
        size_t size = 5000 - sent % 977;

        if (size > hall->total - sent)
            size = hall->total - sent;
        CHECK_OK(gyre_send_all(hall->pair[1], bytes_from(sent), size, 0));
        sent += size;
    }
    CHECK_OK(gyre_shutdown(hall->pair[1], SHUT_WR));
    return 0;
}

static void take_total(struct hall *hall)
{
    gyre_slice slice;
    uint64_t got = 0;
    int n;

    while ((n = gyre_incoming_next(&hall->in, &slice)) > 0) {
        CHECK_EQ(n, (int)slice.size);
        check_bytes(slice.data, slice.size, got);
        got += slice.size;
        gyre_slice_release(&slice);
        gyre_slice_release(&slice);
    }
    CHECK_OK(n);
    CHECK_EQ(got, hall->total);
    CHECK_OK(gyre_incoming_next(&hall->in, &slice));
    gyre_incoming_close(&hall->in);
    gyre_incoming_close(&hall->in);
}

static int stream_body(void *arg)
{
    bool incremental = arg != NULL;
    gyre_incoming_options options = { .cap = 20000 };
    struct hall hall;

    hall_open(&hall, 8, 2048, incremental);
    hall.total = 2000000 / test_scale();
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), send_total, &hall));
    take_total(&hall);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_I6_a_stream_comes_whole_and_in_order)
{
    must_run(stream_body, NULL);
}

KERNEL_TEST(I6_so_it_does_into_buffers_that_are_filled_bit_by_bit)
{
    static char yes;

    must_run(stream_body, &yes);
}

/* ---- a bound ------------------------------------------------------------- */

struct flood {
    struct hall hall;
    uint64_t sent;
    uint64_t peak; /* bytes of the pool */
    bool ended;
};

static int pour(void *arg)
{
    struct flood *flood = arg;

    while (flood->sent < flood->hall.total) {
        size_t size = PERIOD;
        ssize_t n;

        if (size > flood->hall.total - flood->sent)
            size = (size_t)(flood->hall.total - flood->sent);
        n = gyre_send(flood->hall.pair[1], bytes_from(flood->sent), size, 0);
        if (n < 0)
            return (int)n;
        flood->sent += (uint64_t)n;
    }
    return 0;
}

static void note_peak(struct flood *flood)
{
    gyre_pool_stats stats = { .size = sizeof stats };

    gyre_pool_get_stats(flood->hall.pool, &stats);
    if (stats.bytes_peak > flood->peak)
        flood->peak = stats.bytes_peak;
}

/* Until the sender gets no further: turns pass, and nothing is sent. */
static void until_still(struct flood *flood)
{
    unsigned still = 0;
    uint64_t before = 0;

    while (still < 20) {
        CHECK_OK(gyre_sleep(GYRE_MS));
        still = flood->sent == before ? still + 1 : 0;
        before = flood->sent;
    }
}

/*
 * 1 GB to who reads slowly: a KiB, then the others may do as much as they like.
 * Under sanitizers less is sent.
 */
static int slow_body(void *arg)
{
    enum { COUNT = 16, SIZE = 4096, CAP = 2 * COUNT * SIZE };
    gyre_incoming_options options = { .cap = CAP };
    struct flood flood;
    gyre_slice slice;
    uint64_t got = 0;
    int room = 0;

    (void)arg;
    memset(&flood, 0, sizeof flood);
    hall_open(&flood.hall, COUNT, SIZE, false);
    flood.hall.total = (UINT64_C(1) << 30) / (test_scale() * test_scale());
    CHECK_OK(gyre_incoming_recv(&flood.hall.in, flood.hall.pair[0],
                                flood.hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), pour, &flood));
    CHECK_GT(gyre_incoming_next(&flood.hall.in, &slice), 0);
    until_still(&flood);
    /* Nobody takes anything: the sender's socket is full, and waits. */
    CHECK_LT(flood.sent, flood.hall.total);
    CHECK_OK(ioctl(flood.hall.pair[0], FIONREAD, &room));
    CHECK_GT(room, 0);
    CHECK_GT(flood.hall.in.stops_, 0u);
    for (;;) {
        int n;

        check_bytes(slice.data, slice.size, got);
        got += slice.size;
        gyre_slice_release(&slice);
        note_peak(&flood);
        if (got == flood.hall.total)
            break;
        if (got % 61 == 0)
            CHECK_OK(gyre_yield());
        n = gyre_incoming_next(&flood.hall.in, &slice);
        CHECK_GT(n, 0);
    }
    /* Those that were with the kernel before, the cap, the slice at hand. */
    CHECK_LE(flood.peak, (uint64_t)COUNT * SIZE + CAP + SIZE);
    gyre_incoming_close(&flood.hall.in);
    hall_close(&flood.hall);
    return 0;
}

TEST_WITH(C6_J6_a_gigabyte_to_a_slow_reader_takes_no_more_than_the_cap,
          .kernels = TEST_URING | TEST_EMU, .timeout_s = 120)
{
    must_run(slow_body, NULL);
}

/* ---- bundles ------------------------------------------------------------- */

static int bundle_body(void *arg)
{
    gyre_incoming_options options = { .cap = 100000, .bundle = true };
    struct hall hall;

    (void)arg;
    hall_open(&hall, 32, 512, false);
    hall.total = 2000000 / test_scale();
    CHECK_OK(gyre_incoming_recv(&hall.in, hall.pair[0], hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), send_total, &hall));
    take_total(&hall);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C7_a_stream_comes_whole_in_bundles_of_buffers)
{
    must_run(bundle_body, NULL);
}

/* ---- reading ------------------------------------------------------------- */

static int write_total(void *arg)
{
    struct hall *hall = arg;
    uint64_t sent = 0;

    while (sent < hall->total) {
        size_t size = 3000 - sent % 977;
        ssize_t n;

        if (size > hall->total - sent)
            size = hall->total - sent;
        n = gyre_write(hall->pair[1], bytes_from(sent), size,
                       GYRE_CURRENT_POSITION);
        CHECK_GT(n, 0);
        sent += (uint64_t)n;
    }
    CHECK_OK(gyre_close(hall->pair[1]));
    return 0;
}

static int read_body(void *arg)
{
    gyre_incoming_options options = { .cap = 20000 };
    struct hall hall;
    int fd;

    (void)arg;
    hall_open(&hall, 8, 2048, false);
    pair_close(hall.pair);
    CHECK_OK(pipe2(hall.pair, O_CLOEXEC | O_NONBLOCK));
    hall.total = 500000 / test_scale();
    CHECK_OK(gyre_incoming_read(&hall.in, hall.pair[0], hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), write_total, &hall));
    take_total(&hall);
    fd = dup(hall.pair[0]);
    CHECK_EQ(fd, hall.pair[1]); /* for hall_close() */
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(B6_what_is_written_to_a_pipe_is_read_whole_and_in_order)
{
    must_run(read_body, NULL);
}

/* ---- messages ------------------------------------------------------------ */

struct mail {
    struct hall hall;
    struct sockaddr_in to;
    int udp[2];
};

static int send_mail(void *arg)
{
    struct mail *mail = arg;

    for (unsigned i = 0; i < 200; i++)
        CHECK_EQ(sendto(mail->udp[1], bytes_from(i), i % 50, 0,
                        (struct sockaddr *)&mail->to, sizeof mail->to),
                 (int)(i % 50));
    return 0;
}

static void udp_open(struct mail *mail)
{
    socklen_t size = sizeof mail->to;

    for (int i = 0; i < 2; i++) {
        struct sockaddr_in address = { .sin_family = AF_INET };

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        mail->udp[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(mail->udp[i] >= 0);
        CHECK_OK(
            bind(mail->udp[i], (struct sockaddr *)&address, sizeof address));
    }
    CHECK_OK(getsockname(mail->udp[0], (struct sockaddr *)&mail->to, &size));
}

static int mail_body(void *arg)
{
    gyre_incoming_options options = {
        .cap = 8 * 256, .address_size = sizeof(struct sockaddr_in)
    };
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    struct mail mail;
    gyre_incoming in;

    (void)arg;
    hall_open(&mail.hall, 4, 256, false);
    udp_open(&mail);
    CHECK_OK(getsockname(mail.udp[1], (struct sockaddr *)&from, &size));
    CHECK_OK(
        gyre_incoming_recvmsg(&in, mail.udp[0], mail.hall.group, &options));
    CHECK_OK(gyre_spawn(gyre_scope_current(), send_mail, &mail));
    for (unsigned i = 0; i < 200; i++) {
        gyre_message message;
        gyre_slice slice;

        CHECK_EQ(gyre_incoming_next_message(&in, &message, &slice), 1);
        CHECK_EQ(message.size, i % 50);
        CHECK_MEM_EQ(message.data, bytes_from(i), i % 50);
        CHECK_EQ(message.name_size, (unsigned)sizeof from);
        CHECK_EQ(((const struct sockaddr_in *)message.name)->sin_port,
                 from.sin_port);
        CHECK_EQ(message.flags, 0);
        gyre_slice_release(&slice);
        if (i % 3 == 0)
            CHECK_OK(gyre_yield());
    }
    gyre_incoming_close(&in);
    CHECK_OK(close(mail.udp[0]));
    CHECK_OK(close(mail.udp[1]));
    hall_close(&mail.hall);
    return 0;
}

KERNEL_TEST(C6_messages_come_one_by_one_with_their_senders)
{
    must_run(mail_body, NULL);
}

static int cut_body(void *arg)
{
    gyre_incoming_options options = { .control_size = 240 };
    struct hall hall;
    gyre_message message;
    gyre_slice slice;

    (void)arg;
    hall_open(&hall, 4, 256, false);
    options.control_size = 240;
    CHECK_ERR(
        gyre_incoming_recvmsg(&hall.in, hall.pair[0], hall.group, &options),
        -EINVAL);
    gyre_incoming_close(&hall.in);
    options = (gyre_incoming_options){ .control_size = 140, .stream = true };
    CHECK_OK(
        gyre_incoming_recvmsg(&hall.in, hall.pair[0], hall.group, &options));
    CHECK_EQ(write(hall.pair[1], bytes_from(0), 150), 150);
    CHECK_EQ(gyre_incoming_next_message(&hall.in, &message, &slice), 1);
    CHECK_EQ(message.size, 100u);
    CHECK_MEM_EQ(message.data, bytes_from(0), 100);
    gyre_slice_release(&slice);
    CHECK_EQ(gyre_incoming_next_message(&hall.in, &message, &slice), 1);
    CHECK_EQ(message.size, 50u);
    gyre_slice_release(&slice);
    CHECK_OK(shutdown(hall.pair[1], SHUT_WR));
    CHECK_OK(gyre_incoming_next_message(&hall.in, &message, &slice));
    CHECK_OK(gyre_incoming_next_message(&hall.in, &message, &slice));
    gyre_incoming_close(&hall.in);
    hall_close(&hall);
    return 0;
}

KERNEL_TEST(C6_messages_of_a_stream_are_as_large_as_their_buffers_and_end)
{
    must_run(cut_body, NULL);
}

/* ---- connections --------------------------------------------------------- */

enum { CALLERS = 40 };

struct door {
    struct sockaddr_in address;
    int listener;
    int callers[CALLERS];
};

static void door_open(struct door *door)
{
    door->listener = listen_open(&door->address, CALLERS);
}

static void knock(struct door *door, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        door->callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(door->callers[i] >= 0);
        CHECK_OK(connect(door->callers[i], (struct sockaddr *)&door->address,
                         sizeof door->address));
    }
}

static void door_close(struct door *door)
{
    for (unsigned i = 0; i < CALLERS; i++)
        CHECK_OK(close(door->callers[i]));
    CHECK_OK(close(door->listener));
}

static int accept_body(void *arg)
{
    gyre_incoming_options options = { .cap = 4, .flags = SOCK_NONBLOCK };
    gyre_incoming in;
    struct door door;

    (void)arg;
    door_open(&door);
    CHECK_OK(gyre_incoming_accept(&in, door.listener, &options));
    knock(&door, 0, CALLERS / 2);
    for (unsigned i = 0; i < CALLERS / 2; i++) {
        int fd = gyre_incoming_next_fd(&in);

        CHECK_GE(fd, 0);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        CHECK_OK(close(fd));
    }
    /* What is not taken is closed, by the iterator or with the listener. */
    knock(&door, CALLERS / 2, CALLERS);
    CHECK_OK(gyre_sleep(GYRE_MS));
    gyre_incoming_close(&in);
    door_close(&door);
    return 0;
}

/* The runner counts descriptors. */
KERNEL_TEST(C2_R2_connections_come_one_by_one_and_the_rest_are_closed)
{
    must_run(accept_body, NULL);
}

static int accept_short_body(void *arg)
{
    struct rlimit limit, low;
    gyre_incoming in;
    struct door door;
    int fds[CALLERS];

    (void)arg;
    door_open(&door);
    CHECK_OK(gyre_incoming_accept(&in, door.listener, NULL));
    CHECK_OK(gyre_sleep(GYRE_MS));
    knock(&door, 0, CALLERS);
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    low = limit;
    low.rlim_cur = (rlim_t)door.callers[CALLERS - 1] + 6;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
    for (unsigned i = 0; i < CALLERS;) {
        int fd = gyre_incoming_next_fd(&in);

        if (fd >= 0) {
            fds[i++] = fd;
            continue;
        }
        CHECK_ERR(fd, -EMFILE);
        CHECK_GT(i, 0u);
        CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    }
    for (unsigned i = 0; i < CALLERS; i++)
        CHECK_OK(close(fds[i]));
    gyre_incoming_close(&in);
    door_close(&door);
    return 0;
}

KERNEL_TEST(C2_running_out_of_descriptors_is_told_and_the_next_call_goes_on)
{
    if (test_on_valgrind())
        TEST_SKIP("valgrind has its own limit of descriptors");
    must_run(accept_short_body, NULL);
}

/* ---- an older Linux ------------------------------------------------------ */

static void on_rung(const char *without)
{
    static char yes;

    CHECK_EQ(ring_features_restrict(without), 0u);
    must_run(stream_body, NULL);
    must_run(stream_body, &yes);
    must_run(bundle_body, NULL);
    must_run(read_body, NULL);
    must_run(mail_body, NULL);
    must_run(cut_body, NULL);
    must_run(accept_body, NULL);
    CHECK_EQ(ring_features_restrict(NULL), 0u);
}

KERNEL_TEST_ON(B6_C2_C6_C7_I6_all_of_it_without_rings_of_buffers, TEST_URING)
{
    on_rung("buf_ring");
}

KERNEL_TEST_ON(B6_C2_C6_C7_all_of_it_without_multishot_receives, TEST_URING)
{
    on_rung("recv_multishot");
}

KERNEL_TEST_ON(B6_C2_C7_I6_all_of_it_without_what_is_new, TEST_URING)
{
    on_rung("op_read_multishot");
    on_rung("recv_bundle,buf_ring_inc");
    on_rung("accept_multishot");
    on_rung("registered_buffers");
}
