"""Encryption by WebCrypto: PBKDF2 and AES-GCM. Keys stay inside the browser, where no script can read them out."""

from typing import Any

import js
from pyodide.ffi import JsException, to_js

from modeltab.browser.interop import error_name, to_object
from modeltab.domain.errors import WrongPassphrase
from modeltab.state.keyring import Sealed

#: AES-GCM's nonce, in bytes: the length that the mode is made for.
NONCE_BYTES = 12


class WebCryptoVault:
    """Encrypts what the keyring gives it."""

    def __init__(self) -> None:
        self.available = bool(getattr(js.crypto, "subtle", None))

    def random(self, count: int) -> bytes:
        """Random bytes."""
        return js.crypto.getRandomValues(js.Uint8Array.new(count)).to_bytes()  # type: ignore[no-any-return]

    async def derive(self, passphrase: str, salt: bytes, rounds: int) -> Any:
        """The key of a passphrase, not extractable."""
        subtle = js.crypto.subtle
        material = await subtle.importKey("raw", to_js(passphrase.encode()), "PBKDF2", False, to_js(["deriveKey"]))
        algorithm = to_object({"name": "PBKDF2", "hash": "SHA-256", "iterations": rounds})
        algorithm.salt = to_js(salt)
        aes = to_object({"name": "AES-GCM", "length": 256})
        return await subtle.deriveKey(algorithm, material, aes, False, to_js(["encrypt", "decrypt"]))

    async def seal(self, key: Any, text: bytes, context: str) -> Sealed:
        """Encrypt under a new nonce."""
        nonce = self.random(NONCE_BYTES)
        data = await js.crypto.subtle.encrypt(_algorithm(nonce, context), key, to_js(text))
        return Sealed(nonce, data.to_bytes())

    async def open(self, key: Any, sealed: Sealed, context: str) -> bytes:
        """Decrypt."""
        try:
            text = await js.crypto.subtle.decrypt(_algorithm(sealed.nonce, context), key, to_js(sealed.data))
        except JsException as error:
            raise WrongPassphrase(
                "This is not the passphrase.",
                "Type it again. If it is lost, erase the keys and type them anew.",
                error_name(error),
            ) from None
        return text.to_bytes()  # type: ignore[no-any-return]


def _algorithm(nonce: bytes, context: str) -> Any:
    algorithm = to_object({"name": "AES-GCM"})
    algorithm.iv = to_js(nonce)
    algorithm.additionalData = to_js(context.encode())
    return algorithm
