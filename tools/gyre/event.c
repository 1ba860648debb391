/* SPDX-License-Identifier: MIT */
/* event.c - see event.h */
#include "event.h"

#include <errno.h>
#include <gyre/task.h>

struct waiter {
    struct list link;
    gyre_scope scope;
};

void event_init(struct event *event)
{
    list_init(&event->waiters);
}

void event_signal(struct event *event)
{
    struct list *link = list_take_first(&event->waiters);

    if (link != NULL)
        gyre_scope_cancel(&CONTAINER_OF(link, struct waiter, link)->scope);
}

int event_wait(struct event *event, uint64_t deadline_ns)
{
    struct waiter waiter = { .link = { 0 } };

    gyre_scope_open(&waiter.scope, NULL);
    list_append(&event->waiters, &waiter.link);

    int result = gyre_sleep_until(deadline_ns);
    /* Off the list: a signal came, and the scope was cancelled for it. */
    bool signalled = !list_is_linked(&waiter.link);

    if (!signalled)
        list_remove(&waiter.link);

    int error = gyre_scope_close(&waiter.scope);

    if (signalled)
        return gyre_cancelled();
    return result != 0 ? result : error != 0 ? error : -ETIME;
}
