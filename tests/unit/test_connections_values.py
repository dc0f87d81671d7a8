"""Addresses: what is taken for one, and what is taken for this very machine."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeltab.domain.connections import clean_base_url, host_of, is_loopback
from modeltab.domain.errors import BadRequest


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("http://127.0.0.1:5000/api/v1", "http://127.0.0.1:5000/api/v1"),
        ("  https://models.example/api/v1/  ", "https://models.example/api/v1"),
        ("http://localhost:5000///", "http://localhost:5000"),
        ("localhost:5000/api/v1", "http://localhost:5000/api/v1"),
        ("192.168.0.7", "http://192.168.0.7"),
        ("HTTPS://Example.org", "HTTPS://Example.org"),
        ("http://[::1]:5000/api", "http://[::1]:5000/api"),
        ("http://bücher.example", "http://bücher.example"),
        ("http://host/a%20b", "http://host/a%20b"),
    ],
)
def test_an_address_is_kept_without_what_does_not_belong_to_it(typed, kept):
    assert clean_base_url(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "/",
        "http:///api/v1",
        "http://:5000",
        "http://host:port",
        "http://host:99999",
        "http://host:-1",
        "http://[::1",
        "http://[nonsense]",
        "http://ho st",
        "http://host/a b",
        "http://host\t/a",
        "http://host\n.example",
        "ftp://host",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "javascript://host/%0aalert(1)",
        "data:text/html,hi",
        "ws://host",
        "mailto:someone@example.org",
        "http://user@host",
        "http://user:password@host",
        "http://:password@host",
        "http://host?key=1",
        "http://host/api#part",
        "http://exa℀mple.org",
    ],
)
def test_what_cannot_be_a_base_url_is_refused_with_advice(typed):
    with pytest.raises(BadRequest) as caught:
        clean_base_url(typed)
    assert caught.value.message
    assert caught.value.advice


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("http://", id="a scheme alone"),
        pytest.param("https://", id="another scheme alone"),
        pytest.param("http:/127.0.0.1:5000", id="a slash is missing"),
        pytest.param("http://host/api?", id="an empty query"),
        pytest.param("http://host/api#", id="an empty fragment"),
        pytest.param("http://evil.example\\.localhost", id="a backslash, which a browser reads as a slash"),
        pytest.param("http://host\x00", id="a control character"),
    ],
)
def test_what_only_looks_like_a_base_url_is_refused(typed):
    with pytest.raises(BadRequest):
        clean_base_url(typed)


@given(st.text(st.sampled_from("htps:/.@?#[]\\ 01a\t%é") | st.characters(), max_size=30))
def test_whatever_is_typed_is_either_refused_or_kept_the_same_ever_after(typed):
    try:
        kept = clean_base_url(typed)
    except BadRequest:
        return
    assert clean_base_url(kept) == kept
    assert urlsplit(kept).scheme in ("http", "https")
    assert host_of(kept)
    assert not kept.endswith("/")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "[::1]", "app.localhost"])
def test_these_hosts_are_this_very_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "example.org", "192.168.0.1", "10.0.0.1", "localhost.example.org", "notlocalhost", "128.0.0.1", "::2", "1127.0.0.1"],
)
def test_these_hosts_are_elsewhere(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.example.org", "127.0.0.1.example.org", "127.0.0.1-x.example.org"])
def test_a_name_that_begins_like_an_address_of_this_machine_is_elsewhere(host):
    assert not is_loopback(host)


def test_the_host_of_an_address_has_no_port_and_no_brackets():
    assert host_of("http://[::1]:5000/api") == "::1"
    assert host_of("https://Example.org:1/x") == "example.org"
    assert host_of("") == ""
