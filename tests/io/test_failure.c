/* SPDX-License-Identifier: MIT */
/*
 * Errors reach the parent with the place they came from. On every kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/world.h"

static int recv_bad(void *arg)
{
    char byte;

    (void)arg;
    return (int)gyre_recv(-1, &byte, 1, 0);
}

static int child_fails(void *arg)
{
    gyre_failure failure;
    gyre_scope scope;
    char text[200];

    (void)arg;
    gyre_task_failure(&failure);
    CHECK_EQ(failure.error, 0);
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn_with(&scope, &(gyre_task_options){ .name = "client" },
                             recv_bad, NULL, &(gyre_task *){ NULL }));
    CHECK_ERR(gyre_scope_close(&scope), -EBADF);
    gyre_task_failure(&failure);
    CHECK_ERR(failure.error, -EBADF);
    CHECK_STR_EQ(failure.call, "RECV");
    CHECK_EQ(failure.fd, -1);
    CHECK_STR_EQ(failure.task, "client");
    CHECK(gyre_failure_text(&failure, text, sizeof text) > 0);
    CHECK_STR_EQ(text, "RECV: Bad file descriptor (task 'client')");
    CHECK_EQ(gyre_failure_text(&failure, text, 5), 41); /* as snprintf() */
    CHECK_STR_EQ(text, "RECV");
    return 0;
}

KERNEL_TEST(K8_the_call_that_failed_in_a_child_is_known_to_its_parent)
{
    must_run(child_fails, NULL);
}

static int parse(void *arg)
{
    (void)arg;
    return GYRE_FAIL(-EPROTO, "the header has no length");
}

static int level(gyre_scope *scope, void *arg)
{
    int depth = *(int *)arg;

    if (depth == 0)
        return gyre_spawn_with(scope, &(gyre_task_options){ .name = "parser" },
                               parse, NULL, &(gyre_task *){ NULL });
    depth--;
    return gyre_scope_run(NULL, level, &depth);
}

static int fails_deep(void *arg)
{
    int depth = 5;

    (void)arg;
    return gyre_scope_run(NULL, level, &depth);
}

KERNEL_TEST(K8_a_place_travels_through_scopes_to_the_run)
{
    gyre_failure failure;
    gyre_run_options options = { .failure = &failure };
    char text[300];

    CHECK_ERR(gyre_run(&options, fails_deep, NULL), -EPROTO);
    CHECK_ERR(failure.error, -EPROTO);
    CHECK_STR_EQ(failure.text, "the header has no length");
    CHECK_STR_EQ(failure.function, "parse");
    CHECK(strstr(failure.file, "test_failure.c") != NULL);
    CHECK_GT(failure.line, 0);
    CHECK_STR_EQ(failure.task, "parser");
    gyre_failure_text(&failure, text, sizeof text);
    CHECK_STR_HAS(text, "the header has no length (");
    CHECK_STR_HAS(text, "parse): Protocol error (task 'parser')");
}

static int fails_by_join(void *arg)
{
    gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_failure failure;
    gyre_scope scope;
    gyre_task *task;
    int result;

    (void)arg;
    gyre_scope_open(&scope, &go_on);
    CHECK_OK(gyre_spawn_with(&scope, &(gyre_task_options){ .name = "joined" },
                             recv_bad, NULL, &task));
    CHECK_OK(gyre_join(task, &result));
    CHECK_ERR(result, -EBADF);
    gyre_task_failure(&failure);
    CHECK_STR_EQ(failure.call, "RECV");
    CHECK_STR_EQ(failure.task, "joined");
    gyre_scope_failure(&scope, &failure);
    CHECK_ERR(failure.error, -EBADF);
    CHECK_ERR(gyre_scope_close(&scope), -EBADF);
    return 0;
}

KERNEL_TEST(K8_K5_a_join_brings_the_place_of_the_error)
{
    must_run(fails_by_join, NULL);
}

/* The error that is returned is not the one of the last call. */
static int returns_another(void *arg)
{
    char byte;

    (void)arg;
    CHECK_ERR(gyre_recv(-1, &byte, 1, 0), -EBADF);
    return -EIO;
}

static int no_place(void *arg)
{
    gyre_failure failure;
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, returns_another, NULL));
    CHECK_ERR(gyre_scope_close(&scope), -EIO);
    gyre_task_failure(&failure);
    CHECK_ERR(failure.error, -EIO);
    CHECK(failure.call == NULL && failure.file == NULL);
    CHECK_EQ(failure.fd, -1);
    CHECK_STR_EQ(failure.task, "task");
    return 0;
}

KERNEL_TEST(K8_no_place_is_made_up_for_an_error_that_has_none)
{
    must_run(no_place, NULL);
}

static int wrapped(void *arg)
{
    char byte;
    ssize_t n = gyre_recv(*(int *)arg, &byte, 1, 0);

    return n < 0 ? GYRE_FAIL((int)n, "no greeting") : 0;
}

static int call_and_text(void *arg)
{
    gyre_failure failure;
    gyre_scope scope;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)arg;
    gyre_scope_open(&scope, NULL);
    CHECK_OK(gyre_spawn(&scope, wrapped, &file));
    CHECK_ERR(gyre_scope_close(&scope), -ENOTSOCK);
    gyre_task_failure(&failure);
    CHECK_STR_EQ(failure.call, "RECV"); /* both the call and the sentence */
    CHECK_EQ(failure.fd, file);
    CHECK_STR_EQ(failure.text, "no greeting");
    CHECK_OK(gyre_close(file));
    return 0;
}

KERNEL_TEST(K8_a_sentence_adds_to_the_call_that_failed)
{
    must_run(call_and_text, NULL);
}

/* ---- results of many ----------------------------------------------------- */

static int result_of(void *arg)
{
    int n = *(int *)arg;

    for (int i = 0; i < n % 3; i++)
        CHECK_OK(gyre_yield());
    return n % 7 == 3 ? -n : n;
}

static int collect(void *arg)
{
    enum { COUNT = 50 };
    gyre_scope_options go_on = { .on_error = GYRE_ERROR_CONTINUES };
    gyre_task *tasks[COUNT];
    int numbers[COUNT];
    gyre_scope scope;

    (void)arg;
    gyre_scope_open(&scope, &go_on);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = i;
        CHECK_OK(
            gyre_spawn_with(&scope, NULL, result_of, &numbers[i], &tasks[i]));
    }
    for (int i = 0; i < COUNT; i++) {
        int result;

        CHECK_OK(gyre_join(tasks[i], &result));
        CHECK_EQ(result, i % 7 == 3 ? -i : i);
    }
    /* Of those with a yield fewer, 3 is the first to end in error. */
    CHECK_ERR(gyre_scope_error(&scope), -3);
    CHECK_ERR(gyre_scope_close(&scope), -3);
    return 0;
}

KERNEL_TEST(R4_K10_results_and_errors_of_all_children_are_collected)
{
    must_run(collect, NULL);
}

TEST(K8_a_run_that_fails_before_its_first_task_says_so)
{
    gyre_failure failure = { .error = 1 };
    gyre_run_options options = { .stack_size = 1, .failure = &failure };

    CHECK_ERR(gyre_run(&options, parse, NULL), -EINVAL);
    CHECK_ERR(failure.error, -EINVAL);
    CHECK_EQ(failure.fd, -1);
    CHECK(failure.call == NULL);
}

TEST(K8_a_failure_text_is_cut_only_where_the_caller_has_no_room)
{
    char path[300], text[400];
    gyre_failure failure = { .error = -EIO,
                             .fd = -1,
                             .file = path,
                             .function = "f",
                             .line = 7,
                             .task = "t" };
    const char end[] = ":7, f): Input/output error (task 't')";
    size_t length = strlen("failed (") + sizeof path - 1 + sizeof end - 1;

    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    CHECK_EQ(gyre_failure_text(&failure, text, sizeof text), (int)length);
    CHECK_STR_EQ(text + length - strlen(end), end);
    CHECK_EQ(gyre_failure_text(&failure, text, 100), (int)length);
    CHECK_EQ(strlen(text), 99u);
    CHECK_EQ(gyre_failure_text(&failure, NULL, 0), (int)length);
}
