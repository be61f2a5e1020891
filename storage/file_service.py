"""The quarantine: no one can download a file before the virus scanner has found it clean.

An infected file is marked first and its content deleted afterwards. If the process is killed in
between, the next run of `scan_waiting_files` deletes the content, which can't be downloaded
meanwhile.
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

_BATCH_SIZE = 100
_DELETION_RETRY_PERIOD = timedelta(hours=1)
# how soon content that an operator restores from a backup is scanned
_MISSING_RETRY_INTERVAL = timedelta(days=1)

log = structlog.stdlib.get_logger()


@dataclass(frozen=True)
class FileService:
    """The store of file contents, and the virus scanner, if the operator configured one."""

    store: Store
    scanner: Scanner | None = None


async def scan_file(action: Action, file_service: FileService, file: File) -> bool:
    """Scan an uploaded file and set `cleared_at` or `infected_at`. Returns False when scanner or
    store are unavailable.
    """
    if file_service.scanner is None:
        return False
    try:
        virus = await file_service.scanner.scan(await file_service.store.open(file.stored_key))
    except ScannerUnavailable as error:
        log.warning("scanner.unavailable", file=file.pk, reason=error.reason)
        return False
    except StoreUnavailable:
        log.warning("store.unavailable", file=file.pk)
        return False
    except FileNotFoundError:  # lost, or deleted by a concurrent scan
        if await File.filter(pk=file.pk, infected_at=None, abandoned_at=None).update(
            missing_at=action.at
        ):
            log.error("file.missing", file=file.pk)
        return True
    if virus is None:
        await File.filter(pk=file.pk, infected_at=None).update(cleared_at=action.at)
    else:
        await _mark_infected(action, file_service, file, virus)
    return True


async def _mark_infected(action: Action, file_service: FileService, file: File, virus: str) -> None:
    """Mark a file and its copies, then delete the content that they share."""
    async with action.transaction() as tx:
        # Whoever copies a file has locked it, so the second statement finds the copy.
        await tx.lock_rows(file.sharing_content())
        for each in await tx.lock_rows(file.sharing_content().filter(infected_at=None)):
            each.infected_at, each.cleared_at = action.at, None
            await each.save(using_db=tx.db, update_fields=["infected_at", "cleared_at"])
            tx.audit(SupportAuditAction.FILE_INFECTED, each, uploader=each.uploader_id)
    log.warning("file.infected", file=file.pk, found=virus)
    await file_service.store.delete(file.stored_key)


async def delete_content(store: Store, file: File) -> None:
    """Delete the content of a file that is marked as abandoned, unless a copy of it is still used.
    Of several that are deleted at once, the last one finds that none is left.
    """
    if not await file.sharing_content().filter(abandoned_at=None).exists():
        await store.delete(file.stored_key)


async def scan_waiting_files(action: Action, file_service: FileService) -> int:
    """Scan the files in quarantine. Returns how many were scanned.

    Stops at the first failure, because the scanner is probably unavailable for all. The order is
    random, so that a file at which the scanner always fails doesn't block others for long. Files
    whose content is missing are tried once a day, so that they don't delay others either.
    """
    if file_service.scanner is None:
        return 0
    for infected_file in await File.filter(infected_at__gte=action.at - _DELETION_RETRY_PERIOD):
        await file_service.store.delete(infected_file.stored_key)
    unscanned_files = File.filter(
        uploaded_at__not_isnull=True, cleared_at=None, infected_at=None, abandoned_at=None
    )
    files = await unscanned_files.filter(
        Q(missing_at=None)
        | Q(missing_at__lte=action.at - _MISSING_RETRY_INTERVAL)
        | Q(missing_at__gt=action.at)  # the clock was set back
    ).limit(_BATCH_SIZE)
    scanned_count = 0
    for file in random.sample(files, len(files)):
        if not await scan_file(action, file_service, file):
            break
        scanned_count += 1
    return scanned_count
