"""Subscribing devices to notifications."""

from collections.abc import Sequence
from typing import Any

from tortoise.exceptions import IntegrityError

from models.action import Action, Transaction
from models.errors import CommonErrorCode, Refusal, TransactionConflict
from models.event import account_stream, agent_stream, last_sequence_of
from models.identity.session import Session
from models.identity.user import User
from models.support.errors import SupportErrorCode
from models.support.push_device import (
    AGENT_KINDS,
    CUSTOMER_KINDS,
    ENDPOINT_LENGTH,
    PushDevice,
    PushKind,
)
from support.push.encryption import AUTH_LENGTH, device_key
from support.push.endpoints import PushService, parse_endpoint, service_of
from support.push.vapid import base64url, base64url_bytes

MAX_DEVICES = 20  # of one person; another one replaces the oldest


def checked_endpoint(url: str, services: Sequence[PushService]) -> tuple[str, str]:
    """An endpoint and the name of its service. Raises VALUE_INVALID, TOO_LONG and
    PUSH_SERVICE_UNKNOWN.
    """
    if len(url) > ENDPOINT_LENGTH:
        raise Refusal(CommonErrorCode.TOO_LONG, "input", "endpoint", length=ENDPOINT_LENGTH)
    endpoint = parse_endpoint(url)
    if endpoint is None:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "endpoint")
    service = service_of(endpoint, services)
    if service is None:
        raise Refusal(SupportErrorCode.PUSH_SERVICE_UNKNOWN, "input", "endpoint")
    return url, service.name


def checked_device_key(text: str) -> str:
    """The public key of a device, in one spelling. Raises VALUE_INVALID."""
    try:
        content = base64url_bytes(text)
        device_key(content)
    except ValueError:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "p256dh") from None
    if len(content) != 65:  # a compressed point works for us, but not in the key derivation
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "p256dh")
    return base64url(content)


def checked_auth(text: str) -> str:
    """The authentication secret of a device, in one spelling. Raises VALUE_INVALID."""
    try:
        content = base64url_bytes(text)
    except ValueError:
        content = b""
    if len(content) != AUTH_LENGTH:
        raise Refusal(CommonErrorCode.VALUE_INVALID, "input", "auth")
    return base64url(content)


async def subscribe(
    action: Action,
    user: User,
    session: Session,
    endpoint: str,
    kinds: Sequence[PushKind] | None,
    **columns: Any,
) -> PushDevice:
    """Subscribe the device of this session, from now on. A repeat changes only what differs. The
    device belongs to whoever subscribed last: once another person signs in, the former one gets
    nothing there any more. A session has one device, so a new endpoint replaces the former one.
    Without `kinds`, a new device is notified of everything, and an existing one as before.
    """
    stream, possible_kinds = agent_stream(user.pk), AGENT_KINDS
    if session.account_id:
        stream, possible_kinds = account_stream(session.account_id), CUSTOMER_KINDS
    last_sequence = await last_sequence_of(stream)
    chosen = {} if kinds is None else {"kinds": [kind.value for kind in kinds]}
    try:
        async with action.transaction() as tx:
            await tx.lock(User, user.pk)
            device = await _device_of(tx, session, endpoint)
            if device is None:
                await _make_room(tx, user)
                return await PushDevice.create(
                    using_db=tx.db,
                    user_id=user.pk,
                    session_id=session.pk,
                    endpoint=endpoint,
                    stream=stream,
                    sequence=last_sequence,
                    created_at=action.at,
                    next_attempt_at=action.at,
                    **{"kinds": [kind.value for kind in possible_kinds], **columns, **chosen},
                )
            changes = {**columns, **chosen}
            if device.endpoint != endpoint:  # what failed at the former one may succeed here
                changes |= {"endpoint": endpoint, "attempts": 0, "next_attempt_at": action.at}
            device.update_from_dict(changes)
            await device.save(using_db=tx.db, update_fields=[*changes])
    except IntegrityError:  # another session subscribes the same device at the same time
        raise TransactionConflict("push device") from None
    return device


async def _device_of(tx: Transaction, session: Session, endpoint: str) -> PushDevice | None:
    """The device of this session, locked. Devices of other sessions with the same endpoint are
    deleted.
    """
    others = PushDevice.filter(endpoint=endpoint).exclude(session_id=session.pk)
    await others.using_db(tx.db).delete()
    return next(iter(await tx.lock_rows(PushDevice.filter(session_id=session.pk))), None)


async def _make_room(tx: Transaction, user: User) -> None:
    devices = PushDevice.filter(user_id=user.pk).using_db(tx.db).order_by("-id")
    keys = [device.pk for device in await devices.offset(MAX_DEVICES - 1).limit(MAX_DEVICES)]
    if keys:
        await PushDevice.filter(id__in=keys).using_db(tx.db).delete()


async def choose_kinds(device: PushDevice, kinds: Sequence[PushKind]) -> PushDevice:
    """Choose what a device is notified of, from now on. A repeat changes nothing."""
    device.kinds = [kind.value for kind in kinds]
    await device.save(update_fields=["kinds"])
    return device


async def remove(device: PushDevice) -> PushDevice:
    """Remove a device. A repeat changes nothing."""
    await PushDevice.filter(pk=device.pk).delete()
    return device
