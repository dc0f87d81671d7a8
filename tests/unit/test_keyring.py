"""Where the keys are: in memory, on record as the person chose, and for one origin each."""

from __future__ import annotations

import asyncio
import json

import pytest

from modeltab.domain.connections import Connection
from modeltab.domain.errors import BadRequest, KeyMissing, KeysLocked, StorageFailed, WrongPassphrase
from modeltab.domain.keys import clean_key, masked
from modeltab.state.keyring import KDF, ROUNDS, KeyRing
from tests.unit.fakes import DictConfig, RealVault

KEY = "sk-secret-0123456789abcdef"
OTHER_KEY = "sk-other/0123456789+abcdef"
PASSPHRASE = "correct horse battery"
HOSTED = Connection("c", "openai", "Mine", "https://api.example/v1")
OTHER = Connection("d", "openai", "Other", "https://other.example/v1")


def ring_on(record: DictConfig, vault: RealVault | None = None) -> KeyRing:
    """What a page has after its start."""
    ring = KeyRing(record, vault or RealVault())
    ring.load()
    return ring


async def filled(record: DictConfig, passphrase: str = "") -> KeyRing:
    """A ring with the keys of both connections, encrypted if there is a passphrase."""
    ring = ring_on(record)
    await ring.set("c", HOSTED.base_url, KEY)
    await ring.set("d", OTHER.base_url, OTHER_KEY)
    if passphrase:
        await ring.protect("passphrase", passphrase)
    return ring


def kept(record: DictConfig) -> str:
    """All that is in storage, as text."""
    return json.dumps([record.value, record.aside])


# ---- In this browser, and for this session ---------------------------------------------------------------------------


async def test_a_key_in_this_browser_is_there_after_a_reload():
    record = DictConfig()
    await filled(record)
    assert record.value["protection"] == "browser"
    again = ring_on(record)
    assert (again.key(HOSTED), again.key(OTHER)) == (KEY, OTHER_KEY)


async def test_a_key_for_this_session_is_never_on_record_and_gone_after_a_reload():
    record = DictConfig()
    ring = ring_on(record)
    await ring.protect("session")
    await ring.set("c", HOSTED.base_url, KEY)
    assert ring.key(HOSTED) == KEY
    assert record.value == {"version": 1, "protection": "session"}
    again = ring_on(record)
    assert (again.protection, again.key(HOSTED)) == ("session", "")


@pytest.mark.parametrize("protection", ["session", "passphrase"])
async def test_another_way_to_keep_keys_leaves_no_plain_copy_and_the_keys_usable(protection):
    record = DictConfig()
    ring = await filled(record)
    assert KEY in kept(record)
    record.aside = {"keys": {"c": {"key": KEY}}}  # of an earlier record that could not be read
    await ring.protect(protection, PASSPHRASE)
    assert "0123456789" not in kept(record)
    assert (ring.key(HOSTED), ring.key(OTHER)) == (KEY, OTHER_KEY)


async def test_from_a_passphrase_back_to_this_browser_the_keys_stay():
    record = DictConfig()
    ring = await filled(record, PASSPHRASE)
    await ring.protect("browser")
    assert "lock" not in record.value
    assert ring_on(record).key(HOSTED) == KEY


# ---- With a passphrase -----------------------------------------------------------------------------------------------


async def test_under_a_passphrase_neither_key_nor_passphrase_is_on_record():
    record = DictConfig()
    ring = await filled(record, PASSPHRASE)
    await ring.set("e", "https://third.example", "sk-third-0123456789")
    for text in (KEY, OTHER_KEY, "0123456789", PASSPHRASE, "horse"):
        assert text not in kept(record)
    assert record.value["lock"]["kdf"] == KDF == "PBKDF2-SHA-256"
    assert record.value["lock"]["rounds"] == ROUNDS >= 600_000


async def test_after_a_reload_it_is_locked_until_the_right_passphrase_comes():
    record = DictConfig()
    await filled(record, PASSPHRASE)
    ring = ring_on(record)
    assert ring.locked and ring.status().locked
    assert {id_: hint.masked for id_, hint in ring.status().hints.items()} == {"c": "", "d": ""}
    with pytest.raises(KeysLocked):
        ring.key(HOSTED)
    with pytest.raises(WrongPassphrase):
        await ring.unlock(PASSPHRASE + " ")
    assert ring.locked
    await ring.unlock(PASSPHRASE)
    assert (ring.key(HOSTED), ring.key(OTHER)) == (KEY, OTHER_KEY)
    assert not ring.locked


async def test_the_rounds_are_those_of_the_record():
    asked: list[int] = []

    class Counting(RealVault):
        """Notes the rounds."""

        async def derive(self, passphrase, salt, rounds):
            asked.append(rounds)
            return await super().derive(passphrase, salt, rounds // 1000)

    record = DictConfig()
    ring = KeyRing(record, Counting())
    await ring.set("c", HOSTED.base_url, KEY)
    await ring.protect("passphrase", PASSPHRASE)
    record.value["lock"]["rounds"] = ROUNDS + 999  # as a later version may write it
    again = KeyRing(record, Counting())
    assert again.load() == ""
    await again.unlock(PASSPHRASE)
    assert asked == [ROUNDS, ROUNDS + 999]


async def test_lock_forgets_the_keys_and_what_opens_them():
    ring = await filled(DictConfig(), PASSPHRASE)
    ring.lock()
    assert ring.locked
    assert KEY not in repr(vars(ring))
    with pytest.raises(KeysLocked):
        ring.key(HOSTED)
    with pytest.raises(KeysLocked):
        await ring.set("c", HOSTED.base_url, "sk-new")
    with pytest.raises(KeysLocked):
        await ring.protect("browser")


async def test_without_a_passphrase_there_is_nothing_to_lock():
    ring = await filled(DictConfig())
    ring.lock()
    await ring.unlock("whatever")
    assert (ring.locked, ring.key(HOSTED)) == (False, KEY)


async def test_a_new_passphrase_takes_the_place_of_the_old_one_with_a_new_salt_and_new_nonces():
    record = DictConfig()
    ring = await filled(record, PASSPHRASE)
    old = record.value
    await ring.protect("passphrase", "another passphrase")
    new = record.value
    assert old["lock"]["salt"] != new["lock"]["salt"]
    assert old["keys"]["c"]["nonce"] != new["keys"]["c"]["nonce"]
    again = ring_on(record)
    with pytest.raises(WrongPassphrase):
        await again.unlock(PASSPHRASE)
    await again.unlock("another passphrase")
    assert again.key(OTHER) == OTHER_KEY


async def test_a_short_passphrase_or_a_page_that_cannot_encrypt_changes_nothing():
    record = DictConfig()
    vault = RealVault()
    ring = ring_on(record, vault)
    await ring.set("c", HOSTED.base_url, KEY)
    before = record.value
    with pytest.raises(BadRequest, match="too short"):
        await ring.protect("passphrase", "1234567")
    vault.available = False
    with pytest.raises(BadRequest, match="cannot encrypt"):
        await ring.protect("passphrase", PASSPHRASE)
    assert (record.value, ring.protection, ring.key(HOSTED)) == (before, "browser", KEY)


class Slow(RealVault):
    """Waits at the passphrase until the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.waits = asyncio.Event()

    async def derive(self, passphrase, salt, rounds):
        """As the real one, later."""
        self.waits.set()
        await self.gate.wait()
        return await super().derive(passphrase, salt, 1)


async def test_keys_that_lock_themselves_while_the_passphrase_changes_are_not_lost():
    record, vault = DictConfig(), Slow()
    ring = ring_on(record, vault)
    await ring.set("c", HOSTED.base_url, KEY)
    vault.gate.set()
    await ring.protect("passphrase", PASSPHRASE)
    vault.gate.clear()
    vault.waits.clear()
    change = asyncio.ensure_future(ring.protect("passphrase", "another passphrase"))
    await vault.waits.wait()
    ring.lock()
    vault.gate.set()
    await change
    again = ring_on(record, vault)
    await again.unlock("another passphrase")
    assert again.key(HOSTED) == KEY


async def test_a_key_that_is_erased_or_comes_while_the_others_are_encrypted_is_not_lost_or_back():
    record, vault = DictConfig(), Slow()
    ring = ring_on(record, vault)
    await ring.set("c", HOSTED.base_url, KEY)
    await ring.set("d", OTHER.base_url, OTHER_KEY)
    change = asyncio.ensure_future(ring.protect("passphrase", PASSPHRASE))
    await vault.waits.wait()
    ring.erase("c")
    late = asyncio.ensure_future(ring.set("e", "https://late.example", "sk-late-0123456789"))
    vault.gate.set()
    await asyncio.gather(change, late)
    assert set(record.value["keys"]) == {"d", "e"}
    assert "sk-late" not in kept(record)
    assert ring.key(HOSTED) == ""


# ---- For one origin --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "http://api.example/v1",
        "https://api.example:8443/v1",
        "https://api.example.evil.example/v1",
        "https://sub.api.example/v1",
    ],
)
async def test_a_key_is_not_given_to_another_origin_with_the_same_connection(url):
    ring = await filled(DictConfig())
    with pytest.raises(KeyMissing, match=r"is for https://api\.example, and is sent nowhere else") as caught:
        ring.key(HOSTED._replace(base_url=url))
    assert KEY not in str(caught.value.record())


@pytest.mark.parametrize("url", ["https://api.example", "https://API.example:443/other/path"])
async def test_a_key_is_given_to_every_path_of_its_origin(url):
    ring = await filled(DictConfig())
    assert ring.key(HOSTED._replace(base_url=url)) == KEY


async def test_a_connection_without_a_key_has_an_empty_one_even_while_the_others_are_locked():
    record = DictConfig()
    await filled(record, PASSPHRASE)
    assert ring_on(record).key(HOSTED._replace(id="new")) == ""


@pytest.mark.parametrize("change", ["origin", "connection", "text"])
async def test_an_encrypted_key_that_was_moved_or_changed_in_storage_does_not_open_and_the_others_do(change):
    record = DictConfig()
    await (await filled(record, PASSPHRASE)).set("e", HOSTED.base_url, "sk-third-0123456789")
    keys = record.value["keys"]
    if change == "origin":
        keys["c"]["origin"] = "https://evil.example"
    elif change == "connection":
        keys["c"] = keys["e"]  # of the same origin
    else:
        keys["c"]["data"] = keys["d"]["data"]
    ring = ring_on(record)
    await ring.unlock(PASSPHRASE)
    thief = HOSTED._replace(base_url=keys["c"]["origin"])
    with pytest.raises(KeyMissing, match="cannot be read"):
        ring.key(thief)
    assert ring.key(OTHER) == OTHER_KEY


# ---- Erasing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
async def test_one_key_is_erased_without_the_passphrase_and_the_others_stay(passphrase):
    record = DictConfig()
    await filled(record, passphrase)
    ring = ring_on(record)
    ring.erase("c")
    assert set(record.value["keys"]) == {"d"}
    again = ring_on(record)
    await again.unlock(passphrase)
    assert (again.key(HOSTED), again.key(OTHER)) == ("", OTHER_KEY)


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
async def test_all_keys_are_erased_without_the_passphrase_with_what_was_set_aside(passphrase):
    record = DictConfig()
    await filled(record, passphrase)
    record.aside = {"keys": {"c": {"key": KEY}}}
    ring = ring_on(record)
    ring.erase_all()
    assert (record.value, record.aside) == ({"version": 1, "protection": "browser", "keys": {}}, None)
    assert (ring.locked, ring.key(HOSTED), dict(ring.status().hints)) == (False, "", {})


async def test_all_keys_are_erased_and_are_for_this_session_as_before():
    record = DictConfig()
    ring = ring_on(record)
    await ring.protect("session")
    ring.erase_all()
    assert ring.protection == "session"


async def test_clear_leaves_nothing_at_all():
    record = DictConfig()
    ring = await filled(record, PASSPHRASE)
    ring.clear()
    assert (record.value, ring.protection, ring.key(HOSTED), ring.locked) == (None, "browser", "", False)


# ---- Storage that refuses, or is damaged -----------------------------------------------------------------------------


async def test_a_key_that_cannot_be_kept_is_told_and_works_until_the_page_is_closed():
    record = DictConfig()
    record.problem = "No room."
    ring = ring_on(record)
    with pytest.raises(StorageFailed, match="No room") as caught:
        await ring.set("c", HOSTED.base_url, KEY)
    assert "until the page is closed" in caught.value.advice
    assert ring.key(HOSTED) == KEY


@pytest.mark.parametrize("protection", ["session", "passphrase"])
async def test_a_protection_that_cannot_be_written_is_not_said_to_be_there(protection):
    record = DictConfig()
    ring = await filled(record)
    record.problem = "No room."
    with pytest.raises(StorageFailed) as caught:
        await ring.protect(protection, PASSPHRASE)
    assert "Nothing has changed" in caught.value.advice
    assert (ring.protection, ring.status().protection, ring.key(HOSTED)) == ("browser", "browser", KEY)
    record.problem = ""
    await ring.set("e", "https://third.example", "sk-third-0123456789")
    assert ring_on(record).key(HOSTED) == KEY


async def test_a_key_that_could_not_be_erased_from_storage_is_told_as_still_there():
    record = DictConfig()
    ring = await filled(record)
    record.problem = "Refused."
    for erase in (lambda: ring.erase("c"), ring.erase_all):
        with pytest.raises(StorageFailed) as caught:
            erase()
        assert "may still be there" in caught.value.advice
    assert ring.key(HOSTED) == ""


async def test_erasing_what_is_not_there_writes_nothing():
    record = DictConfig()
    record.problem = "Refused."
    ring_on(record).erase("c")
    assert record.value is None


LOCK = {"kdf": KDF, "rounds": ROUNDS, "salt": "AAAA", "check": {"nonce": "AAAA", "data": "AAAA"}}
SEALED = {"origin": "https://a", "nonce": "AAAA", "data": "AAAA"}


def encrypted(**changes):
    """A sound record, changed."""
    return {"version": 1, "protection": "passphrase", "lock": {**LOCK, **changes}, "keys": {"c": SEALED}}


def test_the_record_that_the_damaged_ones_are_made_of_is_sound():
    record = DictConfig()
    record.value = encrypted()
    assert KeyRing(record, RealVault()).load() == ""


@pytest.mark.parametrize(
    "value",
    [
        [],
        "keys",
        {"protection": "browser"},
        {"version": 2, "protection": "browser"},
        {"version": 1, "protection": "rot13", "keys": {}},
        {"version": 1, "protection": "browser", "keys": [1]},
        {"version": 1, "protection": "browser", "keys": {"c": {"origin": "https://a"}}},
        {"version": 1, "protection": "browser", "keys": {"c": {"origin": "https://a", "key": None}}},
        {"version": 1, "protection": "browser", "keys": {"c": {"origin": 7, "key": KEY}}},
        {"version": 1, "protection": "passphrase", "keys": {}},
        encrypted(rounds=1),
        encrypted(rounds=-600_000),
        encrypted(rounds=10**12),
        encrypted(rounds="600000"),
        encrypted(rounds=True),
        encrypted(kdf="scrypt"),
        encrypted(salt="not base64!"),
        encrypted(check={"nonce": "AAAA"}),
        {**encrypted(), "keys": {"c": {**SEALED, "data": "*"}}},
    ],
)
def test_a_damaged_record_is_told_and_set_aside_and_the_ring_works(value):
    record = DictConfig()
    record.value = value
    ring = KeyRing(record, RealVault())
    assert "could not be read" in ring.load()
    assert (record.aside, record.value) == (value, None)
    assert (ring.protection, ring.locked, dict(ring.status().hints)) == ("browser", False, {})


# ---- Two tabs --------------------------------------------------------------------------------------------------------


async def test_what_another_tab_adds_and_erases_is_taken_over():
    record = DictConfig()
    one, two = await filled(record), ring_on(record)
    await two.set("c", HOSTED.base_url, "sk-newer-0123456789")
    two.erase("d")
    assert await one.reload() == ""
    assert (one.key(HOSTED), one.key(OTHER)) == ("sk-newer-0123456789", "")


async def test_a_tab_stays_unlocked_while_the_passphrase_is_the_same_and_has_the_new_keys():
    record = DictConfig()
    one, two = await filled(record, PASSPHRASE), ring_on(record)
    await two.unlock(PASSPHRASE)
    await two.set("e", "https://third.example", "sk-third-0123456789")
    await one.reload()
    assert not one.locked
    assert one.key(Connection("e", "openai", "E", "https://third.example")) == "sk-third-0123456789"


async def test_a_passphrase_that_another_tab_sets_or_changes_locks_this_one():
    record = DictConfig()
    one, two = await filled(record), ring_on(record)
    for passphrase in (PASSPHRASE, "another passphrase"):
        await two.protect("passphrase", passphrase)
        await one.reload()
        assert one.locked and KEY not in repr(vars(one))
        await one.unlock(passphrase)
        assert one.key(HOSTED) == KEY


async def test_a_tab_that_is_locked_stays_locked():
    record = DictConfig()
    two = await filled(record, PASSPHRASE)
    one = ring_on(record)
    two.erase("c")
    await one.reload()
    assert one.locked and set(one.status().hints) == {"d"}


async def test_keys_of_this_session_stay_when_another_tab_writes_and_go_when_all_is_erased():
    record = DictConfig()
    one = ring_on(record)
    await one.protect("session")
    await one.set("c", HOSTED.base_url, KEY)
    await one.reload()
    assert one.key(HOSTED) == KEY
    ring_on(record).clear()
    await one.reload()
    assert one.key(HOSTED) == ""


async def test_a_record_that_another_tab_has_damaged_is_told():
    record = DictConfig()
    ring = await filled(record)
    record.value = {"version": 1}
    assert "could not be read" in await ring.reload()
    assert ring.key(HOSTED) == ""


# ---- The texts of keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "sk-1",
        "  sk-1\n",
        "Bearer sk-1",
        "bearer  sk-1",
        "Authorization: Bearer sk-1",
        '"sk-1"',
        "'Bearer sk-1'",
        '" sk-1 "',
        "`sk-1`",
        "\ufeffsk-1\u200b",
    ],
)
def test_what_comes_along_when_a_key_is_copied_is_left_out(text):
    assert clean_key(text) == "sk-1"


@pytest.mark.parametrize("text", ["sk-…cut", "sk-1\nsk-2", "sk-1\x00", "sk  1", "schlüssel"])
def test_what_no_header_can_carry_is_no_key_and_is_not_repeated(text):
    with pytest.raises(BadRequest) as caught:
        clean_key(text)
    assert text not in str(caught.value.record())


def test_only_the_end_of_a_long_key_is_shown():
    assert masked(KEY) == "••••••••cdef"
    assert masked("sk-short-15char") == "••••••••"
