"""A private Postgres cluster for tests, and a small client on libpq.

Cluster starts a server in a temporary directory of its own, on a unix socket, and stops it. Conn is
a connection through ctypes: statements with text parameters, COPY in both formats, server errors as
PgError with their SQLSTATE. Nothing here knows the schema except migrate(), which runs sql/.
"""
import ctypes as C
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SQL = ROOT / "sql"
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")

pq = C.CDLL("libpq.so.5")
for name, result, arguments in (
    ("PQconnectdb", C.c_void_p, [C.c_char_p]), ("PQstatus", C.c_int, [C.c_void_p]),
    ("PQfinish", None, [C.c_void_p]), ("PQbackendPID", C.c_int, [C.c_void_p]),
    ("PQerrorMessage", C.c_char_p, [C.c_void_p]), ("PQexec", C.c_void_p, [C.c_void_p, C.c_char_p]),
    ("PQsendQuery", C.c_int, [C.c_void_p, C.c_char_p]), ("PQgetResult", C.c_void_p, [C.c_void_p]),
    ("PQexecParams", C.c_void_p, [C.c_void_p, C.c_char_p, C.c_int, C.c_void_p, C.c_void_p, C.c_void_p,
                                  C.c_void_p, C.c_int]),
    ("PQprepare", C.c_void_p, [C.c_void_p, C.c_char_p, C.c_char_p, C.c_int, C.c_void_p]),
    ("PQexecPrepared", C.c_void_p, [C.c_void_p, C.c_char_p, C.c_int, C.c_void_p, C.c_void_p, C.c_void_p,
                                    C.c_int]),
    ("PQdescribePrepared", C.c_void_p, [C.c_void_p, C.c_char_p]), ("PQnparams", C.c_int, [C.c_void_p]),
    ("PQresultStatus", C.c_int, [C.c_void_p]), ("PQresultErrorMessage", C.c_char_p, [C.c_void_p]),
    ("PQresultErrorField", C.c_char_p, [C.c_void_p, C.c_int]), ("PQntuples", C.c_int, [C.c_void_p]),
    ("PQnfields", C.c_int, [C.c_void_p]), ("PQgetisnull", C.c_int, [C.c_void_p, C.c_int, C.c_int]),
    ("PQgetvalue", C.c_char_p, [C.c_void_p, C.c_int, C.c_int]), ("PQclear", None, [C.c_void_p]),
    ("PQputCopyData", C.c_int, [C.c_void_p, C.c_char_p, C.c_int]),
    ("PQputCopyEnd", C.c_int, [C.c_void_p, C.c_char_p]),
    ("PQsetNoticeProcessor", C.c_void_p, [C.c_void_p, C.c_void_p, C.c_void_p]),
):
    function = getattr(pq, name)
    function.restype, function.argtypes = result, arguments
OK, BAD_RESPONSE, FATAL, COPY_IN, EMPTY = (1, 2), 5, 7, 4, 0
SILENT = C.CFUNCTYPE(None, C.c_void_p, C.c_char_p)(lambda arg, message: None)


class PgError(Exception):
    def __init__(self, sqlstate, message):
        super().__init__(f"{sqlstate} {message}")
        self.sqlstate = sqlstate


def literal(items):
    """A Postgres array literal."""
    return "{" + ",".join("NULL" if i is None else '"' + str(i).replace("\\", "\\\\").replace('"', '\\"') + '"'
                          for i in items) + "}"


class Conn:
    def __init__(self, conninfo):
        self.pg = pq.PQconnectdb(conninfo.encode())
        if pq.PQstatus(self.pg) != 0:
            message = pq.PQerrorMessage(self.pg).decode()
            pq.PQfinish(self.pg)
            raise PgError("08006", message)
        pq.PQsetNoticeProcessor(self.pg, C.cast(SILENT, C.c_void_p), None)
        self.pid = pq.PQbackendPID(self.pg)
        self.prepared = set()

    def close(self):
        pq.PQfinish(self.pg)

    def broken(self):
        """Asks: the server may have closed it, or have died."""
        try:
            self.query("select 1")
            return False
        except PgError:
            return pq.PQstatus(self.pg) != 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _rows(self, result):
        """Rows as lists of str or None; frees the result."""
        try:
            if pq.PQresultStatus(result) not in (*OK, EMPTY, COPY_IN):
                state = pq.PQresultErrorField(result, ord("C"))
                raise PgError((state or b"?????").decode(), pq.PQresultErrorMessage(result).decode().strip())
            width = pq.PQnfields(result)
            return [[None if pq.PQgetisnull(result, i, j) else pq.PQgetvalue(result, i, j).decode()
                     for j in range(width)] for i in range(pq.PQntuples(result))]
        finally:
            pq.PQclear(result)

    def query(self, sql, *params):
        """Runs one statement (or, without parameters, several; the last one's rows)."""
        if not params:
            return self._rows(pq.PQexec(self.pg, sql.encode()))
        return self._rows(pq.PQexecParams(self.pg, sql.encode(), len(params), None, self._values(params), None, None, 0))

    def statement(self, path, *params):
        """Prepares a file below sql/ once on this connection and runs it."""
        if path not in self.prepared:
            self._rows(pq.PQprepare(self.pg, path.encode(), (SQL / path).read_bytes(), 0, None))
            self.prepared.add(path)
        return self._rows(pq.PQexecPrepared(self.pg, path.encode(), len(params), self._values(params), None, None, 0))

    def parameters(self, path):
        """How many parameters Postgres finds in a statement file."""
        self._rows(pq.PQprepare(self.pg, b"", (SQL / path).read_bytes(), 0, None))
        result = pq.PQdescribePrepared(self.pg, b"")
        count = pq.PQnparams(result)
        pq.PQclear(result)
        return count

    def script(self, sql, *copies):
        """Runs several statements; the n-th COPY … FROM STDIN reads copies[n]. Rows of each result."""
        if not pq.PQsendQuery(self.pg, sql.encode()):
            raise PgError("08006", pq.PQerrorMessage(self.pg).decode())
        copies, results, error = list(copies), [], None
        while result := pq.PQgetResult(self.pg):
            status = pq.PQresultStatus(result)
            try:
                results.append(self._rows(result))
            except PgError as e:
                error = error or e
            if status == COPY_IN:
                data = copies.pop(0)
                pq.PQputCopyData(self.pg, data, len(data))
                pq.PQputCopyEnd(self.pg, None)
        if error:
            raise error
        return results

    @staticmethod
    def _values(params):
        return (C.c_char_p * len(params))(*(None if p is None else str(p).encode() for p in params))


class Cluster:
    """initdb and start; durable enough for a test that does not pull the plug."""

    def __init__(self, **settings):
        # in memory where there is some: a migrated database is 2,500 files
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pg", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        # the server refuses root: everything of it belongs to postgres then
        self.as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        if self.as_owner:
            shutil.chown(self.dir, "postgres", "postgres")
        self._run("initdb", "-D", self.dir / "data", "-U", "admin", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        options = {"listen_addresses": "", "unix_socket_directories": str(self.dir), "fsync": "off",
                   "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB",
                   "random_page_cost": "1.1", **settings}
        with open(self.dir / "data" / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in options.items())
        self._run("pg_ctl", "-D", self.dir / "data", "-l", self.dir / "log", "-w", "start")

    def stop(self):
        self._run("pg_ctl", "-D", self.dir / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.dir)

    def _run(self, program, *args):
        done = subprocess.run([*self.as_owner, str(BIN / program), *map(str, args)], cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout.decode()}")

    def url(self, database="postgres", user="admin", password=None):
        return f"host={self.dir} dbname={database} user={user}" + (f" password={password}" if password else "")

    def connect(self, database="postgres", user="admin", password=None):
        return Conn(self.url(database, user, password))

    def create(self, name, template=None):
        with self.connect() as admin:
            admin.query(f'create database "{name}"' + (f' template "{template}"' if template else ""))
        return name

    def drop(self, name):
        with self.connect() as admin:
            admin.query(f'drop database "{name}" with (force)')


def migrations():
    """Paths of all migrations, control first."""
    return [path for folder in ("control", "warehouse/postgres") for path in sorted((SQL / folder / "migrations").glob("*.sql"))]


def migrate(conn, paths=None):
    """Each file in one transaction, as `etld migrate` does, but without its records."""
    for path in migrations() if paths is None else paths:
        conn.query("begin")
        conn.query(path.read_text(encoding="utf-8"))
        conn.query("commit")
