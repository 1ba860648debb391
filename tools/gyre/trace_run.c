/* SPDX-License-Identifier: MIT */
/*
 * trace_run.c - see trace_run.h
 *
 * While the program runs, the keys that would end it end the program alone, and
 * what asks this process to end is passed on to it: its trace is then shown.
 */
#include "trace_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/share.h"
#include "watch/trace_file.h"

/* Beyond those that shells use for themselves. */
#define FD_LEAST 200

static volatile sig_atomic_t child;

int trace_make(const char *path, size_t bytes, const char *program)
{
    struct trace_mapping mapping = { NULL, 0 };
    int fd = path == NULL
                 ? memfd_create("gyre-trace", MFD_CLOEXEC)
                 : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int err;

    if (fd < 0)
        return -errno;
    err = trace_get(&mapping, fd, bytes);
    if (err < 0) {
        (void)close(fd);
        return err;
    }
    snprintf(mapping.file->program, sizeof mapping.file->program, "%s",
             program);
    share_unmap(mapping.file, mapping.size);
    return fd;
}

static void pass_on(int number)
{
    if (child > 0)
        (void)kill((pid_t)child, number);
}

/* What is ignored stays so, here and in the program: nohup(1) and shells that
 * start programs in the background mean it. */
static void take_signal(int number, const struct sigaction *action,
                        sigset_t *taken)
{
    struct sigaction before;

    if (sigaction(number, NULL, &before) < 0 || before.sa_handler == SIG_IGN)
        return;
    (void)sigaction(number, action, NULL);
    sigaddset(taken, number);
}

static void take_signals(sigset_t *taken)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    const struct sigaction pass = { .sa_handler = pass_on,
                                    .sa_flags = SA_RESTART };

    sigemptyset(taken);
    take_signal(SIGINT, &ignore, taken);
    take_signal(SIGQUIT, &ignore, taken);
    take_signal(SIGTERM, &pass, taken);
    take_signal(SIGHUP, &pass, taken);
}

/* The descriptor as the program gets it; its number is in the environment. */
static int publish(int trace_fd)
{
    char number[16];
    int fd = fcntl(trace_fd, F_DUPFD, FD_LEAST);

    if (fd < 0) /* RLIMIT_NOFILE is that low */
        fd = fcntl(trace_fd, F_DUPFD, STDERR_FILENO + 1);
    if (fd < 0)
        return -errno;
    snprintf(number, sizeof number, "%d", fd);
    if (setenv("GYRE_TRACE", number, 1) < 0) {
        (void)close(fd);
        return -ENOMEM;
    }
    return fd;
}

/* A positive errno, or 0. What was taken from the program it gets back. */
static int spawn(pid_t *pid, char **argv, const sigset_t *mask,
                 const sigset_t *taken)
{
    posix_spawnattr_t attributes;
    int err = posix_spawnattr_init(&attributes);

    if (err != 0)
        return err;
    (void)posix_spawnattr_setsigdefault(&attributes, taken);
    (void)posix_spawnattr_setsigmask(&attributes, mask);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETSIGMASK);
    err = posix_spawnp(pid, argv[0], NULL, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    return err;
}

/* Signals to be passed on wait until it is known to whom. */
static int spawn_child(char **argv)
{
    sigset_t passed;
    sigset_t before;
    sigset_t taken;
    pid_t pid;
    int err;

    sigemptyset(&passed);
    sigaddset(&passed, SIGTERM);
    sigaddset(&passed, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &passed, &before);
    take_signals(&taken);
    err = spawn(&pid, argv, &before, &taken);
    if (err == 0)
        child = pid;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

static int exit_code(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_NOT_EXECUTABLE;
    return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status)
                               : WEXITSTATUS(status);
}

bool trace_run(char **argv, int trace_fd, int *code)
{
    int fd = publish(trace_fd);
    int err;

    *code = EXIT_NOT_EXECUTABLE;
    if (fd < 0) {
        fprintf(stderr, "gyre trace: no descriptor for the program: %s\n",
                strerror(-fd));
        return false;
    }
    err = spawn_child(argv);
    (void)close(fd);
    if (err != 0) {
        fprintf(stderr, "gyre trace: cannot run '%s': %s\n", argv[0],
                err == ENOENT ? "there is no such program" : strerror(err));
        if (err == ENOENT)
            *code = EXIT_NOT_FOUND;
        return false;
    }
    *code = exit_code((pid_t)child);
    child = 0;
    return true;
}
