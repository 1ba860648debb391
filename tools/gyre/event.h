/* SPDX-License-Identifier: MIT */
/*
 * event.h - let tasks of one loop wait for one another
 *
 * An event has no state of its own. A task that waits for it sleeps in a scope,
 * and a signal cancels that scope: no descriptor, no system call, no memory
 * beyond the waiter's stack. A signal wakes one task, the one that has waited
 * for longest; it looks for itself whether what it waited for is still there.
 */
#ifndef GYRE_TOOL_EVENT_H
#define GYRE_TOOL_EVENT_H

#include <gyre/scope.h>

#include "base/list.h"

struct event {
    struct list waiters;
};

void event_init(struct event *event);

/* Wake the first task that waits, if there is one. */
void event_signal(struct event *event);

/* Wait for the next signal. 0; -ETIME after the deadline; -ECANCELED or -ETIME
 * when the task's scope is cancelled. */
int event_wait(struct event *event, uint64_t deadline_ns);

#endif
