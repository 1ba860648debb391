/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - names become addresses, for tasks
 *
 * The op is on the heap: a task that leaves while the C library is asked leaves
 * it behind (detached.c).
 */
#include <gyre/resolve.h>

#include <errno.h>
#include <gyre/detached.h>

#include "base/alloc.h"
#include "io/call.h"
#include "loop/resolve.h"

static void op_drop(void *arg, int result)
{
    gyre_resolve_op *op = arg;

    (void)result;
    gyre_endpoints_free(op->addresses);
    alloc_free(op);
}

int gyre_resolve(const char *name, const char *service,
                 const gyre_resolve_options *options, gyre_endpoints **found)
{
    gyre_task *task = task_running();
    gyre_resolve_op *op;
    int err;

    *found = NULL;
    if (task_cancelled(task) != 0)
        return task_cancelled(task);
    op = alloc_aligned(_Alignof(gyre_resolve_op), sizeof *op);
    if (op == NULL)
        return -ENOMEM;
    err = gyre_resolve_op_fill(op, name, service, options);
    if (err == 0 && op->addresses == NULL) {
        err = gyre_detached_call(resolve_work, op, op_drop);
        if (err == -ECANCELED || err == -ETIME)
            return err; /* it is dropped there */
    }
    *found = op->addresses;
    alloc_free(op);
    return err;
}
