"""The timetable: what runs by the clock, one line a job.

Every job may run twice, in this process and in another: each finds its work in the database and claims it there. A job that
fails is logged and tried again at its next turn; the others don't notice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from auth import erasure, legal_names, passkeys
from auth.caller import end_sockets
from auth.invitations import forget
from billing.checkout import Till, reconcile
from mail.delivery import deliver_due
from mail.message import Letterhead
from mail.transport import Transport
from models.abandoned import delete_abandoned
from models.act import Act
from models.audit_proof import expire
from models.policy import PolicyKind
from models.vault import Vault, examine_waiting
from realtime.hub import SWEEP_SECONDS
from resolvers.company import registrar
from resolvers.context import Parts
from resolvers.lifecycle import eraser
from resolvers.policies import page_url
from settings import Settings

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class Job:
    """One line of the timetable: `work` is called again `seconds` after it has ended."""

    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]


def jobs(parts: Parts, settings: Settings, transport: Transport, vault: Vault) -> list[Job]:
    """What one process has to do."""
    clock, till = parts.clock, Till(parts.gateway, parts.seller, parts.guard.signer, parts.base_url)
    head = Letterhead(settings.mail_sender, page_url(parts.base_url, PolicyKind.PRIVACY))
    return [
        Job("letters", 1, lambda: deliver_due(transport, clock.now(), head=head)),
        Job("payments", 15, lambda: reconcile(Act(None, clock.now(), parts.hub), till)),
        Job("quarantine", 15, lambda: examine_waiting(Act(None, clock.now(), parts.hub), vault)),
        Job("abandoned files", 3_600, lambda: delete_abandoned(Act(None, clock.now(), parts.hub), vault.store)),
        Job("registry", 30, lambda: legal_names.check_waiting(Act(None, clock.now(), parts.hub), registrar(parts))),
        Job("new companies", 30, lambda: legal_names.check_accounts(Act(None, clock.now(), parts.hub), parts.registry)),
        Job("erasures", 60, lambda: erasure.erase_due(Act(None, clock.now(), parts.hub), eraser(parts, vault.store))),
        Job("challenges", 600, lambda: passkeys.expire(Act(None, clock.now(), parts.hub))),
        Job("invitations", 3_600, lambda: forget(clock.now())),
        Job("streams", SWEEP_SECONDS, parts.hub.sweep),
        Job("audit", 3_600, lambda: expire(Act(None, clock.now(), parts.hub))),
        Job("sessions", SWEEP_SECONDS, lambda: end_sockets(parts.hub, clock.now())),
    ]


async def run(jobs: Sequence[Job]) -> None:
    """Keep to the timetable until cancelled."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(_repeat(job), name=job.name)


async def _repeat(job: Job) -> None:
    while True:
        await _attempt(job)
        await asyncio.sleep(job.seconds)


async def _attempt(job: Job) -> None:
    try:
        await job.work()
    except Exception as fault:
        # An error's own words may quote a person's data, so only its kind and its place are told.
        log.error("job.failed", job=job.name, fault=type(fault).__name__, exc_info=fault)
