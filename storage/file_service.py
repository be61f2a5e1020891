"""Uploaded bytes in quarantine: nobody gets a file before it was found clean.

What is infected is marked first and deleted then. A process killed in between leaves bytes that no row hands out, and the
next look at the quarantine deletes them.
"""

import random
from dataclasses import dataclass
from datetime import timedelta

import structlog
from tortoise.expressions import Q

from models.action import Action
from models.support.audit_actions import SupportAuditAction
from models.support.file import File
from storage.scanner import Scanner, ScannerUnavailable
from storage.store import Store, StoreUnavailable

_BATCH = 100
_DELETION_RETRIED = timedelta(hours=1)
_MISSING_RETRIED_AFTER = timedelta(days=1)  # what an operator restores from a backup is found again within this time

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class FileService:
    """Where bytes lie, and who looks into them: nobody where the operator named no scanner."""

    store: Store
    scanner: Scanner | None = None


async def scan_file(action: Action, file_service: FileService, file: File) -> bool:
    """Look into an uploaded file: `cleared_at` or `infected_at` is set then. False when there is nobody to look."""
    if file_service.scanner is None:
        return False
    try:
        found = await file_service.scanner.scan(await file_service.store.open(file.key))
    except ScannerUnavailable as fault:
        log.warning("scanner.unavailable", file=file.pk, reason=fault.reason)
        return False
    except StoreUnavailable:
        log.warning("store.unavailable", file=file.pk)
        return False
    except FileNotFoundError:  # deleted by somebody who looked at the same time, or lost
        if await File.filter(pk=file.pk, infected_at=None, abandoned_at=None).update(missing_at=action.at):
            log.error("file.missing", file=file.pk)
        return True
    if found is None:
        await File.filter(pk=file.pk, infected_at=None).update(cleared_at=action.at)
    else:
        await _mark_infected(action, file_service, file, found)
    return True


async def _mark_infected(action: Action, file_service: FileService, file: File, found: str) -> None:
    async with action.transaction() as tx:
        if await File.filter(pk=file.pk, infected_at=None).using_db(tx.db).update(infected_at=action.at, cleared_at=None):
            tx.audit(SupportAuditAction.FILE_INFECTED, file, uploader=file.uploader_id)
    log.warning("file.infected", file=file.pk, found=found)
    await file_service.store.delete(file.key)


async def scan_waiting_files(action: Action, file_service: FileService) -> int:
    """Look into files that wait for a verdict. Returns how many were looked into.

    Stops at the first that could not be: the scanner is away, and the others would wait for nothing. Their order is left to
    chance, so that a file at which the scanner fails each time holds up no other for long. One whose bytes were missing is
    looked for once a day, so that however many such there are, the others have their turn.
    """
    if file_service.scanner is None:
        return 0
    for infected in await File.filter(infected_at__gte=action.at - _DELETION_RETRIED):
        await file_service.store.delete(infected.key)
    unseen = File.filter(uploaded_at__not_isnull=True, cleared_at=None, infected_at=None, abandoned_at=None)
    waiting = await unseen.filter(Q(missing_at=None) | Q(missing_at__lte=action.at - _MISSING_RETRIED_AFTER)).limit(_BATCH)
    done = 0
    for file in random.sample(waiting, len(waiting)):
        if not await scan_file(action, file_service, file):
            break
        done += 1
    return done
