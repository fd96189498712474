/* GET /openapi.json: queryd/openapi.json as it was built in. It takes no token. */
#ifndef QUERYD_API_OPENAPI_H
#define QUERYD_API_OPENAPI_H

struct httpd_request;

void openapi_serve(struct httpd_request *http, void *arg);

#endif
