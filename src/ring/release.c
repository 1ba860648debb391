/* SPDX-License-Identifier: MIT */
/*
 * release.c - see release.h
 */
#include "ring/release.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/assert.h"

#define PATCH_MAX 999

/* "6.14.7...", "6.14-rc1", or "6.14": its number, or 0. */
static unsigned number_of(const char *text)
{
    char *end;
    unsigned long part[3] = { 0 };

    for (unsigned i = 0; i < ARRAY_SIZE(part); i++) {
        if (*text < '0' || *text > '9')
            return 0; /* no spaces, no sign */
        part[i] = strtoul(text, &end, 10);
        if (part[i] > PATCH_MAX)
            part[i] = PATCH_MAX;
        if (*end != '.')
            return i == 0 ? 0
                          : RELEASE((unsigned)part[0], (unsigned)part[1],
                                    (unsigned)part[2]);
        text = end + 1;
    }
    return RELEASE((unsigned)part[0], (unsigned)part[1], (unsigned)part[2]);
}

/* Behind the last of these words, which ends in a space; or "". */
static const char *behind(const char *text, const char *word)
{
    const char *found = "";

    for (text = strstr(text, word); text != NULL; text = strstr(text, word)) {
        text += strlen(word);
        found = text;
    }
    return found;
}

/* What the distribution tells of the number behind "6.1.0-28-amd64". */
static unsigned number_told(const char *text)
{
    const char *word = behind(text, "Debian ");

    if (*word == '\0') { /* "Ubuntu 5.15.0-91.101-generic 5.15.131" */
        word = behind(text, "Ubuntu ");
        word += strcspn(word, " ");
        word += *word == ' ';
    }
    return number_of(word);
}

static enum release_maker maker_of(const char *name, const char *text)
{
    const char *el = strstr(name, ".el");

    if (el != NULL && el[3] >= '0' && el[3] <= '9')
        return RELEASE_OF_RED_HAT;
    if (strstr(name, ".amzn") != NULL)
        return RELEASE_OF_AMAZON;
    if (strstr(name, "android") != NULL)
        return RELEASE_OF_ANDROID;
    if (strstr(text, "Ubuntu") != NULL || strstr(name, "-generic") != NULL ||
        strstr(name, "-lowlatency") != NULL)
        return RELEASE_OF_UBUNTU;
    return RELEASE_OF_ANYBODY;
}

static void set_machine(struct release *release, const char *text)
{
    const char *last = strrchr(text, ' ');
    struct utsname here;

    if (last != NULL) {
        snprintf(release->machine, sizeof release->machine, "%s", last + 1);
        return;
    }
    uname(&here);
    memcpy(release->machine, here.machine, sizeof here.machine);
}

bool release_parse(struct release *release, const char *text)
{
    size_t length = strcspn(text, " ");
    unsigned number = number_of(text), told = number_told(text);

    if (number == 0)
        return false;
    *release = (struct release){ .number = number };
    /* Only of the same series: an old name may lie about in the text. */
    if (told / 1000 == number / 1000)
        release->number = told;
    if (length >= sizeof release->name)
        length = sizeof release->name - 1;
    memcpy(release->name, text, length);
    set_machine(release, text);
    release->maker = maker_of(release->name, text);
    return true;
}

/* ---- this one ------------------------------------------------------------ */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct release this_release;

/* Ubuntu's own file, or "". */
static void read_signature(char *text, size_t size)
{
    int saved = errno;
    int fd = open("/proc/version_signature", O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    if (fd >= 0) {
        n = read(fd, text, size - 1);
        close(fd);
    }
    errno = saved;
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static void look(void)
{
    const char *told = secure_getenv("GYRE_LINUX_RELEASE");
    char signature[128], text[512];
    struct utsname here;

    if (told != NULL && release_parse(&this_release, told))
        return;
    if (told != NULL)
        fprintf(stderr,
                "gyre: GYRE_LINUX_RELEASE: '%s' does not begin as a release "
                "does: 6.14.7\n",
                told);
    uname(&here);
    read_signature(signature, sizeof signature);
    snprintf(text, sizeof text, "%s %s %s %s", here.release, here.version,
             signature, here.machine);
    if (!release_parse(&this_release, text)) {
        memcpy(this_release.name, here.release, sizeof here.release);
        memcpy(this_release.machine, here.machine, sizeof here.machine);
    }
}

const struct release *release_here(void)
{
    pthread_once(&once, look);
    return &this_release;
}
