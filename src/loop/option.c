/* SPDX-License-Identifier: MIT */
/*
 * option.c - options by their names, and what a loop has of them
 */
#include "loop/option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "loop/loop.h"

#define NUMBER(member) OPTION_NUMBER, offsetof(gyre_loop_options, member)
#define FLAG(member) OPTION_FLAG, offsetof(gyre_loop_options, member)

const struct option_row option_table[] = {
    { "entries", NUMBER(entries), "256", "any",
      "Places of the submission queue: how much one turn submits at most.",
      "What does not fit waits in the loop's backlog, in order. More than "
      "32768: `-EINVAL`, or with `clamp` 32768. Short of memory it may become "
      "less, down to 64.",
      "64 bytes of locked memory each" },
    { "cq_entries", NUMBER(cq_entries), "2 × `entries`, at least 1024", "5.5",
      "Places of the completion queue.",
      "What does not fit is kept by the kernel, and costs a system call more "
      "(`overflows` in the statistics).",
      "16 bytes each" },
    { "clamp", FLAG(clamp), "no", "any",
      "Take the most entries there are instead of refusing more.", "–", "–" },
    { "dispatch_max", NUMBER(dispatch_max), "256", "any",
      "Completions dispatched in a turn before the other phases have theirs.",
      "The rest is dispatched in the next turn, which does not sleep.", "–" },
    { "ready_max", NUMBER(ready_max), "256", "any",
      "Pieces of ready work (tasks, posts, timers) run in a turn.",
      "The rest is run in the next turn, which does not sleep.", "–" },
    { "blocking_threads_max", NUMBER(blocking_threads_max), "8", "any",
      "Threads for blocking calls and for emulated requests that may block.",
      "What no thread is free for waits in a queue. More than 1024: "
      "`-EINVAL`.",
      "–" },
    { "blocking_queue_max", NUMBER(blocking_queue_max), "no limit", "any",
      "Blocking calls that may wait for a thread.",
      "One more ends with `-EAGAIN`; emulated requests wait always.", "–" },
    { "blocking_idle_ms", NUMBER(blocking_idle_ms), "5000", "any",
      "How long a thread that has nothing to do stays.",
      "Then it ends, the last one, too. The next call makes one.", "–" },
    { "blocking_pool", OPTION_OTHER, 0, "threads of its own", "any",
      "The threads of a pool that several loops use (`gyre_blocking_pool`).",
      "Its bounds hold for all of them together. `-EINVAL` beside the three "
      "above.",
      "–" },
    { "in_flight_max", NUMBER(in_flight_max), "no limit", "any",
      "Ops that the kernel has at a time.",
      "The others wait in the backlog, in order.", "–" },
    { "backlog_max", NUMBER(backlog_max), "no limit", "any",
      "Length of the backlog from which `gyre_op_try_start()` refuses.",
      "`-EAGAIN` from it; `gyre_op_start()` and tasks are never refused.",
      "–" },
    { "restriction", OPTION_OTHER, 0, "anything", "5.10",
      "What the loop may do: ops, flags, registrations, what opens and sockets "
      "may say (`gyre_restriction`). Makes the ring `restrictable`.",
      "What is not permitted ends with `-EACCES`. What ops say Linux itself "
      "looks at from 7.0 on (CONNECT 7.2), gyre always; with `strict` an older "
      "Linux is refused.",
      "–" },
    { "best_effort", FLAG(ring.best_effort), "no", "any",
      "Make the loop without those of the following that are refused.", "–",
      "–" },
    { "spin_us", NUMBER(ring.spin_us), "0", "none",
      "How many microseconds the loop looks for results before it sleeps, if "
      "they came that soon of late.",
      "More than 1000000: `-EINVAL`. Refused by the emulator, whose results "
      "come by entering only.",
      "20 at 64 echoing connections: within the noise; with `sqpoll` see "
      "there" },
    { "movable", FLAG(ring.movable), "no", "any",
      "The loop may change its thread: `gyre_loop_hand_over()`.",
      "Takes deferred and cooperative work away. Refused by nobody.", "–" },
    { "shared", FLAG(ring.shared), "no", "any",
      "Other threads put their ops into the ring themselves while the loop "
      "sleeps (`gyre_op_start_remote()`).",
      "Takes deferred and cooperative work away. Refused by the emulator.",
      "PERFORMANCE.md, “When to share”" },
    { "share_workers", NUMBER(ring.share_workers), "no", "5.6; 5.12",
      "Rings with the same number have one polling thread, and its workers.",
      "Refused without `sqpoll`, since a thread's rings share workers anyway, "
      "and by the emulator. Chains of more than 8 ops: `-E2BIG`.",
      "one thread in place of one for each ring" },
    { "sqpoll", FLAG(ring.sqpoll), "no", "5.11; 5.13 without privileges",
      "A thread of Linux's looks for requests: a busy loop submits without "
      "system calls.",
      "Takes deferred and cooperative work away, which it excludes. "
      "`-EAGAIN` where no thread may be had (`ulimit -u`). Refused by the "
      "emulator.",
      "`gyre serve`, 300 requests one after the other, with `spin_us` too: "
      "3 calls of io_uring_enter instead of 1513 (`tests/scripts/sqpoll.sh`), "
      "for one processor more that is busy" },
    { "sqpoll_idle_ms", NUMBER(ring.sqpoll_idle_ms), "1000", "5.11",
      "How long that thread goes on looking without finding any.",
      "Then it sleeps, and the next request wakes it by a system call.", "–" },
    { "sqpoll_bound", FLAG(ring.sqpoll_bound), "no", "5.11",
      "Bind that thread to processor `sqpoll_cpu`.",
      "Refused without `sqpoll`, and for a processor that is not there.", "–" },
    { "sqpoll_cpu", NUMBER(ring.sqpoll_cpu), "0", "5.11",
      "The number of that processor.", "–", "–" },
    { "huge_pages", FLAG(ring.huge_pages), "no", "6.5",
      "Both queues lie in memory of gyre's own, in huge pages where Linux "
      "gives "
      "them.",
      "2 MiB at least. With it `cq_entries_max` is refused. Refused by the "
      "emulator.",
      "likewise: 0.94 to 0.99, within the noise" },
    { "sq_rewind", FLAG(ring.sq_rewind), "no", "7.0",
      "Requests are submitted from the first places of the queue each time, "
      "which stay in the processor's cache.",
      "Refused with `sqpoll`, and by the emulator; with it `cq_entries_max` is "
      "refused.",
      "not measured: tried on Linux 7.2 in a virtual machine only" },
    { "cq_entries_max", NUMBER(ring.cq_entries_max), "no growth", "6.13",
      "The completion queue doubles, up to so many places, before more "
      "completions can come than it holds.",
      "A power of two, at most 65536. Refused without `DEFER_TASKRUN` (so with "
      "`sqpoll`), and by the emulator.",
      "500 completions at once, 8 places: no overflow (a test asserts it)" },
    { "min_wait_us", NUMBER(ring.min_wait_us), "no", "6.12",
      "Under load, wait so long for as many completions as the turn before "
      "had, instead of for the first.",
      "A turn with less than four completions is no load. Refused by the "
      "emulator.",
      "20 at 64 echoing connections: 0.03 system calls a request instead of "
      "0.1 to 0.3, processor time 1.0 to 1.2 (`gyre bench echo --loop "
      "min_wait_us=20`)" },
    { "registered_waits", FLAG(ring.registered_waits), "no", "6.13",
      "Arguments of waits lie in a page that Linux knows.",
      "Refused by the emulator.",
      "a NOP at a time with a timer armed: 0.89 of the processor time (`gyre "
      "bench nop --case timed --loop registered_waits`)" },
    { "napi_us", NUMBER(ring.napi_us), "no", "6.9",
      "Before it sleeps, Linux asks the network devices of the sockets in use "
      "for packets, so long.",
      "From 7.1 at most 10000. Refused where Linux is built without "
      "`CONFIG_NET_RX_BUSY_POLL`, and by the emulator.",
      "not measured: loopback has no device to ask" },
    { "napi_prefer", FLAG(ring.napi_prefer), "no", "6.9",
      "And keeps the devices' interrupts off meanwhile.",
      "Refused without `napi_us`.", "not measured: likewise" },
    { "restrictable", FLAG(ring.restrictable), "no", "5.10",
      "The ring may be restricted until it first runs: "
      "`gyre_loop_restrict()`, `gyre_sandbox()`.",
      "Rings with deferred work (6.1) may be in any case; emulated ones, too.",
      "–" },
    { "iowq_bounded", NUMBER(ring.iowq_bounded), "Linux's choice", "5.15",
      "Linux's threads for requests that block for a bounded time: files.",
      "Further requests queue. Shared by all rings of the thread. Refused by "
      "the emulator, which has `blocking_threads_max`.",
      "–" },
    { "iowq_unbounded", NUMBER(ring.iowq_unbounded), "Linux's choice", "5.15",
      "Linux's threads for requests that may block for ever: terminals, "
      "sockets.",
      "Likewise.", "–" },
    { "iowq_cpus", OPTION_OTHER, 0, "Linux's choice", "5.14",
      "The processors that those threads may use.",
      "Refused if this process may use none of them, and by the emulator.",
      "–" },
    { "big_cqes", FLAG(ring.big_cqes), "no", "5.19",
      "Completions of 32 bytes, for `gyre_op_extra()`.",
      "Refused beside `mixed_cqes`, and by the emulator.",
      "32 NOPs at a time: 1.03 of the processor time (`gyre bench nop --loop "
      "big_cqes`)" },
    { "mixed_cqes", FLAG(ring.mixed_cqes), "no", "6.18",
      "Completions of 16 bytes, and of 32 where a request wants it.",
      "Refused beside `big_cqes`, and by the emulator. A large one takes "
      "two "
      "places of `cq_entries`.",
      "likewise: 1.02" },
    { "big_sqes", FLAG(ring.big_sqes), "no", "5.19",
      "Requests of 128 bytes, for a `gyre_op128`.",
      "Refused beside `mixed_sqes`, and by the emulator. Without either "
      "such "
      "an op ends with `-EOPNOTSUPP`.",
      "likewise: 1.00 to 1.01" },
    { "mixed_sqes", FLAG(ring.mixed_sqes), "no", "6.19",
      "Requests of 64 bytes, and of 128 where an op is a `gyre_op128`.",
      "Refused beside `big_sqes`, and by the emulator. A large one takes "
      "two "
      "places of `entries`, of which there are at least two.",
      "not measured: tried on Linux 7.2 in a virtual machine only" },
    { "iopoll", FLAG(ring.iopoll), "no", "any",
      "Reads and writes with `RWF_HIPRI` are polled for, by a second ring.",
      "Refused by the emulator. Needs `O_DIRECT` and a disk with queues for "
      "it: else such a read ends with `-EOPNOTSUPP`.",
      "not measured: tried on the disk of a virtual machine only" },
    { "hybrid_iopoll", FLAG(ring.hybrid_iopoll), "no", "6.13",
      "And half of the expected time is slept.",
      "Refused without `iopoll`, and by the emulator.",
      "not measured: likewise" },
};
const size_t option_count = ARRAY_SIZE(option_table);

static _Thread_local char sentence[160];

static int refuse(const char **why, const char *format, int length,
                  const char *name)
{
    snprintf(sentence, sizeof sentence, format, length, name);
    if (why != NULL)
        *why = sentence;
    return -EINVAL;
}

static const struct option_row *find(const char *name, size_t length)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_row *row = &option_table[i];

        if (row->type != OPTION_OTHER && strlen(row->name) == length &&
            memcmp(row->name, name, length) == 0)
            return row;
    }
    return NULL;
}

/* The decimal number of `length` digits; false: it is none, or too large. */
static bool read_number(const char *text, size_t length, unsigned *number)
{
    uint64_t value = 0;

    if (length == 0 || length > 10)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *number = (unsigned)value;
    return value <= UINT32_MAX;
}

void option_put(gyre_loop_options *options, const struct option_row *row,
                unsigned value)
{
    void *member = (char *)options + row->offset;

    ASSERT(row->type != OPTION_OTHER);
    if (row->type == OPTION_FLAG)
        *(bool *)member = value != 0;
    else
        *(unsigned *)member = value;
}

/* One "name" or "name=number". */
static int set_one(gyre_loop_options *options, const char *text, size_t length,
                   const char **why)
{
    const char *equals = memchr(text, '=', length);
    size_t name = equals != NULL ? (size_t)(equals - text) : length;
    const struct option_row *row = find(text, name);
    unsigned number = 1;

    if (row == NULL)
        return refuse(why,
                      "%.*s is no option of a loop: docs/OPTIONS.md and "
                      "gyre doctor --options name them",
                      (int)name, text);
    if (equals == NULL && row->type != OPTION_FLAG)
        return refuse(why, "%.*s needs a number after a =", (int)name, text);
    if (equals != NULL && !read_number(equals + 1, length - name - 1, &number))
        return refuse(why, "%.*s: the value is no number below 2^32",
                      (int)length, text);
    option_put(options, row, number);
    return 0;
}

int gyre_loop_options_set(gyre_loop_options *options, const char *text,
                          const char **why)
{
    int err = 0;

    while (err == 0 && *text != '\0') {
        size_t length = strcspn(text, ",");

        err = set_one(options, text, length, why);
        text += length;
        text += *text == ',';
    }
    return err;
}

unsigned option_get(const gyre_loop_options *options,
                    const struct option_row *row)
{
    const void *member = (const char *)options + row->offset;

    ASSERT(row->type != OPTION_OTHER);
    return row->type == OPTION_FLAG ? *(const bool *)member
                                    : *(const unsigned *)member;
}

/* As the options say it: no limit is 0. */
static unsigned limit_of(uint64_t limit)
{
    return limit == UINT64_MAX ? 0 : (unsigned)limit;
}

void gyre_loop_get_options(const gyre_loop *loop, gyre_loop_options *options)
{
    struct kernel *kernel = loop->kernel;
    struct gyre_blocking_pool *shared = loop->blocking_pool;
    struct kernel_pool pool = { 0 };

    ASSERT_API(options->size == sizeof *options,
               "gyre_loop_options.size is to be sizeof(gyre_loop_options)");
    if (kernel->class->pool != NULL)
        kernel->class->pool(kernel, &pool);
    *options = (gyre_loop_options){
        .size = sizeof *options,
        .entries = kernel->sq.entries,
        .cq_entries = kernel->cq.entries,
        .clamp = loop->clamp,
        .dispatch_max = loop->dispatch_max,
        .ready_max = loop->ready_max,
        .blocking_threads_max = shared != NULL ? 0 : pool.threads_max,
        .blocking_queue_max = shared != NULL ? 0 : pool.queue_max,
        .blocking_idle_ms = shared != NULL ? 0 : pool.idle_ms,
        .blocking_pool = shared,
        .in_flight_max = limit_of(loop->in_flight_max),
        .backlog_max = limit_of(loop->queue_max),
        .ring = kernel->ring,
    };
}
