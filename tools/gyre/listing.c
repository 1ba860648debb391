/* SPDX-License-Identifier: MIT */
/*
 * listing.c - see listing.h
 *
 * Each entry is resolved from the root, by the same rules by which a request
 * for it would be; so every link on the page is one that works.
 */
#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "beneath.h"
#include "date.h"
#include "markdown.h"
#include "page.h"
#include "path.h"

#define README_MAX (1 << 20)

struct entry {
    char *name;
    uint64_t size;
    int64_t modified;
    bool is_directory;
};

struct entries {
    struct entry *list;
    size_t count;
    size_t room;
    size_t left_out;
    const char *readme; /* one of the names, or NULL */
};

static int open_entry(const struct listing *listing, const char *name,
                      int flags)
{
    char path[PATH_SIZE + NAME_MAX + 2];
    struct open_how how = { .flags = (unsigned)flags,
                            .resolve = BENEATH_RESOLVE };
    struct text text;

    text_init(&text, path, sizeof path - 1);
    text_puts(&text, listing->path);
    if (text.used > 0)
        text_puts(&text, "/");
    text_puts(&text, name);
    path[text.used] = '\0';

    long fd = syscall(SYS_openat2, listing->root, path, &how, sizeof how);

    return fd < 0 ? -errno : (int)fd;
}

/* Would a request for it be answered with 200? */
static bool examine(const struct listing *listing, const char *name,
                    struct entry *entry)
{
    int fd = open_entry(listing, name, O_PATH | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return false;

    bool serves = fstat(fd, &status) == 0 &&
                  (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) &&
                  faccessat(fd, "", R_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;

    close(fd);
    if (!serves)
        return false;
    entry->size = (uint64_t)status.st_size;
    entry->modified = status.st_mtime;
    entry->is_directory = S_ISDIR(status.st_mode);
    return true;
}

static int entries_add(struct entries *entries, const struct entry *entry,
                       const char *name)
{
    if (entries->count == entries->room) {
        size_t room = entries->room == 0 ? 64 : entries->room * 2;
        struct entry *list = alloc_zeroed(room, sizeof *list);

        if (list == NULL)
            return -ENOMEM;
        if (entries->count > 0)
            memcpy(list, entries->list, entries->count * sizeof *list);
        alloc_free(entries->list);
        entries->list = list;
        entries->room = room;
    }

    size_t size = strlen(name) + 1;
    struct entry *added = &entries->list[entries->count];

    *added = *entry;
    added->name = alloc_zeroed(1, size);
    if (added->name == NULL)
        return -ENOMEM;
    memcpy(added->name, name, size);
    entries->count++;
    return 0;
}

static void entries_free(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        alloc_free(entries->list[i].name);
    alloc_free(entries->list);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;

    if (left->is_directory != right->is_directory)
        return left->is_directory ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int read_entries(const struct listing *listing, DIR *directory,
                        struct entries *entries)
{
    struct dirent *found;
    int error = 0;

    while (error == 0 && (errno = 0, found = readdir(directory)) != NULL) {
        struct entry entry = { .name = NULL };

        if (found->d_name[0] == '.' && strcmp(found->d_name, ".well-known"))
            continue;
        if (entries->count == LISTING_ENTRIES_MAX)
            entries->left_out++;
        else if (examine(listing, found->d_name, &entry))
            error = entries_add(entries, &entry, found->d_name);
    }
    if (error == 0 && errno != 0)
        error = -errno;
    if (error == 0 && entries->count > 0)
        qsort(entries->list, entries->count, sizeof *entries->list,
              compare_entries);
    for (size_t i = 0; i < entries->count; i++) {
        if (strcmp(entries->list[i].name, "README.md") == 0 &&
            !entries->list[i].is_directory)
            entries->readme = entries->list[i].name;
    }
    return error;
}

/* "17", "3.4 K": at most four digits. */
static void put_size(struct text *text, uint64_t size)
{
    static const char UNITS[] = " KMGTPE";
    unsigned unit = 0;
    uint64_t tenths;

    if (size < 10000) {
        text_printf(text, "%llu", (unsigned long long)size);
        return;
    }
    for (tenths = size; tenths >= UINT64_C(1024) * 100; tenths /= 1024)
        unit++;
    tenths = tenths * 10 / 1024;
    unit++;
    text_printf(text, "%llu.%llu %c", (unsigned long long)(tenths / 10),
                (unsigned long long)(tenths % 10), UNITS[unit]);
}

static void put_entry(struct text *text, const struct entry *entry)
{
    char date[DATE_SHORT_SIZE];
    const char *slash = entry->is_directory ? "/" : "";

    date_format_short(date, entry->modified);
    /* "./" keeps a name with a colon from being taken for a scheme. */
    text_puts(text, "<tr><td><a href=\"./");
    text_put_url(text, span_string(entry->name));
    text_printf(text, "%s\">", slash);
    text_put_html(text, span_string(entry->name));
    text_printf(text, "%s</a></td><td class=\"n\">", slash);
    if (!entry->is_directory)
        put_size(text, entry->size);
    text_printf(text, "</td><td class=\"d\">%s</td></tr>\n", date);
}

/* What a README.md says about the directory, below its files. */
static void put_readme(struct listing *listing, const char *name)
{
    char title[MARKDOWN_TITLE_SIZE];
    int fd = open_entry(listing, name, BENEATH_FLAGS);
    char *source;
    ssize_t size;

    if (fd < 0)
        return;
    source = alloc_zeroed(1, README_MAX);
    size = source != NULL ? pread(fd, source, README_MAX, 0) : -1;
    if (size > 0 && size < README_MAX)
        markdown_render(&listing->page, span_of(source, (size_t)size), title);
    alloc_free(source);
    close(fd);
}

static void put_page(struct listing *listing, const struct entries *entries)
{
    struct text *page = &listing->page;
    struct span path = span_string(listing->path);
    char title[PATH_SIZE + 16];
    struct text title_text;

    text_init(&title_text, title, sizeof title);
    text_puts(&title_text, "Index of /");
    text_put_span(&title_text, path);
    page_begin(page, span_of(title, title_text.used), path);
    text_puts(page, "<h1>");
    text_put_html(page, span_of(title, title_text.used));
    text_puts(page, "</h1>\n<table>\n<thead><tr><th>Name</th>"
                    "<th class=\"n\">Size</th><th>Modified (UTC)</th></tr>"
                    "</thead>\n<tbody>\n");
    if (path.size > 0)
        text_puts(page, "<tr><td><a href=\"../\">../</a></td><td></td>"
                        "<td></td></tr>\n");
    for (size_t i = 0; i < entries->count; i++)
        put_entry(page, &entries->list[i]);
    text_puts(page, "</tbody>\n</table>\n");
    if (entries->left_out > 0)
        text_printf(page, "<p>%zu more are not shown.</p>\n",
                    entries->left_out);
    if (entries->readme != NULL && markdown_is_available())
        put_readme(listing, entries->readme);
    page_end(page);
}

int listing_make(void *arg)
{
    struct listing *listing = arg;
    struct entries entries = { 0 };
    DIR *directory = fdopendir(listing->fd);

    if (directory == NULL) {
        int error = -errno;

        close(listing->fd);
        return error;
    }

    int error = read_entries(listing, directory, &entries);

    closedir(directory);
    if (error == 0)
        put_page(listing, &entries);
    entries_free(&entries);
    if (error == 0 && listing->page.failed)
        error = -ENOMEM;
    return error;
}
