/* SPDX-License-Identifier: MIT */
/*
 * gyre/gyre.h - all of gyre
 *
 * An asynchronous I/O runtime for Linux. Two tiers, to be mixed freely:
 *
 *   completions  gyre/op.h, gyre/loop.h, gyre/timer.h, and what fills an op:
 *                gyre/op_file.h, gyre/op_path.h, gyre/op_splice.h,
 *                gyre/op_socket.h, gyre/op_poll.h,
 *                gyre/op_epoll.h, gyre/op_process.h, gyre/op_futex.h,
 *                gyre/op_command.h
 *   tasks        gyre/task.h, gyre/scope.h, gyre/stack.h,
 *                gyre/sync.h, gyre/channel.h, gyre/select.h, and the calls:
 *                gyre/file.h, gyre/direct.h, gyre/path.h, gyre/splice.h,
 *                gyre/socket.h, gyre/acceptor.h, gyre/listener.h, gyre/poll.h,
 *                gyre/epoll.h, gyre/process.h, gyre/futex.h,
 *                gyre/blocking.h, gyre/command.h, gyre/nvme.h,
 *                gyre/detached.h, gyre/parallel.h
 *   both         gyre/blocking_pool.h, gyre/dump.h, gyre/message.h,
 *                gyre/restrict.h, gyre/sandbox.h, gyre/stall.h,
 *                gyre/trace.h
 */
#ifndef GYRE_GYRE_H
#define GYRE_GYRE_H

#include <gyre/acceptor.h>
#include <gyre/alloc.h>
#include <gyre/blocking.h>
#include <gyre/blocking_pool.h>
#include <gyre/buffers.h>
#include <gyre/cancel.h>
#include <gyre/chain.h>
#include <gyre/channel.h>
#include <gyre/clock.h>
#include <gyre/command.h>
#include <gyre/detached.h>
#include <gyre/dial.h>
#include <gyre/direct.h>
#include <gyre/dump.h>
#include <gyre/engine.h>
#include <gyre/epoll.h>
#include <gyre/error.h>
#include <gyre/file.h>
#include <gyre/futex.h>
#include <gyre/incoming.h>
#include <gyre/intake.h>
#include <gyre/listener.h>
#include <gyre/loop.h>
#include <gyre/message.h>
#include <gyre/nvme.h>
#include <gyre/op.h>
#include <gyre/op_cancel.h>
#include <gyre/op_chain.h>
#include <gyre/op_command.h>
#include <gyre/op_epoll.h>
#include <gyre/op_file.h>
#include <gyre/op_futex.h>
#include <gyre/op_group.h>
#include <gyre/op_path.h>
#include <gyre/op_poll.h>
#include <gyre/op_pool.h>
#include <gyre/op_process.h>
#include <gyre/op_slot.h>
#include <gyre/op_small.h>
#include <gyre/op_socket.h>
#include <gyre/op_splice.h>
#include <gyre/op_timeout.h>
#include <gyre/parallel.h>
#include <gyre/path.h>
#include <gyre/poll.h>
#include <gyre/process.h>
#include <gyre/registered.h>
#include <gyre/resolve.h>
#include <gyre/restrict.h>
#include <gyre/ring.h>
#include <gyre/sandbox.h>
#include <gyre/scope.h>
#include <gyre/select.h>
#include <gyre/shutdown.h>
#include <gyre/slot.h>
#include <gyre/socket.h>
#include <gyre/splice.h>
#include <gyre/stack.h>
#include <gyre/stall.h>
#include <gyre/sync.h>
#include <gyre/task.h>
#include <gyre/timer.h>
#include <gyre/trace.h>
#include <gyre/types.h>
#include <gyre/write_queue.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GYRE_VERSION_MAJOR 0
#define GYRE_VERSION_MINOR 1
#define GYRE_VERSION_PATCH 0

/* The library's version, "0.1.0"; any thread. */
GYRE_API const char *gyre_version(void);

#ifdef __cplusplus
}
#endif

#endif
