/*
 * bench_copy FILE: the yardstick of ingest. The lines of FILE go, as rows (uuid, text), by one
 * binary COPY in one transaction into a table without an index on the server DATABASE_URL names.
 *
 * The COPY stream is made in memory before the clock starts and a checkpoint is taken, so that the
 * time is that of libpq, of the server and of its disk alone. Ids grow like UUIDv7. Prints
 * `rows=N seconds=S`. Exit: 0 done; 64 usage; 66 no input; 69 the server refused, with its message.
 */
#include <errno.h>

#include <libpq-fe.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/strbuf.h"

enum { EXIT_USAGE = 64, EXIT_NO_INPUT = 66, EXIT_UNAVAILABLE = 69 };
enum { CHUNK = 256 << 10 };

static void append_row(struct strbuf *out, uint64_t n, struct slice line)
{
	strbuf_append_be16(out, 2);
	strbuf_append_be32(out, 16);
	strbuf_append_be64(out, n);
	strbuf_append_be64(out, hash_fast(line));
	strbuf_append_be32(out, (uint32_t)line.len);
	strbuf_append_slice(out, line);
}

/* The whole COPY stream of the file; how many rows it has. */
static uint64_t make_stream(FILE *f, struct strbuf *out)
{
	static const char signature[] = "PGCOPY\n\377\r\n";
	char *line = NULL;
	size_t size = 0;
	uint64_t rows = 0;
	ssize_t len;

	strbuf_append(out, signature, sizeof(signature)); /* its NUL belongs to it */
	strbuf_append_be64(out, 0);                       /* no flags, no extension */
	while ((len = getline(&line, &size, f)) > 0) {
		len -= line[len - 1] == '\n';
		append_row(out, ++rows, (struct slice){line, (size_t)len});
	}
	strbuf_append_be16(out, UINT16_MAX);
	free(line);
	return rows;
}

static bool finish(PGconn *db, PGresult *r, ExecStatusType wanted)
{
	bool fine = PQresultStatus(r) == wanted;

	if (!fine)
		fprintf(stderr, "bench_copy: %s", PQerrorMessage(db));
	PQclear(r);
	return fine;
}

static bool prepare(PGconn *db)
{
	return finish(db, PQexec(db, "set client_min_messages = warning"), PGRES_COMMAND_OK) &&
	       finish(db,
		      PQexec(db, "create table if not exists public.bench_copy"
				 " (event_id uuid not null, envelope text not null)"),
		      PGRES_COMMAND_OK) &&
	       finish(db, PQexec(db, "truncate public.bench_copy"), PGRES_COMMAND_OK) &&
	       finish(db, PQexec(db, "checkpoint"), PGRES_COMMAND_OK);
}

/* Comes back true after the commit. */
static bool copy(PGconn *db, struct slice stream)
{
	if (!finish(db, PQexec(db, "copy public.bench_copy from stdin (format binary)"),
		    PGRES_COPY_IN))
		return false;
	for (size_t at = 0, n; at < stream.len; at += n) {
		n = stream.len - at < CHUNK ? stream.len - at : CHUNK;
		if (PQputCopyData(db, stream.ptr + at, (int)n) != 1)
			break; /* PQputCopyEnd's result tells why */
	}
	(void)PQputCopyEnd(db, NULL);
	return finish(db, PQgetResult(db), PGRES_COMMAND_OK);
}

static int run(const char *url, struct slice stream, uint64_t rows)
{
	PGconn *db = PQconnectdb(url);
	int64_t began_us = 0;
	bool fine;

	fine = PQstatus(db) == CONNECTION_OK && prepare(db);
	if (PQstatus(db) != CONNECTION_OK)
		fprintf(stderr, "bench_copy: %s", PQerrorMessage(db));
	if (fine) {
		began_us = clock_mono_us();
		fine = copy(db, stream);
	}
	if (fine)
		printf("rows=%llu seconds=%.4f\n", (unsigned long long)rows,
		       (double)(clock_mono_us() - began_us) / 1e6);
	PQfinish(db);
	return fine ? 0 : EXIT_UNAVAILABLE;
}

int main(int argc, char **argv)
{
	const char *url = getenv("DATABASE_URL");
	struct strbuf stream;
	uint64_t rows;
	FILE *f;
	int code;

	if (argc != 2 || url == NULL) {
		fprintf(stderr, "usage: DATABASE_URL=... bench_copy FILE\n");
		return EXIT_USAGE;
	}
	f = fopen(argv[1], "r");
	if (f == NULL) {
		fprintf(stderr, "bench_copy: %s: %s\n", argv[1], strerror(errno));
		return EXIT_NO_INPUT;
	}
	strbuf_init(&stream, (size_t)8 << 30);
	rows = make_stream(f, &stream);
	(void)fclose(f);
	code = run(url, strbuf_slice(&stream), rows);
	strbuf_clear(&stream);
	return code;
}
