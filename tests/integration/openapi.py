"""An OpenAPI 3.1 document: its structure, values against its schemas, and values made from them.

The subset of JSON Schema that queryd/openapi.json uses; a keyword outside of it is a fault, so that
nothing in the document goes unchecked.
"""

import datetime as dt
import re
import string

METHODS = ("get", "post", "put", "delete")
ANNOTATIONS = {"description", "default", "example"}
KEYWORDS = {"$ref", "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems", "minLength",
            "maxLength", "pattern", "minimum", "maximum", "enum", "const", "oneOf", "anyOf", "format"} | ANNOTATIONS
TYPES = {"null": lambda v: v is None, "boolean": lambda v: isinstance(v, bool), "string": lambda v: isinstance(v, str),
         "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
         "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
         "array": lambda v: isinstance(v, list), "object": lambda v: isinstance(v, dict)}
INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def is_date(text):
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and dt.date.fromisoformat(text) is not None
    except ValueError:
        return False


FORMATS = {"date": is_date, "date-time": lambda s: re.fullmatch(INSTANT, s) is not None,
           "uri": lambda s: re.match(r"^[a-z][a-z0-9+.-]*:", s) is not None}


class Document:
    def __init__(self, root):
        self.root = root

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            parts = node["$ref"].split("/")
            assert parts[0] == "#", node
            node = self.root
            for part in parts[1:]:
                node = node[part]
        return node

    def operations(self):
        """(method in capitals, path, operation)"""
        for path, item in self.root["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def parameters(self, operation, where):
        found = [self.resolve(p) for p in operation.get("parameters", [])]
        return [p for p in found if p["in"] == where]

    def body_schema(self, operation):
        body = operation.get("requestBody")
        return None if body is None else body["content"]["application/json"]["schema"]

    # ---- the structure

    def faults(self):
        """What is wrong with the document."""
        found = []
        if self.root.get("openapi") != "3.1.0" or not {"title", "version"} <= set(self.root["info"]):
            found.append("openapi and info")
        self._walk_refs(self.root, "#", found)
        if found:
            return found
        for kind, members in self.root["components"].items():
            for name, member in members.items():
                self._component(kind, name, member, found)
        names = []
        for method, path, operation in self.operations():
            names.append(operation.get("operationId"))
            self._operation(method, path, operation, found)
        found += [f"operationId {n} twice" for n in names if names.count(n) > 1 or not n]
        return found

    def _walk_refs(self, node, at, found):
        if isinstance(node, list):
            for i, item in enumerate(node):
                self._walk_refs(item, f"{at}/{i}", found)
        elif isinstance(node, dict):
            if "$ref" in node:
                try:
                    self.resolve(node)
                except (KeyError, AssertionError):
                    found.append(f"{at}: {node['$ref']} leads nowhere")
            for key, item in node.items():
                self._walk_refs(item, f"{at}/{key}", found)

    def _component(self, kind, name, member, found):
        at = f"components/{kind}/{name}"
        if kind == "schemas":
            self._schema(member, at, found)
        elif kind == "parameters":
            if not {"name", "in", "schema"} <= set(member) or member["in"] not in ("path", "query", "header"):
                found.append(at)
            self._schema(member["schema"], at, found)
        elif kind == "headers":
            self._schema(member["schema"], at, found)
        elif kind == "responses":
            self._response(member, at, found)
        elif kind == "securitySchemes":
            if member["type"] != "http" or member["scheme"] != "bearer":
                found.append(at)
        else:
            found.append(f"{at}: unknown kind")

    def _response(self, response, at, found):
        if "description" not in response:
            found.append(f"{at}: no description")
        for media in response.get("content", {}).values():
            self._schema(media["schema"], at, found)
            if "example" in media:
                found += [f"{at} example: {e}" for e in self.check(media["example"], media["schema"])]

    def _operation(self, method, path, operation, found):
        at = f"{method} {path}"
        if method.lower() not in METHODS or not operation.get("summary") or not operation.get("responses"):
            found.append(f"{at}: incomplete")
        named = sorted(p["name"] for p in self.parameters(operation, "path"))
        if named != sorted(re.findall(r"{(\w+)}", path)):
            found.append(f"{at}: path parameters {named}")
        if not all(p.get("required") for p in self.parameters(operation, "path")):
            found.append(f"{at}: an optional path parameter")
        if method in ("GET", "DELETE") and "requestBody" in operation:
            found.append(f"{at}: a body")
        for scheme in (name for row in operation["security"] for name in row):
            if scheme not in self.root["components"]["securitySchemes"]:
                found.append(f"{at}: security {scheme}")
        for status, response in operation["responses"].items():
            if not re.fullmatch(r"[1-5]\d\d", status):
                found.append(f"{at}: status {status}")
            self._response(self.resolve(response), f"{at} {status}", found)
        if "requestBody" in operation:
            media = operation["requestBody"]["content"]["application/json"]
            self._schema(media["schema"], at, found)
            if "example" not in media:
                found.append(f"{at}: no example")
            else:
                found += [f"{at} example: {e}" for e in self.check(media["example"], media["schema"])]

    def _schema(self, schema, at, found):
        if schema is True or schema is False:
            return
        for keyword in set(schema) - KEYWORDS:
            found.append(f"{at}: keyword {keyword}")
        types = schema.get("type", [])
        for name in [types] if isinstance(types, str) else types:
            if name not in TYPES:
                found.append(f"{at}: type {name}")
        if "pattern" in schema:
            re.compile(schema["pattern"])
        if schema.get("format", "date") not in FORMATS:
            found.append(f"{at}: format {schema['format']}")
        if "properties" in schema and schema.get("type") == "object":
            for name in set(schema.get("required", [])) - set(schema["properties"]):
                found.append(f"{at}: requires {name}, which it has not")
        for name, sub in schema.get("properties", {}).items():
            self._schema(sub, f"{at}/{name}", found)
        for keyword in ("items", "additionalProperties"):
            self._schema(schema.get(keyword, True), f"{at}/{keyword}", found)
        for keyword in ("oneOf", "anyOf"):
            for i, sub in enumerate(schema.get(keyword, [])):
                self._schema(sub, f"{at}/{keyword}/{i}", found)

    # ---- values

    def check(self, value, schema, at="$"):
        """Errors of a value."""
        if schema is True or schema is False:
            return [] if schema else [f"{at}: nothing is allowed"]
        errors = self.check(value, self.resolve(schema), at) if "$ref" in schema else []
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(TYPES[name](value) for name in types):
            return errors + [f"{at}: {value!r} is no {'/'.join(types)}"]
        if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
            errors.append(f"{at}: {value!r} is none of the values")
        if isinstance(value, str):
            errors += self._check_text(value, schema, at)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                errors.append(f"{at}: {value} is out of range")
        elif isinstance(value, list):
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                errors.append(f"{at}: {len(value)} items")
            for i, item in enumerate(value):
                errors += self.check(item, schema.get("items", True), f"{at}[{i}]")
        elif isinstance(value, dict):
            errors += [f"{at}: no {name}" for name in schema.get("required", []) if name not in value]
            known = schema.get("properties", {})
            for name, item in value.items():
                errors += self.check(item, known.get(name, schema.get("additionalProperties", True)), f"{at}.{name}")
        for keyword, wanted in (("oneOf", lambda n: n == 1), ("anyOf", lambda n: n >= 1)):
            tried = [self.check(value, sub, at) for sub in schema.get(keyword, [])]
            if tried and not wanted(sum(not t for t in tried)):
                errors.append(f"{at}: {keyword} of {tried}")
        return errors

    def _check_text(self, value, schema, at):
        errors = []
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            errors.append(f"{at}: {len(value)} characters")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            errors.append(f"{at}: {value!r} is not like {schema['pattern']}")
        if "format" in schema and not FORMATS[schema["format"]](value):
            errors.append(f"{at}: {value!r} is no {schema['format']}")
        return errors

    def make(self, schema, rng, name=""):
        """A random value that the schema allows; `words` of the caller make some of them sensible."""
        if schema is True or not schema:
            return rng.choice([None, 1, "x"])
        if "$ref" in schema:
            return self.make(self.resolve(schema), rng, name)
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                return self.make(self._merged(schema, rng.choice(schema[keyword]), keyword), rng, name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        types = schema.get("type", "string")
        kind = types if isinstance(types, str) else rng.choice(types)
        return getattr(self, "_make_" + kind)(schema, rng, name)

    def _merged(self, schema, choice, keyword):
        choice = self.resolve(choice)
        if "properties" not in schema:
            return choice
        properties = {n: {**(schema["properties"].get(n, {})), **sub} for n, sub in choice["properties"].items()}
        rest = {k: v for k, v in schema.items() if k != keyword}
        return {**rest, "properties": {**schema["properties"], **properties},
                "required": [*schema.get("required", []), *choice.get("required", [])]}

    def _make_null(self, _schema, _rng, _name):
        return None

    def _make_boolean(self, _schema, rng, _name):
        return rng.random() < 0.5

    def _make_integer(self, schema, rng, _name):
        low = schema.get("minimum", -1000)
        return rng.choice([low, rng.randint(low, schema.get("maximum", low + 1000))])

    def _make_number(self, schema, rng, _name):
        return round(rng.uniform(schema.get("minimum", -10), schema.get("maximum", 1000)), 3)

    def _make_array(self, schema, rng, name):
        low = schema.get("minItems", 0)
        return [self.make(schema.get("items", {}), rng, name)
                for _ in range(rng.randint(low, min(schema.get("maxItems", low + 3), low + 2)))]

    def _make_object(self, schema, rng, _name):
        required = set(schema.get("required", []))
        return {n: self.make(sub, rng, n) for n, sub in schema.get("properties", {}).items()
                if n in required or rng.random() < 0.3}

    def _make_string(self, schema, rng, name):
        if schema.get("format") == "date":
            return str(dt.date(2024, 2, 1) + dt.timedelta(rng.randrange(120)))
        if schema.get("format") == "date-time":
            return f"2024-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}T0{rng.randint(0, 9)}:00:00Z"
        prefix = re.match(r"\^([a-z]{3})_\[0-7\]", schema.get("pattern", ""))
        if prefix:
            return f"{prefix[1]}_0" + "".join(rng.choice(CROCKFORD) for _ in range(25))
        if "propertyId" == name:
            return "ppt_0" + "".join(rng.choice(CROCKFORD) for _ in range(25))
        if "[A-Z]{3}" in schema.get("pattern", ""):
            return rng.choice(["USD", "AFN", "EUR"])
        low = schema.get("minLength", 0)
        letters = string.ascii_lowercase if "[a-z_]" in schema.get("pattern", "") else string.ascii_letters + "é"
        return "".join(rng.choice(letters) for _ in range(rng.randint(max(low, 1), min(schema.get("maxLength", 20), 30))))
