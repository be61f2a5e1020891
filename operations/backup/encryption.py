"""Encryption of a backup to public keys, in the format of age (https://age-encryption.org/v1).

A server needs only the public key, so whoever takes it over can't read the backups. The format
authenticates each piece of 64 KiB and the end, so a changed or truncated file is never read as a
complete one. Both directions stream: a thread encrypts what is written to a pipe, or decrypts what
is read from one.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from pyrage import (
    DecryptError,
    EncryptError,
    IdentityError,
    RecipientError,
    decrypt_io,
    encrypt_io,
    x25519,
)

MAGIC = b"age-encryption.org/v1\n"  # how an encrypted file begins
Identity = Any  # a private key, an x25519.Identity of pyrage, which has no types
Recipient = Any  # a public key


class BackupError(Exception):
    """A backup can't be made or restored. The message says why, and what to do about it."""


def new_identity() -> tuple[str, str]:
    """A new private key, and the public key that belongs to it."""
    identity = x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def parse_recipient(text: str) -> Recipient:
    """Parse a public key, `age1...`. Raises BackupError."""
    try:
        return x25519.Recipient.from_str(text)
    except RecipientError:
        raise BackupError(f"{text} is not a public key of age, which begins with age1") from None


def parse_identities(text: str) -> list[Identity]:
    """Parse a file of private keys, one a line, with comments after `#`, as age-keygen writes it.
    Raises BackupError.
    """
    lines = [line.strip() for line in text.splitlines()]
    try:
        identities = [x25519.Identity.from_str(line) for line in lines if line and line[0] != "#"]
    except IdentityError:
        identities = []
    if not identities:
        raise BackupError("the key file has no private key, which begins with AGE-SECRET-KEY-1")
    return identities


@contextmanager
def encrypted(target: BinaryIO, recipients: list[Recipient]) -> Iterator[BinaryIO]:
    """Yield a file: what is written to it is written to `target`, encrypted."""
    read_end, write_end = _pipe()
    with _thread(lambda: _encrypt(read_end, target, recipients)), write_end:
        yield write_end


def _encrypt(source: BinaryIO, target: BinaryIO, recipients: list[Recipient]) -> None:
    try:
        with source:
            encrypt_io(source, target, recipients)
    except EncryptError as error:
        raise BackupError(f"can't write the backup ({error})") from None


@contextmanager
def decrypted(source: BinaryIO, identities: list[Identity]) -> Iterator[BinaryIO]:
    """Yield a file from which the content of `source` is read, decrypted. At the end, raises
    BackupError when none of the keys fits or the content was changed.
    """
    read_end, write_end = _pipe()
    with _thread(lambda: _decrypt(source, write_end, identities)), read_end:
        yield read_end


def _decrypt(source: BinaryIO, target: BinaryIO, identities: list[Identity]) -> None:
    try:
        with suppress(BrokenPipeError), target:
            decrypt_io(source, target, identities)
    except (DecryptError, OSError) as error:
        raise BackupError(
            "the backup can't be decrypted: it is for another key, or was changed or cut off "
            f"({error})"
        ) from None


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    read_end, write_end = os.pipe()
    return os.fdopen(read_end, "rb", 1 << 20), os.fdopen(write_end, "wb", 1 << 20)


@contextmanager
def _thread(work: Callable[[], None]) -> Iterator[None]:
    """Run work in a thread, and wait for its end. When the body fails because of a broken pipe or
    unreadable content, the thread's exception is raised as the cause.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    except (BrokenPipeError, BackupError) as error:
        thread.join()
        raise (errors or [error])[0] from None
    finally:
        thread.join()
    if errors:
        raise errors[0]
