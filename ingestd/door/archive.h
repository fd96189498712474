/*
 * The files of an event archive: NDJSON, packed with gzip or not, named one by one or by folder
 * (then all files below it that end in .ndjson, .jsonl or .json, .gz behind it or not), in the
 * order of their names. Read in pieces of whole lines. The only file that knows zlib.
 */
#ifndef INGESTD_ARCHIVE_H
#define INGESTD_ARCHIVE_H

#include "common/base/err.h"

#define ARCHIVE_LINE_MAX ((size_t)32 << 20) /* a longer line is a fault of the file */

struct archive;

struct archive_file {
	char *path;                      /* absolute */
	int64_t size_bytes, modified_us; /* as it lies there: another one of the same name is new */
};

/* -ENOENT and the like for what cannot be found or read; e names it. */
int archive_open(char *const *paths, size_t n, struct archive **ret, struct err *e) MUST_CHECK;
void archive_free(struct archive *a); /* NULL is fine */

size_t archive_files(const struct archive *a);
const struct archive_file *archive_file(const struct archive *a, size_t i);
int64_t archive_size_bytes(const struct archive *a); /* of all files */

/* Opens the i-th file for reading from `offset` of its unpacked text on. */
int archive_read(struct archive *a, size_t i, int64_t offset, struct err *e) MUST_CHECK;
/* 1 and the next whole lines, about `size` bytes of them; 0 at the end of the file; -EIO or -EFBIG
 * with e. Borrowed until the next call. */
int archive_next(struct archive *a, size_t size, struct slice *ret, struct err *e) MUST_CHECK;
int64_t archive_offset(const struct archive *a);   /* behind what archive_next gave */
int64_t archive_consumed(const struct archive *a); /* of the file's own bytes, about */

#endif
