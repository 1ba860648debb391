/* SPDX-License-Identifier: MIT */
/*
 * pipeline - read, transform, write, each in its own task
 *
 *     pipeline FILE       prints it in capitals, and how many lines it has
 *
 * Between the stages are channels of few places, so no stage runs far ahead of
 * the next. If one fails, its error cancels the others, wherever they wait.
 */
#include <ctype.h>
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdio.h>

struct block {
    int size;
    char bytes[4096];
};

struct pipeline {
    const char *path;
    gyre_channel *read, *changed;
    long lines;
};

static int reader(void *arg)
{
    struct pipeline *p = arg;
    struct block block;
    int fd = (int)gyre_openat(AT_FDCWD, p->path, O_RDONLY, 0);
    int err = fd < 0 ? fd : 0;

    while (err == 0) {
        block.size = (int)gyre_read(fd, block.bytes, sizeof block.bytes,
                                    GYRE_CURRENT_POSITION);
        if (block.size <= 0)
            break;
        err = gyre_channel_send(p->read, &block);
    }
    if (err == 0)
        err = block.size; /* 0: the end */
    if (fd >= 0)
        gyre_close(fd);
    gyre_channel_close(p->read);
    return err;
}

static int changer(void *arg)
{
    struct pipeline *p = arg;
    struct block block;
    int err;

    while ((err = gyre_channel_recv(p->read, &block)) == 0) {
        for (int i = 0; i < block.size; i++) {
            p->lines += block.bytes[i] == '\n';
            block.bytes[i] = (char)toupper((unsigned char)block.bytes[i]);
        }
        if ((err = gyre_channel_send(p->changed, &block)) != 0)
            break;
    }
    gyre_channel_close(p->changed);
    return err == GYRE_EOF ? 0 : err;
}

static int writer(void *arg)
{
    struct pipeline *p = arg;
    struct block block;
    int err;

    while ((err = gyre_channel_recv(p->changed, &block)) == 0)
        fwrite(block.bytes, 1, (size_t)block.size, stdout);
    return err == GYRE_EOF ? 0 : err;
}

static int run(void *arg)
{
    gyre_branch stages[] = { { .fn = reader, .arg = arg },
                             { .fn = changer, .arg = arg },
                             { .fn = writer, .arg = arg } };

    return gyre_all(stages, 3);
}

int main(int argc, char **argv)
{
    struct pipeline p = { .path = argc > 1 ? argv[1] : "/dev/null" };
    gyre_channel_options few = { .capacity = 4 };
    int err = gyre_channel_create(&p.read, sizeof(struct block), &few);

    if (err == 0)
        err = gyre_channel_create(&p.changed, sizeof(struct block), &few);
    if (err == 0)
        err = gyre_run(NULL, run, &p);
    printf("pipeline: %ld lines, %s\n", p.lines, gyre_error_name(err));
    gyre_channel_destroy(p.read);
    gyre_channel_destroy(p.changed);
    return err < 0;
}
