"""Clients that are slow, broken or mean no good get the right status, and the server lives on."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from tests.serving.material import QUESTION, chat, process, raw

KEY = "a-key-of-the-tests"
HEAD = "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that wants a key and takes small bodies."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# the tests' keys\nanother-key-of-theirs\n{KEY}\n")
    arguments = ["--model", "sim", "--api-key-file", str(file), "--max-body", "20000"]
    with process(*arguments) as (address, _):
        yield address


def ask(
    url: str,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    body: str | bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Content-Type": "application/json", **named})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def message(body: bytes) -> str:
    """The message of an error in OpenAI's form, whose form is checked."""
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"]
    return str(error["message"])


def test_a_key_is_wanted_everywhere_but_for_probes(guarded: str) -> None:
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere", "/api/runs", "//health"):
        status, headers, body = ask(guarded, "GET", path)
        assert (path, status) == (path, 401)
        assert headers["www-authenticate"] == "Bearer"
        assert "API key" in message(body)
    assert ask(guarded, "GET", "/health")[0] == ask(guarded, "GET", "/ready")[0] == 200


@pytest.mark.parametrize("key", [KEY, "another-key-of-theirs"])
def test_the_right_key_opens(guarded: str, key: str) -> None:
    status, _, body = ask(guarded, body=json.dumps(chat()), Authorization=f"Bearer {key}")
    assert status == 200
    assert json.loads(body)["choices"][0]["message"]["content"] == "144"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Basic {KEY}",
        KEY,
        "Bearer kéy-éàü",
        f"Bearer {KEY} {KEY}",
    ],
)
def test_a_wrong_key_does_not(guarded: str, given: str) -> None:
    status, _, body = ask(guarded, body=json.dumps(chat()), Authorization=given)
    assert status == 401
    assert json.loads(body)["error"]["code"] == "invalid_api_key"


def test_nothing_is_read_for_strangers(guarded: str) -> None:
    assert ask(guarded, body="{ not json")[0] == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{ not json", "not valid JSON"),
        ("", "missing"),
        ("[]", "JSON object"),
        ('"text"', "JSON object"),
        ("null", "JSON object"),
        (b"\xff\xfe{}", ""),
        ("[" * 10_000, ""),
        ('{"model": "reason-vote", "messages": 1' + "0" * 5000 + "}", ""),
        ('{"model": "reason-vote"}', "messages"),
        ('{"model": "reason-vote", "messages": []}', "messages"),
        ('{"model": "reason-vote", "messages": [{"role": "user"}]}', "content"),
        (
            '{"model": "reason-vote", "messages": [{"role": "system", "content": "x"}]}',
            "no question",
        ),
        ('{"model": "reason-vote", "messages": [{"role": "boss", "content": "x"}]}', "role"),
        (json.dumps(chat("   ")), "no question"),
        (json.dumps(chat(n=2)), "n: "),
        (json.dumps(chat(tools=[{"type": "function"}])), "tools: is not supported"),
        (json.dumps(chat(response_format={"type": "json_object"})), "only the type text"),
        (json.dumps(chat(stream="yes")), "stream"),
        (json.dumps(chat(reason={"k": 0})), "reason.k"),
        (json.dumps(chat(reason={"k": "3"})), "reason.k"),
        (json.dumps(chat(reason={"k": True})), "reason.k"),
        (json.dumps(chat(reason={"k": 5, "max_votes": 3})), "cannot decide"),
        (json.dumps(chat(reason={"kind": "poem"})), "reason.kind"),
        (json.dumps(chat(reason={"temprature": 1})), "did you mean temperature?"),
        (json.dumps(chat(reason={"budget_usd": float("nan")})), "budget_usd"),
        (json.dumps(chat(reason={"max_calls": 10**6})), "at most 1000"),
        (json.dumps(chat(reason={"\ud800": 1})), "unicode"),
        (json.dumps(chat("\ud800")), ""),
        (json.dumps(chat([{"type": "image_url", "image_url": "x"}])), "only text"),  # type: ignore[arg-type]
        (json.dumps(chat([{"type": "text"}])), "only text"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_request_is_a_clear_400(guarded: str, body: str | bytes, words: str) -> None:
    status, _, answer = ask(guarded, body=body, Authorization=f"Bearer {KEY}")
    assert status == 400, answer
    assert words in message(answer)


def test_what_is_not_json_by_its_type_is_not_read_as_json(guarded: str) -> None:
    """A web page can send text/plain anywhere without being asked whether it may."""
    plain = {"Content_Type": "text/plain", "Authorization": f"Bearer {KEY}"}
    assert ask(guarded, body=json.dumps(chat()), **plain)[0] == 400


def test_an_oversized_body_is_refused(guarded: str) -> None:
    allowed = {"Authorization": f"Bearer {KEY}"}
    for size in (20_001, 3_000_000):
        status, _, body = ask(guarded, body=json.dumps(chat("x" * size)), **allowed)
        assert status == 413
        assert "20,000 bytes" in message(body)
    parts = (b"x" * 1000 for _ in range(100))  # chunked: no length is told beforehand
    assert ask(guarded, body=parts, **allowed)[0] == 413  # type: ignore[arg-type]
    waits = raw(
        guarded,
        f"{HEAD}Authorization: Bearer {KEY}\r\nContent-Length: 999999\r\n"
        "Expect: 100-continue\r\nConnection: close\r\n\r\n".encode(),
    )
    assert waits.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/v1/models/../../../etc/passwd",
        "/v1/models/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../../etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/v1/models/%00",
        "/v1/models/reason-vote%0d%0aSet-Cookie:%20a=b",
        "/v1//models",
        "/api/runs/..%2f..%2fetc",
        "/api/runs/%2e%2e/events",
        "/api/runs/..%5c..",
        "/api/runs/%00/steps",
    ],
)
def test_no_path_leads_out(guarded: str, path: str) -> None:
    status, headers, body = ask(guarded, "GET", path, Authorization=f"Bearer {KEY}")
    assert status == 404
    assert "root:" not in message(body)
    assert "set-cookie" not in {name.lower() for name in headers}


def test_errors_of_the_runs_api_have_the_same_form_and_say_what_is_wrong(guarded: str) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    for path in ("nope", "nope/events", "nope/steps"):
        status, _, body = ask(guarded, "GET", f"/api/runs/{path}", **key)
        assert (status, message(body)) == (404, "no run 'nope'")
    new = {"task": {"name": "hanoi", "disks": 3}, "options": {"kk": 1}}
    status, _, body = ask(guarded, "POST", "/api/runs", json.dumps(new), **key)
    assert (status, message(body)) == (400, "options.kk: unknown option")
    status, _, body = ask(guarded, "POST", "/api/runs", "x" * 20_001, **key)
    assert status == 413
    status, _, body = ask(guarded, "POST", "/api/runs", "{", **key)
    assert status == 400
    evil = {**key, "Origin": "http://evil.example"}
    status, _, body = ask(guarded, "POST", "/api/runs", json.dumps(new), **evil)
    assert (status, message(body)) == (403, "asked for by another site's page")


def test_a_wrong_method_is_told(guarded: str) -> None:
    status, headers, body = ask(guarded, "GET", Authorization=f"Bearer {KEY}")
    assert status == 405
    assert headers["allow"] == "POST"
    message(body)


@pytest.mark.parametrize(
    "head",
    [
        f"{HEAD}X: a\x00b\r\n\r\n",
        f"{HEAD}X: a\r b\r\n\r\n",
        f"{HEAD}X y: a\r\n\r\n",
        f"{HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        f"{HEAD}Content-Length: -1\r\n\r\n",
        f"{HEAD}Content-Length: five\r\n\r\n",
        f"{HEAD}Transfer-Encoding: chunked, gzip\r\n\r\n",
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /v1/chat completions HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /" + "a" * 70_000 + " HTTP/1.1\r\nHost: a\r\n\r\n",
        f"{HEAD}X: " + "a" * 70_000 + "\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    ],
)
def test_a_broken_or_smuggled_head_is_refused(guarded: str, head: str) -> None:
    answer = raw(guarded, head.encode("latin-1"))
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 501", b"HTTP/1.1 401")
    assert ask(guarded, "GET", "/health")[0] == 200


def test_what_a_client_sends_never_becomes_a_header(guarded: str) -> None:
    evil = "reason-vote\r\nSet-Cookie: a=b"
    body = json.dumps(chat(model=evil))
    status, headers, answer = ask(guarded, body=body, Authorization=f"Bearer {KEY}")
    assert status == 404
    assert "set-cookie" not in {name.lower() for name in headers}
    assert "does not exist" in message(answer)


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(guarded: str) -> None:
    host, port = guarded.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                f"{HEAD}Authorization: Bearer {KEY}\r\nContent-Length: 50\r\n\r\n{{".encode()
            )
    assert ask(guarded, body=json.dumps(chat()), Authorization=f"Bearer {KEY}")[0] == 200


def test_without_keys_only_this_machine_is_answered(url: str) -> None:
    """A page that points a name of its own at 127.0.0.1 gets nothing."""
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "0x7f.1"):
        status, _, body = ask(url, body=json.dumps(chat()), Host=host)
        assert status == 403
        assert "localhost" in message(body)
    for host in ("localhost", "localhost:8080", "127.0.0.1", "[::1]:80"):
        assert ask(url, body=json.dumps(chat(QUESTION)), Host=host)[0] == 200
