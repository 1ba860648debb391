/* SPDX-License-Identifier: MIT */
/*
 * messages [FILE] - an open file goes to another thread's loop, and a number
 * comes back
 *
 * The first loop opens the file into a slot of its own table and passes it into
 * a slot of the second's. No descriptor is made. The second loop reads it to
 * the end and answers with the number of lines.
 */
#include <fcntl.h>
#include <gyre/gyre.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct desk {
    gyre_receiver receiver;
    gyre_event came;
    int what; /* a handle, or a number */
};

static void got_number(gyre_receiver *receiver, int32_t value)
{
    struct desk *desk = receiver->user;

    desk->what = value;
    gyre_event_set(&desk->came, NULL);
}

static void got_file(gyre_receiver *receiver, int handle)
{
    got_number(receiver, handle);
}

/* On its own loop: a table, and a receiver of both kinds of messages. */
static int desk_open(struct desk *desk)
{
    int err = gyre_slots_create(gyre_loop_current(), 4);

    gyre_event_init(&desk->came, 0);
    if (err == 0)
        err = gyre_receiver_open(&desk->receiver, gyre_loop_current(),
                                 got_number, desk);
    if (err == 0)
        gyre_receiver_take_slots(&desk->receiver, got_file);
    return err;
}

static int desk_wait(struct desk *desk)
{
    int err = gyre_event_wait(&desk->came, NULL);

    gyre_receiver_close(&desk->receiver);
    gyre_event_destroy(&desk->came);
    return err < 0 ? err : desk->what;
}

/* ---- the second loop ----------------------------------------------------- */

static struct {
    gyre_address answers, files;
} addresses;

static int count_lines(int file)
{
    char buffer[4096];
    int lines = 0;
    ssize_t n;

    while ((n = gyre_read(file, buffer, sizeof buffer, GYRE_CURRENT_POSITION)) >
           0)
        for (ssize_t i = 0; i < n; i++)
            lines += buffer[i] == '\n';
    return n < 0 ? (int)n : lines;
}

static int serve(void *arg)
{
    struct desk desk;
    int file, err = desk_open(&desk);

    if (err < 0)
        return err;
    addresses.files = gyre_receiver_address(&desk.receiver);
    err = gyre_message_send(addresses.answers, 0); /* ready */
    if (err < 0)
        return err;
    file = desk_wait(&desk);
    if (file < 0)
        return file;
    err = gyre_message_send(addresses.answers, count_lines(file));
    gyre_close(file);
    (void)arg;
    return err;
}

static void *second(void *arg)
{
    int err = gyre_run(NULL, serve, arg);

    if (err < 0)
        fprintf(stderr, "messages: %s\n", gyre_strerror(err));
    return NULL;
}

/* ---- the first loop ------------------------------------------------------ */

static int ask(void *path)
{
    struct desk desk;
    pthread_t thread;
    int file, there, err = desk_open(&desk);

    if (err < 0)
        return err;
    file = gyre_open_slot(AT_FDCWD, path, O_RDONLY, 0, GYRE_SLOT_ANY);
    if (file < 0)
        return file;
    addresses.answers = gyre_receiver_address(&desk.receiver);
    err = pthread_create(&thread, NULL, second, NULL);
    if (err != 0)
        return -err;
    err = gyre_event_wait(&desk.came, NULL); /* it is ready */
    gyre_event_reset(&desk.came);

    there = err < 0 ? err : gyre_message_send_slot(addresses.files, file, 2);
    gyre_close(file);
    if (there < 0) {
        fprintf(stderr, "messages: %s\n", gyre_strerror(there));
        exit(1); /* the other would wait for ever */
    }
    printf("messages: slot %u there\n", gyre_slot_number(there));
    printf("messages: it has %d lines\n", desk_wait(&desk));
    pthread_join(thread, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    int err = gyre_run(NULL, ask, argc > 1 ? argv[1] : argv[0]);

    if (err < 0)
        fprintf(stderr, "messages: %s\n", gyre_strerror(err));
    return err < 0;
}
