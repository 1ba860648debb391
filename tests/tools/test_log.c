/* SPDX-License-Identifier: MIT */
/* Events between tasks, and the log that holds nobody up. */
#include <errno.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "log.h"
#include "runner/test.h"

static struct event event;
static int woken;
static int order[3];

static int wait_for_event(void *arg)
{
    CHECK_OK(event_wait(&event, GYRE_NEVER));
    order[woken++] = *(int *)arg;
    return 0;
}

static int signal_three(void *arg)
{
    static int ids[] = { 1, 2, 3 };
    gyre_scope scope;

    (void)arg;
    event_init(&event);
    gyre_scope_open(&scope, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_OK(gyre_spawn(&scope, wait_for_event, &ids[i]));
    CHECK_OK(gyre_yield());
    for (int i = 1; i <= 3; i++) {
        event_signal(&event);
        CHECK_OK(gyre_sleep(1));
        CHECK_EQ(woken, i);
        CHECK_EQ(order[i - 1], i);
    }
    event_signal(&event); /* nobody waits: nothing is kept for later */
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_ERR(event_wait(&event, gyre_loop_now(gyre_loop_current()) + 1),
              -ETIME);
    return 0;
}

KERNEL_TEST2(W2_an_event_wakes_one_task_in_order_of_waiting)
{
    woken = 0;
    CHECK_OK(gyre_run(NULL, signal_three, NULL));
}

static int wait_cancelled(void *arg)
{
    gyre_scope *scope = arg;
    gyre_scope_options options = { .deadline_ns = 1 };
    gyre_scope past;

    (void)scope;
    event_init(&event);
    gyre_scope_open(&past, &options);
    CHECK_ERR(event_wait(&event, GYRE_NEVER), -ETIME);
    CHECK(list_is_empty(&event.waiters));
    CHECK_ERR(gyre_scope_close(&past), -ETIME);
    return 0;
}

KERNEL_TEST2(W2_waiting_for_an_event_ends_with_the_scope)
{
    CHECK_OK(gyre_run(NULL, wait_cancelled, NULL));
}

/* ---- the log ------------------------------------------------------------- */

static struct log log_;

static int write_lines(void *arg)
{
    gyre_scope scope;
    int count = *(int *)arg;

    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, log_run, &log_));
    for (int i = 0; i < count; i++) {
        char line[32];
        int size = snprintf(line, sizeof line, "line %d\n", i);

        log_put(&log_, span_of(line, (size_t)size));
        if (i % 100 == 0)
            CHECK_OK(gyre_yield());
    }
    log_stop(&log_);
    return gyre_scope_close(&scope);
}

KERNEL_TEST2(W2_log_lines_come_out_whole_and_in_order)
{
    char path[256];
    char line[64];
    int count = 400; /* less than the ring holds */
    FILE *file;

    snprintf(path, sizeof path, "%s/log", test_directory());

    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_OK(log_open(&log_, fd, 2 * LOG_LINE_MAX));
    CHECK_OK(gyre_run(NULL, write_lines, &count));
    log_close(&log_);
    CHECK_EQ(log_.dropped, 0);
    file = fdopen(fd, "r");
    CHECK(file != NULL);
    rewind(file);
    for (int i = 0; i < count; i++) {
        int number = -1;

        CHECK(fgets(line, sizeof line, file) != NULL);
        CHECK_EQ(sscanf(line, "line %d", &number), 1);
        CHECK_EQ(number, i);
    }
    CHECK(fgets(line, sizeof line, file) == NULL);
    fclose(file);
}

/* Fill a ring that nobody empties; then empty it, and read what it says. */
static int overfill(void *arg)
{
    int *pipe_fds = arg;
    gyre_scope scope;
    char line[100];
    static char out[1 << 20];
    size_t used = 0;
    ssize_t n;

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, log_run, &log_));
    for (int i = 0; i < 2000; i++) {
        log_put(&log_, span_of(line, sizeof line));
        CHECK_OK(gyre_yield());
    }
    CHECK_GT(log_.dropped, 0);

    /* Read all that comes until the note. */
    while (used < sizeof out - 1 &&
           (n = gyre_read(pipe_fds[0], out + used, sizeof out - 1 - used,
                          GYRE_CURRENT_POSITION)) > 0) {
        used += (size_t)n;
        out[used] = '\0';
        if (strstr(out, " lines of the log were dropped") != NULL)
            break;
    }
    CHECK_STR_HAS(out, "gyre: ");
    CHECK_STR_HAS(out, " lines of the log were dropped");
    /* A reader that goes away ends the log, and nothing else. */
    CHECK_OK(gyre_close(pipe_fds[0]));
    log_put(&log_, span_of(line, sizeof line));
    CHECK_OK(gyre_scope_close(&scope));
    CHECK_EQ(log_.fd, -1);
    return 0;
}

KERNEL_TEST2(W2_a_stuck_log_drops_counts_and_says_so)
{
    int fds[2];

    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    fcntl(fds[1], F_SETPIPE_SZ, 4096);
    CHECK_OK(log_open(&log_, fds[1], 2 * LOG_LINE_MAX));
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    CHECK_OK(gyre_run(NULL, overfill, fds));
    log_close(&log_);
    close(fds[1]);
}

static int stuck(void *arg)
{
    gyre_scope_options options = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_scope scope;
    char line[100];

    (void)arg;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    gyre_scope_open(&scope, &options);
    CHECK_OK(gyre_spawn(&scope, log_run, &log_));
    for (int i = 0; i < 80; i++)
        log_put(&log_, span_of(line, sizeof line));
    log_stop(&log_);
    gyre_scope_set_deadline(&scope,
                            gyre_loop_now(gyre_loop_current()) + 100 * GYRE_MS);
    CHECK_ERR(gyre_scope_close(&scope), -ETIME);
    return 0;
}

KERNEL_TEST2(W2_a_stuck_log_ends_at_the_deadline)
{
    int fds[2];

    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    fcntl(fds[1], F_SETPIPE_SZ, 4096);
    CHECK_OK(log_open(&log_, fds[1], 4 * LOG_LINE_MAX));
    CHECK_OK(gyre_run(NULL, stuck, NULL));
    log_close(&log_);
    close(fds[0]);
    close(fds[1]);
}
