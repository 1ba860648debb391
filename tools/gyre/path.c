/* SPDX-License-Identifier: MIT */
/*
 * path.c - see path.h
 *
 * Decoding comes first and the components are looked at afterwards, so "%2e."
 * is "..", and is refused as such. "%2f" is refused because no file name holds
 * a slash: whoever sends it means one thing to a proxy and another to us.
 */
#include "path.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte at the front of text, decoded and cut off; -1 if it may not be. */
static int take_byte(struct span *text)
{
    size_t size = 1;
    int byte = (unsigned char)text->data[0];

    if (byte == '%') {
        int high = text->size > 2 ? hex_digit(text->data[1]) : -1;
        int low = text->size > 2 ? hex_digit(text->data[2]) : -1;

        if (high < 0 || low < 0)
            return -1;
        byte = high * 16 + low;
        size = 3;
        if (byte == '/')
            return -1;
    }
    if (byte == '\0' || (byte == '#' && size == 1))
        return -1;
    text->data += size;
    text->size -= size;
    return byte;
}

/* Take a finished component over, or say why not. */
static int check_component(const char *name, size_t size)
{
    if (size == 2 && memcmp(name, "..", 2) == 0)
        return 400;
    if (name[0] == '.' && !span_equals(span_of(name, size), ".well-known"))
        return 404;
    return 0;
}

/* "http://host/path" is "/path"; a proxy's form, which a server must take. A
 * host alone, or with a query, means the root. */
static struct span skip_authority(struct span target)
{
    if (target.size < 7 ||
        !span_equals_nocase(span_of(target.data, 7), "http://"))
        return target;
    target.data += 7;
    target.size -= 7;
    while (target.size > 0 && target.data[0] != '/' && target.data[0] != '?') {
        target.data++;
        target.size--;
    }
    return target;
}

static struct span cut_query(struct span *target)
{
    const char *mark =
        target->size > 0 ? memchr(target->data, '?', target->size) : NULL;

    if (mark == NULL)
        return (struct span){ 0 };

    size_t before = (size_t)(mark - target->data);
    struct span query = span_of(mark + 1, target->size - before - 1);

    target->size = before;
    return query;
}

/* Decode one component to path->text + path->size; its size, or a status
 * below 0. The slash stays in front of what is left. */
static int decode_component(struct span *target, struct path *path)
{
    size_t start = path->size;

    while (target->size > 0 && target->data[0] != '/') {
        int byte = take_byte(target);

        if (byte < 0)
            return -400;
        if (path->size == PATH_SIZE - 1)
            return -414;
        path->text[path->size++] = (char)byte;
    }

    int status = path->size > start
                     ? check_component(path->text + start, path->size - start)
                     : 0;

    return status > 0 ? -status : (int)(path->size - start);
}

int path_decode(struct span target, struct path *path)
{
    struct span local = skip_authority(target);
    bool is_absolute = local.data != target.data;

    target = local;
    path->query = cut_query(&target);
    path->size = 0;
    path->text[0] = '\0';
    path->is_directory = true;
    if (target.size == 0 && is_absolute)
        return 0;
    if (!span_starts_with(target, "/"))
        return 400;

    while (target.size > 0) {
        target.data++;
        target.size--;

        /* Runs of slashes are one; the slash goes in before a name alone. */
        if (target.size > 0 && target.data[0] != '/' && path->size > 0) {
            if (path->size == PATH_SIZE - 1)
                return 414;
            path->text[path->size++] = '/';
        }

        int size = decode_component(&target, path);

        if (size < 0)
            return -size;
        path->is_directory = size == 0;
    }
    path->text[path->size] = '\0';
    return 0;
}
