/* Archive files through zlib, which reads packed and plain ones alike; see archive.h. */
#include "ingestd/door/archive.h"

#include <errno.h>
#include <fts.h>
#include <sys/stat.h>
#include <zlib.h>

#include "common/base/xalloc.h"

#define FIRST_BUFFER ((size_t)1 << 20)
#define READ_AT_ONCE ((size_t)256 << 10)

struct archive {
	struct archive_file *files;
	size_t nfiles, cap;
	size_t current; /* whose text is read */
	gzFile gz;
	char *buffer;
	size_t size, filled, given; /* given: what archive_next gave out last, from the start */
	int64_t offset;             /* of the buffer's start in the text */
};

/* ---- which files */

static void add_file(struct archive *a, const char *path, const struct stat *st)
{
	char *absolute = realpath(path, NULL);

	if (a->nfiles == a->cap) {
		a->cap = a->cap == 0 ? 16 : 2 * a->cap;
		a->files = xreallocarray(a->files, a->cap, sizeof(*a->files));
	}
	a->files[a->nfiles++] = (struct archive_file){
		.path = absolute != NULL ? absolute : xstrdup(path),
		.size_bytes = st->st_size,
		.modified_us = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000,
	};
}

static bool ends_in(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && memcmp(name + len - n, suffix, n) == 0;
}

static bool is_archive(const char *name)
{
	static const char *const suffixes[] = {".ndjson", ".jsonl", ".json"};
	size_t len = strlen(name);

	if (ends_in(name, len, ".gz"))
		len -= strlen(".gz");
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (ends_in(name, len, suffixes[i]))
			return true;
	}
	return false;
}

static int by_name(const FTSENT **x, const FTSENT **y)
{
	return strcmp((*x)->fts_name, (*y)->fts_name);
}

static int add_path(struct archive *a, char *path, struct err *e)
{
	char *paths[] = {path, NULL};
	FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry;
	int r = 0;

	if (tree == NULL)
		return err_set(e, -errno, "cannot read '%s'", path);
	while (r == 0 && (entry = fts_read(tree)) != NULL) {
		if (entry->fts_info == FTS_F &&
		    (entry->fts_level == FTS_ROOTLEVEL || is_archive(entry->fts_name)))
			add_file(a, entry->fts_path, entry->fts_statp);
		else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
			 entry->fts_info == FTS_NS || entry->fts_info == FTS_SLNONE)
			r = err_set(e, -ENOENT, "cannot read '%s': %s", entry->fts_path,
				    strerror(entry->fts_errno != 0 ? entry->fts_errno : ENOENT));
	}
	(void)fts_close(tree);
	return r;
}

int archive_open(char *const *paths, size_t n, struct archive **ret, struct err *e)
{
	struct archive *a = xcalloc(1, sizeof(*a));

	for (size_t i = 0; i < n; i++) {
		int r = add_path(a, paths[i], e);

		if (r < 0) {
			archive_free(a);
			return r;
		}
	}
	a->size = FIRST_BUFFER;
	a->buffer = xmalloc(a->size);
	*ret = a;
	return 0;
}

void archive_free(struct archive *a)
{
	if (a == NULL)
		return;
	if (a->gz != NULL)
		(void)gzclose_r(a->gz);
	for (size_t i = 0; i < a->nfiles; i++)
		free(a->files[i].path);
	free(a->files);
	free(a->buffer);
	free(a);
}

size_t archive_files(const struct archive *a)
{
	return a->nfiles;
}

const struct archive_file *archive_file(const struct archive *a, size_t i)
{
	return &a->files[i];
}

int64_t archive_size_bytes(const struct archive *a)
{
	int64_t size = 0;

	for (size_t i = 0; i < a->nfiles; i++)
		size += a->files[i].size_bytes;
	return size;
}

/* ---- what is in them */

static int broken(const struct archive *a, struct err *e)
{
	int code = 0;

	return err_set(e, -EIO, "%s, near byte %lld of its text: %s", a->files[a->current].path,
		       (long long)(a->offset + (int64_t)a->filled), gzerror(a->gz, &code));
}

int archive_read(struct archive *a, size_t i, int64_t offset, struct err *e)
{
	if (a->gz != NULL)
		(void)gzclose_r(a->gz);
	a->current = i;
	a->filled = a->given = 0;
	a->offset = offset;
	a->gz = gzopen(a->files[i].path, "rbe");
	if (a->gz == NULL)
		return err_set(e, -ENOENT, "%s: %s", a->files[i].path, strerror(errno));
	(void)gzbuffer(a->gz, (unsigned)READ_AT_ONCE);
	if (offset > 0 && gzseek(a->gz, (z_off_t)offset, SEEK_SET) < 0)
		return broken(a, e);
	return 0;
}

/* The lines that are whole, of those that are in the buffer. */
static size_t whole_lines(const struct archive *a)
{
	const char *end = memrchr(a->buffer, '\n', a->filled);

	return end != NULL ? (size_t)(end + 1 - a->buffer) : 0;
}

static int fill(struct archive *a, struct err *e)
{
	int n, code = Z_OK;

	if (a->size - a->filled < READ_AT_ONCE) {
		a->size *= 2;
		a->buffer = xreallocarray(a->buffer, a->size, 1);
	}
	n = gzread(a->gz, a->buffer + a->filled, (unsigned)READ_AT_ONCE);
	if (n == 0)
		(void)gzerror(a->gz, &code); /* the end, or that of a file cut short */
	if (n < 0 || code != Z_OK)
		return broken(a, e);
	a->filled += (size_t)n;
	return n > 0;
}

int archive_next(struct archive *a, size_t size, struct slice *ret, struct err *e)
{
	int r = 1;

	memmove(a->buffer, a->buffer + a->given, a->filled - a->given);
	a->filled -= a->given;
	a->offset += (int64_t)a->given;
	a->given = 0;
	while (r > 0 && (a->filled < size || whole_lines(a) == 0)) {
		if (a->filled > ARCHIVE_LINE_MAX)
			return err_set(e, -EFBIG,
				       "%s: the line at byte %lld of its text is too long",
				       a->files[a->current].path, (long long)a->offset);
		r = fill(a, e);
	}
	if (r < 0 && whole_lines(a) == 0)
		return r;
	/* the last line may have no end; what comes before damage is sound, which shows again */
	a->given = r != 0 ? whole_lines(a) : a->filled;
	*ret = (struct slice){a->buffer, a->given};
	return a->given > 0;
}

int64_t archive_offset(const struct archive *a)
{
	return a->offset + (int64_t)a->given;
}

int64_t archive_consumed(const struct archive *a)
{
	return (int64_t)gzoffset(a->gz);
}
