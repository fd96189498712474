/* The document; see openapi.h. queryd/embed_json.awk makes it a string. */
#include "queryd/api/openapi.h"

#include "common/base/hash.h"
#include "common/http/httpd.h"
#include "openapi_gen.h"

#define TAG_LEN (1 + 32 + 1)

void openapi_serve(struct httpd_request *http, void *arg)
{
	static char etag[TAG_LEN + 1]; /* of the build, made once */
	const char *known = httpd_header(http, "If-None-Match");

	(void)arg;
	if (etag[0] == '\0') {
		unsigned char digest[HASH_SHA256_LEN];
		char hex[33];

		hash_sha256(slice_of(openapi_json), digest);
		hash_hex(digest, 16, hex);
		(void)snprintf(etag, sizeof(etag), "\"%s\"", hex);
	}
	httpd_set_header(http, "ETag", etag);
	httpd_set_header(http, "Cache-Control", "public, no-cache");
	if (known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL))
		httpd_reply(http, 304, NULL, (struct slice){NULL, 0});
	else
		httpd_reply(http, 200, "application/json", slice_of(openapi_json));
}
