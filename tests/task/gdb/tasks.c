/* SPDX-License-Identifier: MIT */
/*
 * tasks.c - ten tasks that wait in different calls, for tests/scripts/gdb.sh
 *
 * When all of them wait, all_wait() is called: there the debugger stops, and
 * writes the core that it looks at next.
 */
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/socket.h>

#define NOINLINE __attribute__((noinline))

NOINLINE void all_wait(void);

static volatile int after;
static int pair[2];
static gyre_mutex mutex = GYRE_MUTEX_INIT;
static gyre_event event = GYRE_EVENT_INIT;
static gyre_semaphore semaphore;

void all_wait(void)
{
    after = after + 1;
}

static NOINLINE int receive_deep(int fd)
{
    char byte;
    int n = (int)gyre_recv(fd, &byte, 1, 0);

    after = after + fd;
    return n;
}

static int receiver(void *arg)
{
    int n = receive_deep(*(int *)arg);

    after = after + 1;
    return n < 0 ? 0 : n;
}

static int sleeper(void *arg)
{
    (void)arg;
    (void)gyre_sleep(3600 * GYRE_SECOND);
    after = after + 1;
    return 0;
}

static int holder(void *arg)
{
    if (gyre_mutex_lock(&mutex) < 0)
        return 0;
    (void)gyre_sleep(GYRE_NEVER);
    gyre_mutex_unlock(&mutex);
    (void)arg;
    return 0;
}

static int locker(void *arg)
{
    (void)arg;
    if (gyre_mutex_lock(&mutex) == 0)
        gyre_mutex_unlock(&mutex);
    after = after + 1;
    return 0;
}

static int event_waiter(void *arg)
{
    (void)arg;
    (void)!gyre_event_wait(&event, NULL);
    after = after + 1;
    return 0;
}

static int acquirer(void *arg)
{
    (void)arg;
    (void)!gyre_semaphore_acquire(&semaphore, 1);
    after = after + 1;
    return 0;
}

static int joiner(void *arg)
{
    (void)!gyre_join(arg, NULL);
    after = after + 1;
    return 0;
}

static int with_child(gyre_scope *scope, void *arg)
{
    const gyre_task_options options = { .name = "child" };
    gyre_task *task;

    return gyre_spawn_with(scope, &options, sleeper, arg, &task);
}

static int opener(void *arg)
{
    (void)gyre_scope_run(NULL, with_child, arg);
    after = after + 1;
    return 0;
}

static int yielder(void *arg)
{
    (void)arg;
    while (gyre_yield() == 0)
        ;
    return 0;
}

static int poller(void *arg)
{
    (void)gyre_poll(*(int *)arg, 1 /* POLLIN */);
    after = after + 1;
    return 0;
}

static gyre_task *spawn(gyre_scope *scope, const char *name, gyre_task_fn *fn,
                        void *arg)
{
    const gyre_task_options options = { .name = name };
    gyre_task *task = NULL;

    if (gyre_spawn_with(scope, &options, fn, arg, &task) < 0)
        return NULL;
    return task;
}

static int main_task(void *arg)
{
    gyre_scope scope;
    gyre_task *target;
    int err;

    (void)arg;
    gyre_semaphore_init(&semaphore, 0, 0);
    gyre_scope_open(&scope, NULL);
    spawn(&scope, "receiver", receiver, &pair[0]);
    target = spawn(&scope, "sleeper", sleeper, NULL);
    spawn(&scope, "holder", holder, NULL);
    spawn(&scope, "locker", locker, NULL);
    spawn(&scope, "event-waiter", event_waiter, NULL);
    spawn(&scope, "acquirer", acquirer, NULL);
    spawn(&scope, "joiner", joiner, target);
    spawn(&scope, "opener", opener, NULL);
    spawn(&scope, "yielder", yielder, NULL);
    spawn(&scope, "poller", poller, &pair[1]);
    err = gyre_sleep(20 * GYRE_MS);
    all_wait();
    gyre_scope_cancel(&scope);
    return err == 0 ? gyre_scope_close(&scope) : err;
}

int main(void)
{
    int err = socketpair(AF_UNIX, SOCK_STREAM, 0, pair);

    if (err == 0)
        err = gyre_run(NULL, main_task, NULL);
    printf("%d\n", err);
    return err != 0;
}
