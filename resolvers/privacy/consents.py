"""The viewer's consents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.content.policy import Policy
from models.privacy.consent import ConsentChange, ConsentPurpose
from models.viewer import Viewer
from privacy import consents
from resolvers.context import Context, Info
from resolvers.privacy.inputs import ConsentUpdateInput
from resolvers.rows import RowByForeignKey


@dataclass(frozen=True)
class Consent:
    """Whether a person agrees to a purpose, and the entries about it, most recent first."""

    purpose: ConsentPurpose
    history: Sequence[ConsentChange]

    @property
    def given(self) -> bool:
        """Whether the person agrees now."""
        return bool(self.history) and self.history[0].given

    @property
    def since(self) -> datetime | None:
        """When the person gave or withdrew it last, None if they never did."""
        return self.history[0].at if self.history else None


async def viewer_consents(root: Viewer) -> list[Consent]:
    """The consent of the viewer to each purpose, in the order of the purposes."""
    return await _consents(root)


async def _consents(viewer: Viewer) -> list[Consent]:
    entries = await ConsentChange.visible_to(viewer).order_by("-id")
    return [
        Consent(purpose, [entry for entry in entries if entry.purpose is purpose])
        for purpose in ConsentPurpose
    ]


async def update(info: Info, input: ConsentUpdateInput) -> Consent:
    """Give or withdraw a consent."""
    context = info.context
    await consents.update(
        context.action(), context.session, input.purpose, given=input.given, channel=input.channel
    )
    by_purpose: dict[Any, Consent] = {
        consent.purpose: consent for consent in await _consents(context.viewer)
    }
    return by_purpose[input.purpose]


def policies(context: Context, parents: Sequence[ConsentChange]) -> RowByForeignKey:
    """The privacy policy that was in force at each entry, None if there was none."""
    return RowByForeignKey(parents, "policy_id", Policy.visible_to(context.viewer))
