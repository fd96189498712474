/* libcurl's multi interface in a plain loop; see replay_http.h. */
#include "tools/replay_http.h"

#include <errno.h>

#include <curl/curl.h>

#include "common/base/strbuf.h"
#include "common/base/xalloc.h"

/* An answer names each bad event: below 100 bytes apiece, for the largest batch. */
#define ANSWER_MAX        ((size_t)16 << 20)
#define REQUEST_TIMEOUT_S 60L

struct slot {
	CURL *easy;
	struct strbuf answer;
	char error[CURL_ERROR_SIZE];
};

struct replay_http {
	CURLM *multi;
	struct curl_slist *headers;
	struct slot *slots;
	size_t nslots;
	replay_answer_fn fn;
	void *arg;
};

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct slot *s = arg;

	strbuf_append(&s->answer, p, size * n);
	return s->answer.overflow ? 0 : size * n;
}

static int add_header(struct replay_http *h, const char *line)
{
	struct curl_slist *longer = curl_slist_append(h->headers, line);

	if (longer == NULL)
		return -ENOMEM;
	h->headers = longer;
	return 0;
}

static int make_headers(struct replay_http *h, const char *token)
{
	struct strbuf authorization = STRBUF_INIT;
	int r;

	strbuf_appendf(&authorization, "Authorization: Bearer %s", token);
	r = add_header(h, strbuf_cstr(&authorization));
	strbuf_clear(&authorization);
	if (r == 0)
		r = add_header(h, "Content-Type: application/x-ndjson");
	if (r == 0)
		r = add_header(h, "Expect:"); /* no 100-continue round trip */
	return r;
}

static bool set_up(struct replay_http *h, struct slot *s, const char *url)
{
	CURL *c = s->easy;

	return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT, REQUEST_TIMEOUT_S) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->error) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, s) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PRIVATE, s) == CURLE_OK;
}

int replay_http_new(const char *url, const char *token, size_t slots, replay_answer_fn fn,
		    void *arg, struct replay_http **ret, struct err *e)
{
	struct replay_http *h = xcalloc(1, sizeof(*h));
	bool fine;

	h->fn = fn;
	h->arg = arg;
	h->slots = xcalloc(slots, sizeof(*h->slots));
	fine = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
	       (h->multi = curl_multi_init()) != NULL && make_headers(h, token) == 0;
	for (; fine && h->nslots < slots; h->nslots++) {
		struct slot *s = &h->slots[h->nslots];

		strbuf_init(&s->answer, ANSWER_MAX);
		s->easy = curl_easy_init();
		fine = s->easy != NULL && set_up(h, s, url);
	}
	if (!fine) {
		replay_http_free(h);
		return err_set(e, -EINVAL, "libcurl cannot send to %s", url);
	}
	*ret = h;
	return 0;
}

void replay_http_free(struct replay_http *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->nslots; i++) {
		(void)curl_multi_remove_handle(h->multi, h->slots[i].easy);
		curl_easy_cleanup(h->slots[i].easy);
		strbuf_clear(&h->slots[i].answer);
	}
	(void)curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	curl_global_cleanup();
	free(h->slots);
	free(h);
}

void replay_http_post(struct replay_http *h, size_t slot, struct slice body)
{
	struct slot *s = &h->slots[slot];
	CURLMcode code;

	strbuf_reset(&s->answer);
	s->answer.overflow = false;
	s->error[0] = '\0';
	(void)curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	(void)curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, body.ptr);
	code = curl_multi_add_handle(h->multi, s->easy);
	ASSERT(code == CURLM_OK);
}

static void finish(struct replay_http *h, struct slot *s, CURLcode code)
{
	struct replay_answer a = {.body = {s->answer.ptr, s->answer.len}};
	curl_off_t retry_after = 0;

	(void)curl_multi_remove_handle(h->multi, s->easy);
	(void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &a.status);
	(void)curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &retry_after);
	a.retry_after_ms = retry_after * 1000;
	if (code != CURLE_OK)
		a.failure = s->error[0] != '\0' ? s->error : curl_easy_strerror(code);
	h->fn(h->arg, (size_t)(s - h->slots), &a);
}

int replay_http_run(struct replay_http *h, int fd, int timeout_ms, struct err *e)
{
	struct curl_waitfd extra = {.fd = fd, .events = CURL_WAIT_POLLIN};
	CURLMcode code;
	CURLMsg *m;
	int left, finished = 0;

	code = curl_multi_perform(h->multi, &left);
	while (code == CURLM_OK && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
		struct slot *s;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
		finish(h, s, m->data.result);
		finished++;
	}
	if (code == CURLM_OK && finished == 0)
		code = curl_multi_poll(h->multi, &extra, fd >= 0 ? 1 : 0, timeout_ms, NULL);
	if (code != CURLM_OK)
		return err_set(e, -EIO, "libcurl: %s", curl_multi_strerror(code));
	return 0;
}
