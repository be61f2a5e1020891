"""P4.3: passkeys in Chromium with its virtual authenticator, against a real server process."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.people import PASSWORD, sign_up
from tests.story.server_fixtures import Server, run_server
from tests.waiting import MAX_WAIT

PAUL = "paul@boulangerie.example"
STORY_FOLDER = Path(__file__).parent


@dataclass
class LocalServer(Server):
    """A server whose address is a host name, as WebAuthn requires."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@pytest.mark.parametrize("catalogue_url", ["postgres"], indirect=True)
async def test_p4_3_a_passkey_signs_in_without_a_password_and_as_the_second_factor(
    catalogue_url: str, tmp_path: Path
) -> None:
    """An answer works only once and requires user verification, and a page of another host gets
    none.
    """
    with run_server(LocalServer(catalogue_url, tmp_path)) as server:
        await sign_up(server, PAUL)
        command = [
            "node",
            str(STORY_FOLDER / "passkeys.mjs"),
            server.url,
            f"http://127.0.0.1:{server.port}",
            PAUL,
            PASSWORD,
        ]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        output, errors = await asyncio.wait_for(process.communicate(), MAX_WAIT)
        assert process.returncode == 0, errors.decode()
        assert json.loads(output) == {
            "unproved": ["STEP_UP_REQUIRED"],
            "registered": {"kind": "PASSKEY", "name": "Portable", "codes": 10},
            "replayed": ["PASSKEY_INVALID"],
            "alone": PAUL,
            "twice": ["PASSKEY_INVALID"],
            "passwordAlone": ["SECOND_FACTOR_REQUIRED"],
            "second": PAUL,
            "steppedUp": True,
            "unverified": "NotAllowedError",
            "elsewhere": "SecurityError",
        }
        email = await server.email(PAUL, 2)
        assert email["Subject"] == "Votre authentification à deux facteurs a été modifiée"
        assert "PASSKEY" not in server.log
        assert PAUL not in server.log
