"""Reading etcd through its JSON gateway, as far as the lab needs it."""

import base64
import http.client
import json


def _decode(value):
    return base64.b64decode(value).decode()


def _encode(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """One endpoint. Every call opens a connection of its own; failures are OSError."""

    def __init__(self, address, port, timeout=2.0):
        self.address, self.port, self.timeout = address, port, timeout

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise OSError(f"etcd answered {answer.status}: {text.strip()}")
            return text
        except http.client.HTTPException as problem:
            raise OSError(f"etcd gave no proper answer: {problem!r}") from None
        finally:
            connection.close()

    def healthy(self):
        try:
            return json.loads(self._call("GET", "/health")).get("health") == "true"
        except (OSError, ValueError):
            return False

    def get(self, key):
        """The value as text, or None."""
        answer = json.loads(self._call("POST", "/v3/kv/range", json.dumps({"key": _encode(key)})))
        kvs = answer.get("kvs", [])
        return _decode(kvs[0].get("value", "")) if kvs else None

    def put(self, key, value):
        self._call(
            "POST", "/v3/kv/put", json.dumps({"key": _encode(key), "value": _encode(value)})
        )

    def get_prefix(self, prefix):
        """The values of all keys that begin so, as a dict."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        body = json.dumps({"key": _encode(prefix), "range_end": _encode(after)})
        answer = json.loads(self._call("POST", "/v3/kv/range", body))
        return {_decode(kv["key"]): _decode(kv.get("value", "")) for kv in answer.get("kvs", [])}

    def delete(self, key):
        self._call("POST", "/v3/kv/deleterange", json.dumps({"key": _encode(key)}))

    def lease_of(self, key):
        """The id of the lease on which a key hangs, as text; None: there is no such key, or it hangs on none."""
        answer = json.loads(self._call("POST", "/v3/kv/range", json.dumps({"key": _encode(key)})))
        kvs = answer.get("kvs", [])
        return kvs[0].get("lease") if kvs else None

    def revoke(self, lease):
        self._call("POST", "/v3/kv/lease/revoke", json.dumps({"ID": lease}))

    def proposals_applied(self):
        """How many entries the raft log has taken so far: every write counts, no read does."""
        for line in self._call("GET", "/metrics").splitlines():
            if line.startswith("etcd_server_proposals_applied_total"):
                return int(float(line.split()[1]))
        raise OSError("etcd shows no etcd_server_proposals_applied_total")

    def watch(self, key, created=None):
        """Yields (mod_revision, value) for each change of a key from now on, until the connection
        breaks. created() is called when etcd has said that it watches."""
        for kv in self._watch({"key": _encode(key)}, created):
            yield int(kv.get("mod_revision", 0)), _decode(kv.get("value", ""))

    def watch_prefix(self, prefix, created=None):
        """Yields (key, value) for each change of a key that begins so; the value of a deleted one is "".
        created() is called when etcd has said that it watches."""
        after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        for kv in self._watch({"key": _encode(prefix), "range_end": _encode(after)}, created):
            yield _decode(kv["key"]), _decode(kv.get("value", ""))

    def _watch(self, request, created):
        connection = http.client.HTTPConnection(self.address, self.port, timeout=None)
        connection.request("POST", "/v3/watch", json.dumps({"create_request": request}))
        answer = connection.getresponse()
        while True:
            line = answer.readline()
            if not line:
                return
            result = json.loads(line).get("result", {})
            if created and result.get("created"):
                created()
            for event in result.get("events", []):
                yield event.get("kv", {})
