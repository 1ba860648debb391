/* SPDX-License-Identifier: MIT */
/*
 * advice.c - the table, and which of its rows are about a release
 *
 * In the order of the releases that have the fault first. A fault that was
 * mended in several series at once has a range for each. Where nobody knows
 * when it was mended, the range ends with what was seen.
 */
#include "ring/advice.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"

#define ALWAYS                                                                 \
    {                                                                          \
        {                                                                      \
            0, ADVICE_NO_END                                                   \
        }                                                                      \
    }

const struct advice advice_table[] = {
    {
        .name = "few_requests",
        .ranges = { { 0, RELEASE(5, 6, 0) } },
        .no_ring = true,
        .trouble = "few operations and no way to ask for them; completions "
                   "that get stuck, updates of files that hang",
        .remedy = "the emulated kernel",
        .source = "liburing#205, liburing#256",
    },
    {
        .name = "exit_deadlock",
        .ranges = { { RELEASE(5, 6, 0), RELEASE(5, 10, 162) } },
        .no_ring = true,
        .trouble = "lock-ups, and deadlocks when a process ends (seen on 5.8 "
                   "and 5.10.13)",
        .remedy = "the emulated kernel",
        .source = "liburing#294, liburing#301",
    },
    {
        .name = "sqpoll_spins",
        .ranges = { { 0, RELEASE(5, 10, 186) } },
        .without = "sqpoll",
        .trouble = "the thread of SQPOLL spins",
        .remedy = "no SQPOLL",
        .source = "libuv#4093",
    },
    {
        .name = "owner_dead",
        .ranges = { { 0, RELEASE(5, 14, 0) } },
        .no_ring = true,
        .trouble = "io_uring_enter ends with EOWNERDEAD for no reason",
        .remedy = "the emulated kernel",
        .source = "libuv#4002",
    },
    {
        .name = "wait_limit",
        .ranges = { { 0, RELEASE(5, 15, 0) } },
        .no_ring = true,
        .without = "timed_wait",
        .trouble = "a wait with a limit of time may outlast it",
        .remedy = "the emulated kernel; on a ring that was asked for, the "
                  "limit is a request of its own",
        .source = "PhotonLibOS, iouring-wrapper.cpp",
    },
    {
        .name = "small_machines",
        .ranges = { { 0, RELEASE(6, 1, 51) } },
        .machines = "arm ppc64 parisc",
        .no_ring = true,
        .trouble = "rings shared with Linux are seen wrong on 32-bit Arm, "
                   "PowerPC and PA-RISC",
        .remedy = "the emulated kernel",
        .source = "libuv#4187, libuv#4285, libuv#4224",
    },
    {
        .name = "android_kills",
        .ranges = ALWAYS,
        .maker = RELEASE_OF_ANDROID,
        .trouble = "the filter of apps kills whoever makes a ring",
        .remedy = "a child tries first, and then it is the emulated kernel",
        .source = "libuv#4016",
    },
    {
        .name = "close_keeps_busy",
        .ranges = { { RELEASE(5, 10, 0), RELEASE(5, 15, 90) },
                    { RELEASE(5, 16, 0), RELEASE(6, 1, 0) } },
        .without = "op_close",
        .trouble = "a file that was written and closed by the ring cannot be "
                   "executed for a while: ETXTBSY",
        .remedy = "close(2), beside the ring",
        .source = "libuv#4059, libuv#4141",
    },
    {
        .name = "wait_jiffies",
        .ranges = { { RELEASE(5, 15, 0), RELEASE(5, 15, 100) },
                    { RELEASE(5, 16, 0), RELEASE(5, 17, 0) } },
        .without = "timed_wait",
        .trouble = "a wait with a limit of time is rounded up to a jiffy, of 4 "
                   "ms mostly",
        .remedy = "the limit is a request of its own",
        .source = "liburing#531, PhotonLibOS#176",
    },
    {
        .name = "poll_loses",
        .ranges = { { RELEASE(5, 15, 70), RELEASE(5, 15, 87) } },
        .no_ring = true,
        .trouble = "polls lose events",
        .remedy = "the emulated kernel",
        .source = "lxd#11228",
    },
    {
        .name = "storm_of_no_buffers",
        .ranges = { { RELEASE(6, 1, 7), RELEASE(6, 1, 8) } },
        .without = "recv_multishot",
        .trouble = "a multishot recvmsg ends with ENOBUFS again and again",
        .remedy = "multishot receives, and groups of buffers, beside the ring",
        .source = "liburing#778",
    },
    {
        .name = "idle_is_iowait",
        .ranges = { { RELEASE(6, 1, 39), RELEASE(6, 2, 0) },
                    { RELEASE(6, 5, 0), RELEASE(6, 15, 0) } },
        .trouble = "an idle wait is counted as a wait for a disk",
        .remedy = "nothing: it is only shown so, and costs nothing; from 6.15 "
                  "on gyre asks for NO_IOWAIT",
        .source = "liburing#943",
    },
    {
        .name = "unkillable",
        .ranges = { { RELEASE(6, 1, 115), RELEASE(6, 1, 116) },
                    { RELEASE(6, 6, 58), RELEASE(6, 6, 60) } },
        .no_ring = true,
        .trouble = "when more completions come than the queue holds, the "
                   "process may get stuck in Linux, and cannot be killed",
        .remedy = "the emulated kernel",
        .source = "node#55587, liburing#1289",
    },
    {
        .name = "unkillable_amazon",
        .ranges = { { RELEASE(6, 1, 115), RELEASE(6, 1, 119) } },
        .maker = RELEASE_OF_AMAZON,
        .no_ring = true,
        .trouble = "the same in Amazon Linux 2023",
        .remedy = "the emulated kernel",
        .source = "amazon-linux-2023#840, amazon-linux-2023#856",
    },
    {
        .name = "coop_with_sqpoll",
        .ranges = { { RELEASE(6, 4, 0), RELEASE(6, 5, 0) } },
        .trouble = "COOP_TASKRUN together with SQPOLL is refused",
        .remedy = "gyre never asks for both",
        .source = "PhotonLibOS, iouring-wrapper.cpp (6.4.12)",
    },
    {
        .name = "read_multishot_loses",
        .ranges = { { RELEASE(6, 7, 0), RELEASE(6, 12, 0) } },
        .without = "op_read_multishot",
        .trouble = "a multishot read overlooks that there is more, and of a "
                   "file without NOWAIT loses the number of its buffer",
        .remedy = "a read for each result",
        .source = "liburing#1041, liburing#1257",
    },
    {
        .name = "sqpoll_outlives",
        .ranges = { { RELEASE(6, 8, 0), RELEASE(6, 9, 0) } },
        .maker = RELEASE_OF_UBUNTU,
        .without = "sqpoll",
        .trouble = "a killed process with SQPOLL does not end",
        .remedy = "no SQPOLL",
        .source = "paperclip#3340",
    },
    {
        .name = "bundle_cut",
        .ranges = { { RELEASE(6, 10, 0), RELEASE(7, 1, 0) } },
        .trouble = "a bundle may cut short the buffer at its end, and not tell "
                   "that there is more in it",
        .remedy = "gyre counts for itself what lies in the buffers of a group",
        .source = "pull request \"io_uring fixes for 7.1-final\"",
    },
    {
        .name = "read_select_twice",
        .ranges = { { RELEASE(6, 12, 0), RELEASE(6, 13, 0) } },
        .trouble = "of two reads that wait for buffers of one group, one may "
                   "fail and be told the other's buffer (mended in a later "
                   "6.12)",
        .remedy = "the program: gyre_recv() on sockets, or the multishot read",
        .source = "liburing#1530",
    },
    {
        .name = "incremental_reads",
        .ranges = { { RELEASE(6, 12, 0), RELEASE(7, 0, 0) } },
        .trouble = "multishot reads into incremental buffers end with EINVAL, "
                   "or do not tell that there is more in the buffer (seen on "
                   "6.16.9 and 6.19.4)",
        .remedy = "gyre's iterators of reads take no incremental group",
        .source = "liburing#1545, liburing#1548",
    },
    {
        .name = "incremental_messages",
        .ranges = { { RELEASE(6, 12, 0), RELEASE(6, 12, 89) },
                    { RELEASE(6, 13, 0), RELEASE(7, 1, 0) } },
        .trouble = "a multishot recvmsg into an incremental buffer ends with "
                   "EFAULT when little of the buffer is left (mended in later "
                   "6.18 and 7.0, too)",
        .remedy = "gyre's iterators of messages take no incremental group",
        .source = "liburing#1433",
    },
    {
        .name = "minimum_wait",
        .ranges = { { RELEASE(6, 12, 0), RELEASE(7, 1, 0) } },
        .trouble = "a minimum wait counts one completion wrong",
        .remedy = "nothing: a turn counts again what there is",
        .source = "pull request \"io_uring fixes for 7.1-final\"",
    },
    {
        .name = "bundle_order",
        .ranges = { { RELEASE(6, 13, 11), RELEASE(6, 14, 9) } },
        .without = "recv_bundle",
        .trouble = "the bytes of a bundle come in the wrong order",
        .remedy = "a buffer for each completion",
        .source = "liburing#1409, liburing#1411",
    },
    {
        .name = "bundle_order_incremental",
        .ranges = { { RELEASE(6, 13, 11), RELEASE(6, 15, 0) } },
        .without = "recv_bundle",
        .trouble = "the same in incremental buffers",
        .remedy = "a buffer for each completion",
        .source = "liburing#1423",
    },
    {
        .name = "reads_fill_up",
        .ranges = { { RELEASE(6, 15, 0), RELEASE(6, 15, 5) } },
        .without = "stream_reads",
        .trouble = "a read of an eventfd, a timer or the like is taken for one "
                   "of a file, and waits until the buffer is full",
        .remedy = "reads at no offset are done beside the ring; the wake is a "
                  "poll on every Linux",
        .source = "libxev#171, ghostty#7731",
    },
    {
        .name = "slow",
        .ranges = { { RELEASE(6, 15, 0), RELEASE(6, 15, 5) } },
        .trouble = "io_uring is very slow",
        .remedy = "the machine's owner: 6.15.5 or later",
        .source = "xanmod-WSL2#130",
    },
    {
        .name = "slots_stray",
        .ranges = { { RELEASE(6, 15, 0), RELEASE(7, 0, 0) } },
        .trouble = "when a slot outside of the range for automatic ones was "
                   "filled or emptied, an automatic slot may lie outside, too "
                   "(seen on 6.18.15; mended in later 6.18)",
        .remedy = "the program: automatic slots only, once there is a range; "
                  "or GYRE_WITHOUT=sparse_files, for a table of gyre's own",
        .source = "Linux a6bded921ed3",
    },
    {
        .name = "futex_wake_lost",
        .ranges = { { RELEASE(6, 17, 0), RELEASE(6, 18, 0) } },
        .without = "op_futex_wait,op_futex_waitv",
        .trouble = "a private wait begun before the first thread was made is "
                   "never woken",
        .remedy = "waits on futexes beside the ring; the wake is no futex on "
                  "every Linux",
        .source = "zio#402",
    },
    {
        .name = "empty_datagram",
        .ranges = { { RELEASE(6, 18, 0), RELEASE(6, 19, 0) } },
        .trouble = "a SEND or SENDMSG that has to wait for the queue of a Unix "
                   "datagram receiver sends an empty datagram, and its result "
                   "is 0 (maybe on others, too)",
        .remedy = "the program: gyre_write() on a connected socket",
        .source = "seen on 6.18",
    },
    {
        .name = "zero_copy_receive_full",
        .ranges = { { RELEASE(6, 18, 1), RELEASE(6, 18, 2) } },
        .trouble = "a receive without copying that met ENOSPC never goes on",
        .remedy = "the program: register the queue again",
        .source = "liburing#1515",
    },
};

const unsigned advice_count = ARRAY_SIZE(advice_table);

static bool is_in(const struct advice_range *range, unsigned number)
{
    return number >= range->first && number < range->end;
}

/* Does the machine's name begin with one of the words? */
static bool is_one_of(const char *words, const char *machine)
{
    while (*words != '\0') {
        size_t length = strcspn(words, " ");

        /* "arm", but not "arm64", as some call aarch64 */
        if (strncmp(words, machine, length) == 0 &&
            strcmp(machine, "arm64") != 0)
            return true;
        words += length;
        words += strspn(words, " ");
    }
    return false;
}

bool advice_is_for(const struct advice *advice, const struct release *release)
{
    /* Its io_uring is a later mainline's than its number. */
    if (release->number == 0 || release->maker == RELEASE_OF_RED_HAT)
        return false;
    if (advice->maker != RELEASE_OF_ANYBODY && advice->maker != release->maker)
        return false;
    if (advice->machines != NULL &&
        !is_one_of(advice->machines, release->machine))
        return false;
    for (unsigned i = 0; i < ADVICE_RANGES; i++) {
        if (is_in(&advice->ranges[i], release->number))
            return true;
    }
    return false;
}

const struct advice *advice_against_rings(void)
{
    for (unsigned i = 0; i < advice_count; i++) {
        if (advice_table[i].no_ring &&
            advice_is_for(&advice_table[i], release_here()))
            return &advice_table[i];
    }
    return NULL;
}
