"""Passkeys (W3C Web Authentication Level 3): a second factor, and sign-in without a password.

A passkey is stored on the user's device and signs challenges for our host only, so it can't be
phished. The device always requires user verification (fingerprint, face or PIN), so a passkey
combines two factors: possession, and biometrics or knowledge. Passkeys are discoverable: the device
knows whose they are, and no address is needed first. So the options are the same for everyone, and
reveal no customers.

A challenge is 256 random bits, stored as a hash. It is deleted before the response is verified, so
that it works only once.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import orjson
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from models.action import Action
from models.errors import Refusal
from models.identity.authenticator import Authenticator, AuthenticatorKind, WebauthnChallenge
from models.identity.errors import IdentityErrorCode
from models.identity.user import User

LIFETIME = timedelta(minutes=5)
# How long a browser waits for the user, who may have to fetch a phone.
_TIMEOUT = LIFETIME // timedelta(milliseconds=1)
MAX_CREDENTIAL_LENGTH = 16_384  # characters of a credential's JSON
_MAX_ID_BYTES = 1023  # bytes (WebAuthn, 7.1)
DEFAULT_NAME = "Passkey"  # of a passkey whose user gave it no name
_USER_VERIFICATION = UserVerificationRequirement.REQUIRED


@dataclass(frozen=True)
class RelyingParty:
    """The relying party of passkeys: a host, and the origins of the pages that may use them."""

    id: str = "localhost"
    name: str = "CAMCHA"
    origins: tuple[str, ...] = ("http://localhost",)

    @classmethod
    def from_base_url(cls, base_url: str, other_origins: Iterable[str] = ()) -> "RelyingParty":
        """The relying party for our base URL. WebAuthn doesn't accept IP addresses as hosts, so a
        local server uses `localhost`.
        """
        address = urlsplit(base_url)
        host = address.hostname or ""
        if _is_loopback(host):
            port = f":{address.port}" if address.port else ""
            return cls("localhost", origins=(f"{address.scheme}://localhost{port}", *other_origins))
        return cls(host, origins=(base_url, *other_origins))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class NewPasskey:
    """A passkey created by a device. Identifier and public key are in Base64url."""

    credential_id: str
    public_key: str
    sign_count: int


async def registration_options(action: Action, relying_party: RelyingParty, user: User) -> str:
    """The options for creating a passkey: JSON for
    `PublicKeyCredential.parseCreationOptionsFromJSON`. Existing passkeys of the user are excluded.
    """
    existing = Authenticator.filter(user_id=user.pk, kind=AuthenticatorKind.PASSKEY)
    existing_ids = [
        base64url_to_bytes(str(each))
        for each in await existing.values_list("credential_id", flat=True)
    ]
    options = generate_registration_options(
        rp_id=relying_party.id,
        rp_name=relying_party.name,
        user_id=user_handle(user),
        user_name=user.email,
        user_display_name=user.name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=_USER_VERIFICATION,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in existing_ids],
        timeout=_TIMEOUT,
    )
    await _store_challenge(action, options.challenge, user)
    return options_to_json(options)


def require_readable(credential: str) -> None:
    """Raise PASSKEY_INVALID unless this is a device's response to such options. Uses up no
    challenge.
    """
    try:
        parse_registration_credential_json(_check_length(credential))
    except _VERIFICATION_ERRORS:
        raise invalid_passkey() from None


async def verify_registration(
    action: Action, relying_party: RelyingParty, user: User, credential: str
) -> NewPasskey:
    """The passkey that a device created with such options; `credential` is the JSON of its
    response. Raises PASSKEY_INVALID.
    """
    try:
        response = parse_registration_credential_json(_check_length(credential))
        registration = verify_registration_response(
            credential=response,
            expected_challenge=await _use_challenge(action, response, user),
            expected_rp_id=relying_party.id,
            expected_origin=list(relying_party.origins),
            require_user_verification=True,
        )
    except _VERIFICATION_ERRORS:
        raise invalid_passkey() from None
    if len(registration.credential_id) > _MAX_ID_BYTES:
        raise invalid_passkey()
    key = bytes_to_base64url(registration.credential_public_key)
    return NewPasskey(bytes_to_base64url(registration.credential_id), key, registration.sign_count)


async def authentication_options(action: Action, relying_party: RelyingParty) -> str:
    """The options for using a passkey: JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`,
    the same for everyone.
    """
    options = generate_authentication_options(
        rp_id=relying_party.id, user_verification=_USER_VERIFICATION, timeout=_TIMEOUT
    )
    await _store_challenge(action, options.challenge, None)
    return options_to_json(options)


async def verify_response(action: Action, relying_party: RelyingParty, credential: str) -> User:
    """The user whose passkey responded to such a challenge; `credential` is the JSON of the
    response. Raises PASSKEY_INVALID.

    A signature counter that didn't increase indicates a cloned passkey (WebAuthn, section 6.1.1),
    which is rejected. Most passkeys have no counter.
    """
    try:
        response = parse_authentication_credential_json(_check_length(credential))
        expected_challenge = await _use_challenge(action, response, None)
        passkey = await _find_passkey(response)
        authentication = verify_authentication_response(
            credential=response,
            expected_challenge=expected_challenge,
            expected_rp_id=relying_party.id,
            expected_origin=list(relying_party.origins),
            credential_public_key=base64url_to_bytes(str(passkey.public_key)),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except _VERIFICATION_ERRORS:
        raise invalid_passkey() from None
    unchanged_passkey = Authenticator.filter(pk=passkey.pk, sign_count=passkey.sign_count)
    if not await unchanged_passkey.update(
        sign_count=authentication.new_sign_count, last_used_at=action.at
    ):
        raise invalid_passkey()
    return passkey.user


async def _find_passkey(response: AuthenticationCredential) -> Authenticator:
    passkey = await Authenticator.get_or_none(
        credential_id=bytes_to_base64url(response.raw_id)
    ).select_related("user")
    if passkey is None or response.response.user_handle != user_handle(passkey.user):
        raise invalid_passkey()
    return passkey


def user_handle(user: User) -> bytes:
    """The user handle stored on the device: the key of the user's row, which reveals nothing about
    them.
    """
    return user.pk.to_bytes(8, "big")  # type: ignore[no-any-return] # keys are whole numbers


def invalid_passkey() -> Refusal:
    """The refusal of a passkey's response, for any reason."""
    return Refusal(IdentityErrorCode.PASSKEY_INVALID, "input", "passkey")


async def _store_challenge(action: Action, challenge: bytes, user: User | None) -> None:
    await WebauthnChallenge.create(
        challenge_hash=_challenge_hash(challenge), registers=user, expires_at=action.at + LIFETIME
    )


async def _use_challenge(
    action: Action, response: RegistrationCredential | AuthenticationCredential, user: User | None
) -> bytes:
    """The pending challenge that a response answers, deleted from now on."""
    client_data = orjson.loads(response.response.client_data_json)
    challenge = base64url_to_bytes(client_data["challenge"])
    pending_challenges = WebauthnChallenge.filter(
        challenge_hash=_challenge_hash(challenge), registers_id=user.pk if user else None
    )
    if not await pending_challenges.filter(expires_at__gt=action.at).delete():
        raise invalid_passkey()
    # In a frame of another site, which we don't support (WebAuthn, 7.1 and 7.2).
    if client_data.get("crossOrigin"):
        raise invalid_passkey()
    return challenge


def _challenge_hash(challenge: bytes) -> str:
    return hashlib.sha256(challenge).hexdigest()


def _check_length(credential: str) -> str:
    if len(credential) > MAX_CREDENTIAL_LENGTH:
        raise invalid_passkey()
    return credential


# What parsing and verifying an arbitrary text may raise.
_VERIFICATION_ERRORS = (
    WebAuthnException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
)
