"""A user of queryd in the tests of dashboards, saved queries and shares."""

import uuid

from harness import http_request
from hotel import API, CODES

BOARD = {"name": "Front desk", "scope": "tenant"}


class User:
    """One user's requests, to the stack's queryd or that of `url`; each answer's status can be asked for, and its code."""

    def __init__(self, stack, tenant, name="a", role="tenant.admin", properties=(), url=None):
        self.stack, self.tenant, self.id, self.url = stack, tenant, f"usr_{name}", url
        limits = [word for p in properties for word in ("--property", p)]
        self.token = stack.token(tenant, "--user", self.id, "--role", role, *limits)

    def ask(self, method, path, body=None, **headers):
        """Headers as keyword arguments: If_Match="…". A POST gets a key of its own unless it has one."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            headers.setdefault("Idempotency-Key", str(uuid.uuid4()))
        headers = {name: value for name, value in headers.items() if value is not None}
        path = path if path.startswith("/") and path.startswith(API) else API + path
        if self.url is None:
            return self.stack.http(method, "queryd", path, body, self.token, headers)
        return http_request(method, self.url + path, body, {"Authorization": "Bearer " + self.token, **headers})

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, **headers)

    def put(self, path, body, etag, **headers):
        return self.ask("PUT", path, body, If_Match=etag, **headers)

    def delete(self, path, **headers):
        return self.ask("DELETE", path, **headers)

    def board(self, **members):
        """A new dashboard's document."""
        answer = self.post("/dashboards", {**BOARD, **members})
        assert answer.status == 201, answer
        return answer.json()

    def pages(self, path, limit):
        """All items of a list, page by page."""
        items, cursor = [], ""
        while cursor is not None:
            page = self.get(f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            assert page.status == 200, page
            assert len(page.json()["items"]) <= limit
            items += page.json()["items"]
            cursor = page.json()["nextCursor"]
        return items


def code(answer):
    """(status, code without its common beginning)"""
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    assert problem["status"] == answer.status and problem["correlationId"]
    return answer.status, problem["code"].removeprefix(CODES)


def fields(answer):
    return {v["field"] for v in answer.json()["violations"]}
