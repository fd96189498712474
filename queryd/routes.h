/* Every endpoint of queryd, as one table: method, path, permission, handler. */
#ifndef QUERYD_ROUTES_H
#define QUERYD_ROUTES_H

struct daemon;
struct err;
struct queryd;

void routes_add(struct queryd *st);
/* `queryd routes`: a line each, "METHOD path permission [query parameter…]". */
int routes_print(struct daemon *d, void *state, int argc, char **argv, struct err *e);

#endif
