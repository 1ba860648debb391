/* SPDX-License-Identifier: MIT */
/*
 * rest.c - what a program leaves behind in each end of its world, as a number
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

uint32_t world_memory(const struct world *world)
{
    uint32_t hash = 1;

    if ((world->program->options & OPTION_GROUPS) != 0)
        hash = hash_bytes(hash, world->pieces, sizeof world->pieces);
    if ((world->program->options & OPTION_REGISTERED) != 0)
        hash = hash_bytes(hash, world->registered, sizeof world->registered);
    return hash;
}

/* Bytes that nobody has read, and how the stream ends. */
static uint32_t rest_of_stream(int fd)
{
    unsigned char bytes[4096];
    uint32_t hash = 2;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return (uint32_t)errno;
    for (;;) {
        ssize_t count = read(fd, bytes, sizeof bytes);
        int error = count < 0 ? errno : 0;

        hash = hash_bytes(hash, bytes, count > 0 ? (size_t)count : 0);
        hash = hash * 31 + (uint32_t)error + (uint32_t)(count == 0);
        if (count <= 0)
            return hash;
    }
}

static uint32_t rest_of_file(int fd)
{
    unsigned char bytes[4096];
    struct stat status;
    ssize_t count = pread(fd, bytes, sizeof bytes, 0);
    off_t at = lseek(fd, 0, SEEK_CUR);
    uint64_t words[3];

    if (count < 0 || fstat(fd, &status) < 0)
        return (uint32_t)errno;
    words[0] = (uint64_t)status.st_size;
    words[1] = (uint64_t)status.st_nlink;
    words[2] = (uint64_t)at;
    return hash_bytes(hash_bytes(3, words, sizeof words), bytes, (size_t)count);
}

/* The names that there are, what they are, and how large. */
static uint32_t rest_of_names(int fd)
{
    uint32_t hash = 4;

    for (int i = 0; program_names[i] != NULL; i++) {
        struct stat status;
        uint64_t words[3] = { 0 };

        if (fstatat(fd, program_names[i], &status, AT_SYMLINK_NOFOLLOW) == 0) {
            words[0] = status.st_mode;
            words[1] = (uint64_t)status.st_nlink;
            words[2] = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
        }
        hash = hash_bytes(hash, words, sizeof words);
    }
    return hash;
}

static uint32_t rest_of_socket(int fd)
{
    struct sockaddr_storage name = { .ss_family = 0 };
    socklen_t size = sizeof name;
    int listens = 0, error = 0;
    socklen_t number = sizeof listens;

    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return (uint32_t)errno;
    (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &number);
    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &number);
    return (uint32_t)(size * 64 + (unsigned)listens * 32 + (unsigned)error);
}

uint32_t world_rest(struct world *world, int end)
{
    int fd = FD_BASE + end;

    if ((world->ends & (UINT32_C(1) << end)) == 0)
        return 0;
    switch (end) {
    case FILE_F:
    case FILE_G:
        return rest_of_file(fd);
    case DIRECTORY:
        return rest_of_names(fd);
    case SOCKET_UNIX:
    case SOCKET_TCP:
    case LISTENER:
        return rest_of_socket(fd);
    case EPOLL:
    case CHILD:
    case PIPE_W:
    case PIPE2_W:
        return fcntl(fd, F_GETFD) < 0 ? (uint32_t)errno : 0;
    default:
        return rest_of_stream(fd);
    }
}
