"""Who may read, and what every answer forbids."""

import pytest

pytest.importorskip("starlette", reason="needs the extra `view`")
pytest.importorskip("uvicorn", reason="needs the extra `view`")

TOKEN = "a-token-nobody-guesses"
PAGES = ("/", "/compare", "/assets/view.js", "/runs/tiny/x", "/runs/tiny/x/progress.json", "/favicon.ico", "/nothing")


@pytest.mark.parametrize("path", PAGES)
def test_without_the_token_there_is_nothing_to_see(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "evalkit view" in answer.text
    assert "results" not in answer.text


@pytest.mark.parametrize("given", ["wrong", TOKEN[:-1], TOKEN + "x", "", "\udc80", "ü"])
def test_another_token_is_none(stranger, given):
    assert stranger.get("/", params={"token": given.encode("utf-8", "surrogateescape")}).status_code == 403
    assert stranger.get("/", headers={"cookie": f"key={given.encode('ascii', 'ignore').decode()}"}).status_code == 403


def test_the_token_becomes_a_cookie_and_leaves_the_address(stranger):
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    kept = answer.headers["set-cookie"].lower()
    assert "httponly" in kept
    assert "samesite=strict" in kept
    assert stranger.get("/").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "127.0.0.1", "127.0.0.1:8124", "localhost", ""])
def test_a_name_that_was_made_to_lead_here_is_refused_with_token_and_all(client, host):
    answer = client.get(f"/?token={TOKEN}", headers={"host": host})
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_is_read_only(client, method):
    assert client.request(method, "/").status_code == 405


def test_a_head_is_a_get_without_a_body(client):
    answer = client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_is_confined(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_the_way_on_from_a_refusal_is_the_same_page_by_another_address(stranger):
    assert 'href="?again"' in stranger.get("/compare").text
    assert 'href="?a=1&amp;again"' in stranger.get("/compare?a=1").text
    assert 'href="?a=1"' in stranger.get("/compare?a=1&again").text
    assert "<script" not in stranger.get('/compare?a="><script>1</script>').text


def test_cookies_of_other_apps_do_no_harm(stranger):
    others = 'a b=1; =; x="; {"json": [1]}; k,y=2'
    assert stranger.get("/", headers={"cookie": f"{others}; key={TOKEN}"}).status_code == 200
    assert stranger.get("/", headers={"cookie": others}).status_code == 403
