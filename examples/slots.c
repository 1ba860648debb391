/* SPDX-License-Identifier: MIT */
/*
 * slots [FILE] - read a file that has no descriptor
 *
 * The file is opened into a slot of the loop's own table. Wherever a descriptor
 * may stand, its handle may; a descriptor is made of it when somebody else,
 * here fstat(2), needs one.
 */
#include <fcntl.h>
#include <gyre/gyre.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int look(void *arg)
{
    int err = gyre_slots_create(gyre_loop_current(), 16);
    int file, fd;
    char buffer[4096];
    ssize_t n, total = 0;
    struct stat status;

    if (err < 0)
        return err;
    file = gyre_open_slot(AT_FDCWD, arg, O_RDONLY, 0, GYRE_SLOT_ANY);
    if (file < 0)
        return file;
    while ((n = gyre_read(file, buffer, sizeof buffer, (uint64_t)total)) > 0)
        total += n;
    printf("slot %u: %zd bytes read\n", gyre_slot_number(file), total);

    fd = gyre_slot_install(file);
    if (fd >= 0 && fstat(fd, &status) == 0)
        printf("as a descriptor: %lld bytes\n", (long long)status.st_size);
    if (fd >= 0)
        close(fd);
    gyre_close(file);
    return n < 0 ? (int)n : 0;
}

int main(int argc, char **argv)
{
    int err = gyre_run(NULL, look, argc > 1 ? argv[1] : argv[0]);

    if (err < 0)
        fprintf(stderr, "slots: %s\n", gyre_strerror(err));
    return err < 0;
}
