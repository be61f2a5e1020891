"""What an approved platform does for us: the Flow Service of AFNOR XP Z12-013 (annexe A, version
1.2.0, published as OpenAPI by Generix at app.swaggerhub.com/apis/Generixgroup8/AFNOR-Flow_Service).

A flow is one file that we hand over or receive: an invoice (Factur-X) or a message about its life
cycle (CDAR). Handing one over is `POST /v1/flows`, finding flows `POST /v1/flows/search`, and the
file of one `GET /v1/flows/{flowId}`. The platform checks a flow later: its acknowledgement is then
Ok or Error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

PAGE_SIZE = 100  # the most that a search may return


class FlowSyntax(StrEnum):
    """The format of a file (FlowSyntax)."""

    FACTUR_X = "Factur-X"
    CDAR = "CDAR"


class ProcessingRule(StrEnum):
    """What the platform has to do with an invoice (ProcessingRule): exchange it with the buyer's
    platform, or only report it to the tax office, because the buyer is abroad or isn't a business.
    """

    B2B = "B2B"
    B2B_INTERNATIONAL = "B2BInt"
    B2C = "B2C"
    NOT_APPLICABLE = "NotApplicable"


class FlowType(StrEnum):
    """What a flow is about (FlowType): an invoice of ours, or its life cycle."""

    INVOICE = "CustomerInvoice"
    LIFE_CYCLE = "CustomerInvoiceLC"


class Acknowledgement(StrEnum):
    """Whether the platform has accepted a flow (FlowAckStatus)."""

    PENDING = "Pending"
    OK = "Ok"
    ERROR = "Error"


@dataclass(frozen=True)
class NewFlow:
    """A file to hand over. `tracking_id` is our name for the flow, at most 36 characters."""

    tracking_id: str
    name: str
    syntax: FlowSyntax
    rule: ProcessingRule
    content: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the file, which the platform compares with what arrived."""
        return sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Flow:
    """A flow as the platform describes it. `is_incoming` is whether the platform sent it to us."""

    flow_id: str
    tracking_id: str
    type: str
    syntax: str
    is_incoming: bool
    updated_at: datetime
    acknowledgement: Acknowledgement = Acknowledgement.PENDING
    reason_code: str = ""
    reason: str = ""


class PlatformUnavailable(Exception):
    """The platform didn't answer, or its answer can't be used. The call can be repeated. `reason`
    names the kind of failure.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FlowRefused(Exception):
    """The platform rejects the content of the flow, or doesn't have the flow: repeating the call is
    useless. `code` is the platform's `errorCode`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class FlowService(Protocol):
    """A platform's Flow Service."""

    @property
    def name(self) -> str:
        """The name under which rows refer to the platform."""
        ...

    async def submit(self, flow: NewFlow) -> str:
        """Hand a flow over. Returns its flowId. Raises FlowRefused and PlatformUnavailable."""
        ...

    async def search(
        self,
        types: Sequence[FlowType],
        *,
        updated_after: datetime | None = None,
        tracking_id: str | None = None,
    ) -> list[Flow]:
        """The first flows of these types that changed after a time, or that have this tracking ID,
        at most PAGE_SIZE, the least recent change first. Raises PlatformUnavailable.
        """
        ...

    async def content(self, flow_id: str) -> bytes:
        """The file of a flow as it was handed over. Raises FlowRefused when the platform doesn't
        have it, and PlatformUnavailable.
        """
        ...
