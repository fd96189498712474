/* Every endpoint of queryd, as one table: method, path, permission, handler. */
#ifndef QUERYD_ROUTES_H
#define QUERYD_ROUTES_H

struct queryd;

void routes_add(struct queryd *st);

#endif
