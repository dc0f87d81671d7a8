"""Repositories on a scripted Hugging Face, and that one against what was recorded of the real one."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from pathlib import Path

import pytest

from modeltab.domain import errors
from modeltab.providers.base import HttpRequest
from modeltab.providers.http import read
from modeltab.sources.hugging_face import Choice, Repository, RepositoryFile, about, choices, list_files, refused, wanted
from tests.servers.hugging_face import COMMIT, HubRepository, HubServer, hub
from tests.servers.scripted import Reply, html_reply, json_reply
from tests.servers.transport import RealTransport, run
from tests.unit.fakes import CannedTransport

REPO = "user/Tiny-GGUF"
CONTENT = b"GGUF" + bytes(1000)
FILES = {
    "README.md": b"# Tiny",
    "Tiny-Q8_0.gguf": bytes(800),
    "Tiny-Q4_K_M.gguf": CONTENT[:500],
    "Tiny-Q2_K.gguf": bytes(300),
    "BF16/Tiny-BF16-00002-of-00002.gguf": bytes(700),
    "BF16/Tiny-BF16-00001-of-00002.gguf": bytes(900),
    "broken/Tiny-F32-00001-of-00003.gguf": bytes(10),
    "mmproj-Tiny-f16.gguf": bytes(40),
    "imatrix.gguf": bytes(20),
    "Tiny-imatrix-IQ3_M.gguf": bytes(350),
}
REPOSITORIES = {
    REPO: HubRepository(FILES, gguf={"architecture": "llama", "total": 135_000_000, "context_length": 8192}),
    "user/Weights": HubRepository({"model.safetensors": b"x", "pytorch_model.bin": b"y", "config.json": b"{}"}),
    "user/Notes": HubRepository({"README.md": b"?"}, licence=""),
    "user/Empty": HubRepository({}),
    "user/Gated": HubRepository({"g-Q4_0.gguf": CONTENT}, gated="manual", licence="llama3.2"),
    "user/Secret": HubRepository({"s-Q4_0.gguf": CONTENT}, private=True),
}


@pytest.fixture
def server():
    """A Hub."""
    with hub(REPOSITORIES) as running:
        yield running


def listed(server: HubServer, repo: str = REPO, revision: str = "main", folder: str = "") -> tuple[RepositoryFile, ...]:
    """The GGUF files of a repository."""
    return run(list_files(RealTransport(), repo, revision, server.base_url, folder))


# ---- Lists -----------------------------------------------------------------------------------------------------------


def test_the_files_are_told_with_size_hash_and_address(server):
    found = {file.path: file for file in listed(server)}
    assert set(found) == {path for path in FILES if path.endswith(".gguf")} - {"imatrix.gguf"}
    file = found["Tiny-Q4_K_M.gguf"]
    assert file == RepositoryFile(
        "Tiny-Q4_K_M.gguf",
        500,
        hashlib.sha256(CONTENT[:500]).hexdigest(),
        f"{server.base_url}/{REPO}/resolve/main/Tiny-Q4_K_M.gguf",
        "Q4_K_M",
    )
    assert found["BF16/Tiny-BF16-00001-of-00002.gguf"].name == "Tiny-BF16-00001-of-00002.gguf"
    (request,) = server.requests
    assert (request.path, request.query) == (f"/api/models/{REPO}/tree/main", "recursive=true")
    assert "authorization" not in request.headers


def test_a_long_list_is_read_to_its_last_page():
    with hub(REPOSITORIES, page_size=3) as server:
        assert len(listed(server)) == 8
        assert len(server.requests) == 4


def test_a_list_that_leads_to_another_host_is_not_followed(server):
    page = json_reply([{"type": "file", "path": "a.gguf", "size": 1}], headers={"Link": '<https://evil.example/x>; rel="next"'})
    server.on("GET", f"/api/models/{REPO}/tree/main", page)
    assert [file.path for file in listed(server)] == ["a.gguf"]
    assert len(server.requests) == 1


def test_a_list_without_end_is_left(server):
    link = f'<{server.base_url}/api/models/{REPO}/tree/main>; rel="next"'
    page = json_reply([{"type": "file", "path": "a.gguf", "size": 1}], headers={"Link": link})
    server.on("GET", f"/api/models/{REPO}/tree/main", page)
    assert len(listed(server)) == 20


def test_a_folder_and_a_revision_are_asked_for(server):
    files = listed(server, revision=COMMIT, folder="BF16")
    assert [file.path for file in files] == ["BF16/Tiny-BF16-00001-of-00002.gguf", "BF16/Tiny-BF16-00002-of-00002.gguf"]
    assert files[0].url.startswith(f"{server.base_url}/{REPO}/resolve/{COMMIT}/BF16/")


def test_odd_entries_do_no_harm(server):
    odd = [5, {}, {"type": "file"}, {"type": "file", "path": "a.gguf"}, {"type": "file", "path": "b.gguf", "lfs": {"oid": "x"}}]
    server.on("GET", f"/api/models/{REPO}/tree/main", json_reply(odd))
    assert [(file.path, file.size, file.sha256) for file in listed(server)] == [("a.gguf", 0, ""), ("b.gguf", 0, "")]


# ---- Choices ---------------------------------------------------------------------------------------------------------


def test_the_choices_are_models_by_size_with_their_parts_together_and_projectors_last(server):
    offered = choices(listed(server))
    assert [(choice.quantization, choice.size, len(choice.files)) for choice in offered] == [
        ("Q2_K", 300, 1),
        ("IQ3_M", 350, 1),
        ("Q4_K_M", 500, 1),
        ("Q8_0", 800, 1),
        ("BF16", 1600, 2),
        ("F16", 40, 1),
    ]
    assert [choice.is_projector for choice in offered] == [False] * 5 + [True]
    assert [file.size for file in offered[4].files] == [900, 700]
    assert offered[4].name == "Tiny-BF16-00001-of-00002.gguf"


def choice(name: str, quantization: str, size: int = 1, is_projector: bool = False) -> Choice:
    """A choice of one file."""
    return Choice((RepositoryFile(name, size, "", "", quantization),), quantization, is_projector)


@pytest.mark.parametrize(
    ("there", "first"),
    [
        (["Q2_K", "Q4_0", "Q4_K_M", "Q8_0"], "Q4_K_M"),
        (["Q2_K", "Q4_0", "Q8_0"], "Q4_0"),
        (["Q2_K", "Q8_0"], "Q8_0"),
        (["IQ3_M", "Q6_K"], "IQ3_M"),
        ([], None),
    ],
)
def test_what_is_offered_first(there, first):
    offered = (*(choice(f"x-{name}.gguf", name) for name in there), choice("mmproj.gguf", "F16", is_projector=True))
    found = wanted(offered)
    assert (found.quantization if found else None) == first


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("q4_k_m", "x-Q4_K_M.gguf"),
        ("Q4_K_XL", "x-UD-Q4_K_XL.gguf"),
        ("x-Q4_K_M.gguf", "x-Q4_K_M.gguf"),
        ("X-Q4_K_M", "x-Q4_K_M.gguf"),
        ("mmproj-x.gguf", "mmproj-x.gguf"),
        ("Q9", None),
    ],
)
def test_a_tag_names_a_quantization_or_a_file(tag, name):
    offered = (
        choice("x-Q4_K_M.gguf", "Q4_K_M"),
        choice("x-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        choice("mmproj-x.gguf", "F16", is_projector=True),
    )
    found = wanted(offered, tag)
    assert (found.name if found else None) == name


# ---- What is known of a repository -----------------------------------------------------------------------------------


def test_a_repository_tells_its_licence_and_who_may_have_it(server):
    known = run(about(RealTransport(), REPO, server.base_url))
    assert known == Repository(REPO, "apache-2.0", "", False, 1234, "llama", 135_000_000, 8192)
    gated = run(about(RealTransport(), "user/Gated", server.base_url))
    assert (gated.gated, gated.licence, gated.parameters) == (True, "llama3.2", None)
    assert run(about(RealTransport(), "user/Notes", server.base_url)).licence == ""


def test_a_licence_of_ones_own_is_named(server):
    own = {"license_name": "lfm1.0", "license_link": "https://example.com/terms"}
    server.repositories["user/Own"] = HubRepository({}, licence="other", card=own)
    known = run(about(RealTransport(), "user/Own", server.base_url))
    assert (known.licence, known.licence_url) == ("lfm1.0", "https://example.com/terms")


def test_an_odd_repository_does_no_harm(server):
    server.on("GET", f"/api/models/{REPO}", json_reply({"tags": [5], "cardData": 5, "gguf": {"total": -1}, "downloads": "?"}))
    assert run(about(RealTransport(), REPO, server.base_url)) == Repository(REPO)
    server.on("GET", f"/api/models/{REPO}", json_reply([]))
    with pytest.raises(errors.BadReply, match="without a repository"):
        run(about(RealTransport(), REPO, server.base_url))


# ---- What goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repo", "words"),
    [
        ("user/Weights", "no GGUF files: its weights are safetensors and PyTorch"),
        ("user/Notes", "no GGUF files: it has 1 other files"),
        ("user/Empty", "no GGUF files: it is empty"),
    ],
)
def test_a_repository_without_gguf_says_what_it_has(server, repo, words):
    with pytest.raises(errors.NotFound, match=words) as caught:
        listed(server, repo)
    assert "huggingface.co/models?library=gguf&search=" in caught.value.advice


@pytest.mark.parametrize("repo", ["user/Gone", "user/Secret"])
def test_what_is_not_there_or_private_is_not_told_apart(server, repo):
    with pytest.raises(errors.NotFound, match=f"no repository {repo} that everybody may see") as caught:
        listed(server, repo)
    assert "private" in caught.value.advice


def test_a_gated_list_says_what_to_do(server):
    """The Hub tells the list and keeps the files; should it keep the list, too, that is told."""
    assert len(listed(server, "user/Gated")) == 1
    gated = json_reply({"error": "restricted"}, 403, headers={"X-Error-Code": "GatedRepo"})
    server.on("GET", "/api/models/user/Gated/tree/main", gated)
    with pytest.raises(errors.Unauthorized, match="gated or private") as caught:
        listed(server, "user/Gated")
    assert "accept its terms" in caught.value.advice
    assert refused("a/b").message.startswith("a/b is gated")


def test_a_revision_and_a_folder_that_are_not_there(server):
    with pytest.raises(errors.NotFound, match="no such branch"):
        listed(server, revision="v9")
    with pytest.raises(errors.NotFound, match="no such folder"):
        listed(server, folder="nowhere")


def test_too_many_requests_say_how_long_to_wait(server):
    server.limited = True
    with pytest.raises(errors.RateLimited, match="no more requests") as caught:
        listed(server)
    assert "five minutes" in caught.value.advice


def test_a_repository_with_another_name_says_how_to_find_it(server):
    server.renamed["user/Old"] = REPO
    with pytest.raises(errors.Redirected, match="another name now") as caught:
        listed(server, "user/Old")
    assert "huggingface.co/user/Old" in caught.value.advice
    with pytest.raises(errors.Redirected, match="another name now"):
        run(list_files(CannedTransport(errors.Redirected("x")), "user/Old"))


def test_offline_is_told_as_that():
    with pytest.raises(errors.Unreachable, match="No answer from Hugging Face") as caught:
        run(list_files(CannedTransport(errors.Unreachable("x", "y", "detail")), REPO))
    assert "online" in caught.value.advice and caught.value.detail == "detail"
    with pytest.raises(errors.OfflineOnly):
        run(list_files(CannedTransport(errors.OfflineOnly("x")), REPO))


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (html_reply("<p>Bad gateway", 502), errors.ServerFailed),
        (html_reply("<p>Hello", 200), errors.BadReply),
        (json_reply({"error": "?"}), errors.BadReply),
    ],
)
def test_other_failures_are_told(server, reply: Reply, error):
    server.on("GET", f"/api/models/{REPO}/tree/main", reply)
    with pytest.raises(error):
        listed(server)


# ---- The stand-in ----------------------------------------------------------------------------------------------------


async def asked(method: str, url: str, **headers: str):
    """A reply's status, headers and body."""
    response = await RealTransport().send(HttpRequest(method, url, {name.replace("_", "-"): v for name, v in headers.items()}))
    async with aclosing(response):
        return response.status, response.headers, await read(response)


def file_link(server: HubServer) -> str:
    """Where the Hub sends a request for a file."""
    status, headers, _ = run(asked("GET", listed(server)[-1].url, Origin="https://app.example"))
    assert status == 302 and headers["access-control-allow-origin"] == "https://app.example"
    return headers["location"]


def test_a_file_comes_in_parts_from_another_origin(server):
    link = file_link(server)
    assert link.startswith(server.cdn_url) and server.cdn_url != server.base_url
    status, headers, body = run(asked("GET", link))
    assert (status, body, headers["access-control-allow-origin"]) == (200, FILES["mmproj-Tiny-f16.gguf"], "*")
    assert "ETag" in headers["access-control-expose-headers"] and "x-linked-etag" not in headers
    status, headers, body = run(asked("GET", link, Range="bytes=30-"))
    assert (status, len(body), headers["content-range"]) == (206, 10, "bytes 30-39/40")
    status, headers, body = run(asked("GET", link, Range="bytes=0-9", If_Range=headers["etag"]))
    assert (status, len(body)) == (206, 10)
    status, _, body = run(asked("GET", link, Range="bytes=0-9", If_Range='"other"'))
    assert (status, len(body)) == (200, 40)
    status, headers, _ = run(asked("GET", link, Range="bytes=40-"))
    assert (status, headers["content-range"]) == (416, "bytes */40")


def test_a_link_runs_out_and_a_file_breaks_off(server):
    link = file_link(server)
    server.cut_after = 7
    with pytest.raises((errors.CutOff, errors.Unreachable)):
        run(asked("GET", link))
    assert len(run(asked("GET", link))[2]) == 40
    server.expire_links()
    assert run(asked("GET", link))[0] == 403
    assert run(asked("GET", file_link(server)))[0] == 200


def test_a_gated_file_is_refused_with_its_reason(server):
    status, headers, _ = run(asked("GET", listed(server, "user/Gated")[0].url))
    assert (status, headers["x-error-code"]) == (401, "GatedRepo")


def test_huggingfaces_own_library_reads_the_stand_in(server, tmp_path):
    library = pytest.importorskip("huggingface_hub", reason="it is no dependency of the tests")
    api = library.HfApi(endpoint=server.base_url, token=False)
    entries = {entry.path: entry for entry in api.list_repo_tree(REPO, recursive=True)}
    assert set(FILES) | {"BF16", "broken"} == set(entries)
    assert entries["Tiny-Q4_K_M.gguf"].lfs.sha256 == hashlib.sha256(CONTENT[:500]).hexdigest()
    info = api.model_info(REPO)
    assert (info.id, info.gated, info.gguf["architecture"]) == (REPO, False, "llama")
    with pytest.raises(library.errors.RepositoryNotFoundError):
        api.model_info("user/Gone")
    with pytest.raises(library.errors.RevisionNotFoundError):
        list(api.list_repo_tree(REPO, revision="v9"))
    path = Path(api.hf_hub_download(REPO, "Tiny-Q8_0.gguf", cache_dir=tmp_path))
    assert path.read_bytes() == FILES["Tiny-Q8_0.gguf"]
