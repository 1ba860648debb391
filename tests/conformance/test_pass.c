/* SPDX-License-Identifier: MIT */
/*
 * test_pass.c - files that go from one loop's table into another's
 *
 * Between tables of each kind: Linux's, and those in user space, also beside a
 * ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "ring/feature.h"
#include "stage.h"

enum { SLOTS = 4 };

struct inbox {
    gyre_receiver receiver;
    unsigned count;
    unsigned values;
    int last;
};

static void got_value(gyre_receiver *receiver, int32_t value)
{
    struct inbox *inbox = receiver->user;

    (void)value;
    inbox->values++;
}

static void got_slot(gyre_receiver *receiver, int handle)
{
    struct inbox *inbox = receiver->user;

    CHECK(gyre_is_slot(handle));
    inbox->count++;
    inbox->last = handle;
}

static gyre_address inbox_open(struct inbox *inbox, gyre_loop *loop)
{
    memset(inbox, 0, sizeof *inbox);
    CHECK_OK(gyre_receiver_open(&inbox->receiver, loop, got_value, inbox));
    gyre_receiver_take_slots(&inbox->receiver, got_slot);
    return gyre_receiver_address(&inbox->receiver);
}

static void await_count(gyre_loop *loop, const struct inbox *inbox,
                        unsigned count)
{
    while (inbox->count < count)
        CHECK_OK(gyre_loop_run(loop, GYRE_RUN_ONCE));
}

static void settle(gyre_loop *loop)
{
    for (int i = 0; i < 4; i++)
        stage_turn(loop);
}

static uint32_t used(gyre_loop *loop)
{
    gyre_slots_stats stats = { .size = sizeof stats };

    gyre_slots_get_stats(loop, &stats);
    return stats.used;
}

static int pass(gyre_loop *from, gyre_address to, int handle, uint32_t slot)
{
    struct call call;

    gyre_op_message_slot(&call.op, to, handle, slot);
    (void)call_run(from, &call);
    return gyre_op_slot(&call.op, call.result);
}

/* The writing end of a pipe into slot 0; the other end is given. */
static int fill_slot(gyre_loop *loop)
{
    int fds[2];

    make_pipe(fds);
    CHECK_EQ(gyre_slots_set(loop, 0, &fds[1], 1), 1);
    CHECK_OK(close(fds[1]));
    CHECK_OK(fcntl(fds[0], F_SETFL, O_NONBLOCK));
    return fds[0];
}

static void empty_slot(gyre_loop *loop, uint32_t slot)
{
    int none = GYRE_SLOT_EMPTY;

    CHECK_EQ(gyre_slots_set(loop, slot, &none, 1), 1);
}

static void await_eof(gyre_loop *loop, int fd)
{
    char byte;

    while (read(fd, &byte, 1) != 0)
        stage_turn(loop);
}

static gyre_loop *open_without(const char *without)
{
    gyre_loop *loop;

    if (strncmp(test_kernel(), "uring", 5) == 0)
        CHECK_EQ(ring_features_restrict(without), 0u);
    loop = stage_open(16);
    return loop;
}

struct both {
    gyre_loop *from, *to;
};

/* Each body, between tables of each kind that this kernel may have. */
static void every_way(void (*body)(const struct both *both))
{
    static const char *const ways[][2] = {
        { "", "" },
        { "sparse_files", "" },
        { "", "sparse_files" },
        { "sparse_files", "sparse_files,send_msg_ring" },
        { "op_msg_ring", "op_msg_ring" },
    };
    size_t count = strcmp(test_kernel(), "emu") == 0 ? 1 : COUNT_OF(ways);

    for (size_t i = 0; i < count; i++) {
        struct both both = { open_without(ways[i][0]),
                             open_without(ways[i][1]) };

        body(&both);
        gyre_loop_destroy(both.from);
        if (both.to != NULL)
            gyre_loop_destroy(both.to);
    }
}

static void make_tables(const struct both *both)
{
    CHECK_OK(gyre_slots_create(both->from, SLOTS));
    CHECK_OK(gyre_slots_create(both->to, SLOTS));
}

static void write_through(gyre_loop *loop, int handle, int reader)
{
    struct call call;
    char byte = 0;

    gyre_op_write(&call.op, handle, "x", 1, GYRE_CURRENT_POSITION);
    CHECK_EQ(call_run(loop, &call), 1);
    CHECK_EQ(read(reader, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
}

static void passed(const struct both *both)
{
    struct inbox inbox;
    gyre_address to;
    int reader, old;

    make_tables(both);
    to = inbox_open(&inbox, both->to);
    reader = fill_slot(both->from);
    for (unsigned i = 0; i < SLOTS; i++) {
        CHECK_EQ(pass(both->from, to, gyre_slot_handle(0), GYRE_SLOT_ANY),
                 gyre_slot_handle(i));
        await_count(both->to, &inbox, i + 1);
        CHECK_EQ(inbox.last, gyre_slot_handle(i));
        CHECK_EQ(used(both->to), i + 1);
        write_through(both->to, inbox.last, reader);
    }
    /* It is still there, and there is no more room here. */
    write_through(both->from, gyre_slot_handle(0), reader);
    CHECK_ERR(pass(both->from, to, gyre_slot_handle(0), GYRE_SLOT_ANY),
              -ENFILE);
    for (uint32_t i = 0; i < SLOTS; i++)
        empty_slot(both->to, i);

    /* By number, over what is in it. */
    old = fill_slot(both->to);
    CHECK_EQ(pass(both->from, to, gyre_slot_handle(0), 0), gyre_slot_handle(0));
    await_count(both->to, &inbox, SLOTS + 1);
    CHECK_EQ(inbox.last, gyre_slot_handle(0));
    CHECK_EQ(used(both->to), 1u);
    await_eof(both->to, old);
    write_through(both->to, inbox.last, reader);
    CHECK_EQ(pass(both->from, to, gyre_slot_handle(0), SLOTS - 1),
             gyre_slot_handle(SLOTS - 1));
    await_count(both->to, &inbox, SLOTS + 2);
    CHECK_EQ(inbox.last, gyre_slot_handle(SLOTS - 1));
    CHECK_EQ(inbox.values, 0u);

    /* It goes when the last slot goes. */
    empty_slot(both->from, 0);
    empty_slot(both->to, 0);
    write_through(both->to, inbox.last, reader);
    empty_slot(both->to, SLOTS - 1);
    await_eof(both->to, reader);
    gyre_receiver_close(&inbox.receiver);
    CHECK_OK(close(reader));
    CHECK_OK(close(old));
}

KERNEL_TEST(D7_D8_a_file_goes_from_table_to_table)
{
    every_way(passed);
}

static void refused(const struct both *both)
{
    int handle = gyre_slot_handle(0), reader;
    gyre_address to, self, wrong;
    struct inbox inbox, own;
    int fds[2];

    make_pipe(fds);
    CHECK_OK(gyre_slots_create(both->from, SLOTS));
    reader = fill_slot(both->from);
    to = inbox_open(&inbox, both->to);
    self = inbox_open(&own, both->from);

    /* Nobody has a table there, nor maybe turned yet. */
    CHECK_ERR(pass(both->from, to, handle, GYRE_SLOT_ANY), -ENFILE);
    CHECK_ERR(pass(both->from, to, handle, 1), -ENXIO);
    stage_turn(both->to);
    CHECK_ERR(pass(both->from, to, handle, GYRE_SLOT_ANY), -ENFILE);
    CHECK_ERR(pass(both->from, to, handle, 1), -ENXIO);

    CHECK_OK(gyre_slots_create(both->to, SLOTS));
    CHECK_ERR(pass(both->from, to, gyre_slot_handle(1), 1), -EBADF);
    CHECK_ERR(pass(both->from, to, gyre_slot_handle(SLOTS), 1), -EBADF);
    CHECK_ERR(pass(both->from, to, fds[0], 1), -EBADF);
    CHECK_ERR(pass(both->from, to, -1, 1), -EBADF);
    CHECK_ERR(pass(both->from, to, handle, SLOTS), -EINVAL);
    CHECK_ERR(pass(both->from, to, handle, GYRE_SLOTS_MAX), -EINVAL);
    CHECK_ERR(pass(both->from, to, handle, UINT32_MAX - 1), -EINVAL);
    CHECK_ERR(pass(both->from, self, handle, GYRE_SLOT_ANY), -EINVAL);
    wrong = to;
    wrong.loop = fds[0];
    CHECK_ERR(pass(both->from, wrong, handle, 1), -EBADFD);
    memset(&wrong, 0, sizeof wrong);
    CHECK_ERR(pass(both->from, wrong, handle, 1), -EBADF);
    settle(both->to);
    settle(both->from);
    CHECK_EQ(inbox.count + own.count, 0u);
    CHECK_EQ(used(both->to), 0u);
    CHECK_EQ(used(both->from), 1u);
    empty_slot(both->from, 0);
    await_eof(both->from, reader);
    gyre_receiver_close(&inbox.receiver);
    gyre_receiver_close(&own.receiver);
    close_both(fds);
    CHECK_OK(close(reader));
}

KERNEL_TEST(D7_D8_what_cannot_be_passed_says_why)
{
    every_way(refused);
}

static void too_late(const struct both *both)
{
    struct inbox inbox, other;
    gyre_address to;
    int reader;

    make_tables(both);
    reader = fill_slot(both->from);
    to = inbox_open(&inbox, both->to);
    /* It is in the slot when its receiver goes, and another is opened. */
    CHECK_GE(pass(both->from, to, gyre_slot_handle(0), GYRE_SLOT_ANY), 0);
    CHECK_GE(pass(both->from, to, gyre_slot_handle(0), 3), 0);
    gyre_receiver_close(&inbox.receiver);
    (void)inbox_open(&other, both->to);
    settle(both->to);
    CHECK_GE(pass(both->from, to, gyre_slot_handle(0), GYRE_SLOT_ANY), 0);
    settle(both->to);
    /* Nor for one that takes none. */
    gyre_receiver_take_slots(&other.receiver, NULL);
    CHECK_GE(pass(both->from, gyre_receiver_address(&other.receiver),
                  gyre_slot_handle(0), GYRE_SLOT_ANY),
             0);
    settle(both->to);
    CHECK_EQ(inbox.count + other.count, 0u);
    CHECK_EQ(used(both->to), 0u);
    empty_slot(both->from, 0);
    await_eof(both->to, reader);
    gyre_receiver_close(&other.receiver);
    CHECK_OK(close(reader));
}

KERNEL_TEST(D7_D8_a_file_for_nobody_is_let_go)
{
    every_way(too_late);
}

static void ended(const struct both *both)
{
    struct both *ends = (struct both *)(uintptr_t)both;
    struct inbox inbox;
    gyre_address to;
    int reader;

    make_tables(both);
    reader = fill_slot(both->from);
    to = inbox_open(&inbox, both->to);
    CHECK_GE(pass(both->from, to, gyre_slot_handle(0), GYRE_SLOT_ANY), 0);
    CHECK_GE(pass(both->from, to, gyre_slot_handle(0), 3), 0);
    gyre_loop_destroy(both->to);
    ends->to = NULL;
    CHECK_ERR(pass(both->from, to, gyre_slot_handle(0), 3), -EBADF);
    CHECK_EQ(inbox.count, 0u);
    empty_slot(both->from, 0);
    await_eof(both->from, reader);
    CHECK_OK(close(reader));
}

KERNEL_TEST(D7_D8_a_loop_ends_with_files_on_their_way)
{
    every_way(ended);
}

/* ---- many threads -------------------------------------------------------- */

enum { SENDERS = 3, FLOOD_SLOTS = 16 };

struct flood {
    gyre_address to;
    unsigned each;
};

/* Room comes back by and by. */
static int pass_many(void *arg)
{
    const struct flood *flood = arg;
    unsigned sent = 0;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int result;

    CHECK_GE(fd, 0);
    CHECK_OK(gyre_slots_create(gyre_loop_current(), 1));
    CHECK_EQ(gyre_slots_set(gyre_loop_current(), 0, &fd, 1), 1);
    CHECK_OK(close(fd));
    while (sent < flood->each) {
        result = gyre_message_send_slot(flood->to, gyre_slot_handle(0),
                                        GYRE_SLOT_ANY);
        if (result >= 0)
            sent++;
        else
            CHECK_ERR(result, -ENFILE);
    }
    return 0;
}

static void *run_sender(void *arg)
{
    CHECK_OK(gyre_run(NULL, pass_many, arg));
    return NULL;
}

static void close_it(gyre_receiver *receiver, int handle)
{
    struct inbox *inbox = receiver->user;

    inbox->count++;
    empty_slot(gyre_loop_current(), gyre_slot_number(handle));
}

static void flooded(const struct both *both)
{
    struct flood flood = { .each = 300 / test_scale() };
    pthread_t threads[SENDERS];
    struct inbox inbox;

    CHECK_OK(gyre_slots_create(both->to, FLOOD_SLOTS));
    flood.to = inbox_open(&inbox, both->to);
    gyre_receiver_take_slots(&inbox.receiver, close_it);
    for (int i = 0; i < SENDERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_sender, &flood), 0);
    await_count(both->to, &inbox, SENDERS * flood.each);
    for (int i = 0; i < SENDERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    settle(both->to);
    CHECK_EQ(inbox.count, SENDERS * flood.each);
    CHECK_EQ(used(both->to), 0u);
    gyre_receiver_close(&inbox.receiver);
}

KERNEL_TEST(D7_D8_no_file_is_lost_when_slots_run_out)
{
    every_way(flooded);
}
