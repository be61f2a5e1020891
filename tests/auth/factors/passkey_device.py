"""A passkey device in software, which creates keys and answers challenges (WebAuthn level 3,
sections 6 and 7).
"""

import hashlib
import json
import os
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

ORIGIN = "http://localhost"
PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Device:
    """A device with a single key. Each part of its answers can be falsified."""

    def __init__(self, origin: str = ORIGIN, verifies_user: bool = True, counter: int = 0) -> None:
        self.origin, self.verifies_user, self.counter, self.is_framed = (
            origin,
            verifies_user,
            counter,
            False,
        )
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id, self.handle = os.urandom(32), b""

    def create_credential(self, options: str) -> str:
        """The answer to creation options, as JSON."""
        parsed_options = json.loads(options)
        self.handle = base64url_to_bytes(parsed_options["user"]["id"])
        client_data = self._client_data("webauthn.create", parsed_options["challenge"])
        number = self.key.public_key().public_numbers()
        key = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: number.x.to_bytes(32, "big"), -3: number.y.to_bytes(32, "big")}
        )
        attested_data = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + key
        data = self._authenticator_data(parsed_options["rp"]["id"], ATTESTED) + attested_data
        statement = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._credential(clientDataJSON=client_data, attestationObject=statement)

    def sign_challenge(self, options: str) -> str:
        """The answer to request options, as JSON."""
        parsed_options = json.loads(options)
        client_data = self._client_data("webauthn.get", parsed_options["challenge"])
        self.counter += 1 if self.counter else 0
        data = self._authenticator_data(parsed_options["rpId"], 0)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._credential(
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=signature,
            userHandle=self.handle,
        )

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps(
            {
                "type": kind,
                "challenge": challenge,
                "origin": self.origin,
                "crossOrigin": self.is_framed,
            }
        ).encode()

    def _authenticator_data(self, host: str, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.verifies_user else 0)
        return (
            hashlib.sha256(host.encode()).digest()
            + bytes([flags])
            + self.counter.to_bytes(4, "big")
        )

    def _credential(self, **response: Any) -> str:
        key = bytes_to_base64url(self.id)
        encoded_response = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps(
            {
                "id": key,
                "rawId": key,
                "type": "public-key",
                "response": encoded_response,
                "clientExtensionResults": {},
            }
        )
