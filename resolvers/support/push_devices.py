"""Devices that receive notifications."""

from collections.abc import Sequence

import strawberry

from auth.devices import device_name
from auth.sessions import valid_sessions
from models.checks import Checks
from models.errors import CommonErrorCode, Refusal
from models.support.errors import SupportErrorCode
from models.support.push_device import AGENT_KINDS, CUSTOMER_KINDS, PushDevice, PushKind
from models.viewer import Viewer
from resolvers.context import Context, Info
from resolvers.ids import load_visible
from support.push import devices
from support.push.devices import checked_auth, checked_device_key, checked_endpoint
from support.push.endpoints import KNOWN_SERVICES


@strawberry.input(
    description="The device of this session, as the browser's `PushSubscription` describes it."
)
class PushDeviceSubscribeInput:
    endpoint: str = strawberry.field(
        description="The URL at the push service (at most 1,000 characters): `https`, and of a "
        "service that the operator allows."
    )
    p256dh: str = strawberry.field(
        description="The device's public key, in Base64url: 65 bytes, an uncompressed point."
    )
    auth: str = strawberry.field(
        description="The device's authentication secret, in Base64url: 16 bytes."
    )
    kinds: list[PushKind] | None = strawberry.field(
        default=None,
        description=(
            "What to notify the device of. Defaults to what it was notified of before, or else to "
            "everything that the viewer can be notified of."
        ),
    )


@strawberry.input(description="What a device is notified of.")
class PushDeviceUpdateInput:
    push_device_id: strawberry.ID = strawberry.field(description="The ID of the device.")
    kinds: list[PushKind] = strawberry.field(
        description="What to notify the device of. An empty list pauses the notifications."
    )


@strawberry.input(description="The device to remove.")
class PushDeviceRemoveInput:
    push_device_id: strawberry.ID = strawberry.field(description="The ID of the device.")


def public_key(info: Info) -> str | None:
    """Our public key."""
    channel = info.context.services.push
    return channel.key.public_key if channel else None


async def of_viewer(info: Info) -> list[PushDevice]:
    """The viewer's devices, most recent first, except those whose session has ended."""
    context = info.context
    sessions = valid_sessions(context.services.clock.now()).filter(user_id=context.user.pk)
    keys = [int(str(key)) for key in await sessions.values_list("id", flat=True)]
    return await PushDevice.visible_to(context.viewer).filter(session_id__in=keys).order_by("-id")


async def subscribe(info: Info, input: PushDeviceSubscribeInput) -> PushDevice:
    """Subscribe the device of the session."""
    context = info.context
    channel = context.services.push
    services = channel.services if channel else KNOWN_SERVICES
    with Checks() as check:
        endpoint, service = check(checked_endpoint, input.endpoint, services) or ("", "")
        p256dh = check(checked_device_key, input.p256dh)
        auth = check(checked_auth, input.auth)
        kinds = check(_checked_kinds, context.viewer, input.kinds)
    if channel is None:
        raise Refusal(SupportErrorCode.PUSH_UNAVAILABLE, "input")
    return await devices.subscribe(
        context.action(),
        context.user,
        context.session,
        endpoint,
        kinds,
        service=service,
        p256dh=p256dh,
        auth=auth,
        name=device_name(context.user_agent),
    )


def possible_kinds(viewer: Viewer) -> tuple[PushKind, ...]:
    """What a viewer can be notified of."""
    return CUSTOMER_KINDS if viewer.is_customer else AGENT_KINDS


def _checked_kinds(viewer: Viewer, kinds: Sequence[PushKind] | None) -> list[PushKind] | None:
    if kinds is None:
        return None
    possible = possible_kinds(viewer)
    with Checks("kinds") as check:
        for index, kind in enumerate(kinds):
            if kind not in possible:
                check.refuse(Refusal(CommonErrorCode.VALUE_INVALID, "input", str(index)))
    return [kind for kind in possible if kind in kinds]


async def update(info: Info, input: PushDeviceUpdateInput) -> PushDevice:
    """Choose what a device is notified of."""
    with Checks() as check:
        device = await check.wait(_load(info, input.push_device_id))
        kinds = check(_checked_kinds, info.context.viewer, input.kinds)
    return await devices.choose_kinds(device, kinds or [])


async def remove(info: Info, input: PushDeviceRemoveInput) -> PushDevice:
    """Remove a device."""
    return await devices.remove(await _load(info, input.push_device_id))


async def _load(info: Info, push_device_id: str) -> PushDevice:
    return await load_visible(PushDevice, push_device_id, info.context.viewer, "pushDeviceId")


def kinds(root: PushDevice) -> list[PushKind]:
    """What the device is notified of."""
    return [PushKind(kind) for kind in root.kinds]


def current(context: Context, parents: Sequence[PushDevice]) -> list[bool]:
    """Whether each device is that of the request's session."""
    session = context.viewer.session
    return [session is not None and device.session_id == session.pk for device in parents]
