/* SPDX-License-Identifier: MIT */
/*
 * mime.c - see mime.h
 *
 * A table in the program and not /etc/mime.types: what a client is told must
 * not depend on which packages the server's machine has. Unknown endings are
 * bytes, which browsers save instead of showing; unknown names without an
 * ending (LICENSE, Makefile) are mostly text.
 */
#include "mime.h"

#define TEXT "text/plain; charset=utf-8"

static const struct {
    char ending[12];
    const char *type;
} TYPES[] = {
    { "7z", "application/x-7z-compressed" },
    { "aac", "audio/aac" },
    { "avif", "image/avif" },
    { "bmp", "image/bmp" },
    { "bz2", "application/x-bzip2" },
    { "c", TEXT },
    { "cfg", TEXT },
    { "conf", TEXT },
    { "cpp", TEXT },
    { "css", "text/css; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "epub", "application/epub+zip" },
    { "flac", "audio/flac" },
    { "gif", "image/gif" },
    { "gz", "application/gzip" },
    { "h", TEXT },
    { "htm", "text/html; charset=utf-8" },
    { "html", "text/html; charset=utf-8" },
    { "ico", "image/vnd.microsoft.icon" },
    { "ics", "text/calendar; charset=utf-8" },
    { "ini", TEXT },
    { "jpeg", "image/jpeg" },
    { "jpg", "image/jpeg" },
    { "js", "text/javascript; charset=utf-8" },
    { "json", "application/json" },
    { "log", TEXT },
    { "markdown", TEXT },
    { "md", TEXT },
    { "mjs", "text/javascript; charset=utf-8" },
    { "mkv", "video/x-matroska" },
    { "mov", "video/quicktime" },
    { "mp3", "audio/mpeg" },
    { "mp4", "video/mp4" },
    { "oga", "audio/ogg" },
    { "ogg", "audio/ogg" },
    { "ogv", "video/ogg" },
    { "opus", "audio/ogg" },
    { "otf", "font/otf" },
    { "pdf", "application/pdf" },
    { "png", "image/png" },
    { "py", TEXT },
    { "rst", TEXT },
    { "rtf", "application/rtf" },
    { "sh", TEXT },
    { "svg", "image/svg+xml" },
    { "tar", "application/x-tar" },
    { "tif", "image/tiff" },
    { "tiff", "image/tiff" },
    { "toml", TEXT },
    { "ttf", "font/ttf" },
    { "txt", TEXT },
    { "wasm", "application/wasm" },
    { "wav", "audio/wav" },
    { "weba", "audio/webm" },
    { "webm", "video/webm" },
    { "webmanifest", "application/manifest+json" },
    { "webp", "image/webp" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "xhtml", "application/xhtml+xml" },
    { "xml", "application/xml" },
    { "xz", "application/x-xz" },
    { "yaml", TEXT },
    { "yml", TEXT },
    { "zip", "application/zip" },
    { "zst", "application/zstd" },
};

/* What follows the last dot of the last component; data is NULL if no dot. */
static struct span ending_of(struct span path)
{
    for (size_t i = path.size; i > 0 && path.data[i - 1] != '/'; i--) {
        if (path.data[i - 1] == '.')
            return span_of(path.data + i, path.size - i);
    }
    return (struct span){ 0 };
}

const char *mime_type(struct span path)
{
    struct span ending = ending_of(path);

    if (ending.data == NULL)
        return TEXT;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        if (span_equals_nocase(ending, TYPES[i].ending))
            return TYPES[i].type;
    }
    return "application/octet-stream";
}

bool mime_is_markdown(struct span path)
{
    struct span ending = ending_of(path);

    return ending.data != NULL && (span_equals_nocase(ending, "md") ||
                                   span_equals_nocase(ending, "markdown"));
}
