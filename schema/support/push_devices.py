"""Devices that receive notifications (web push)."""

from datetime import datetime

import strawberry

import models.support.push_device
from auth.rules import agent, customer
from models.support.push_device import PushKind
from resolvers.support import push_devices as device_resolvers
from schema.fields import Unaudited, field, mutation, query, viewer_field
from schema.nodes import Node, backed_by
from schema.user_errors import UserError, errors

_OWN = Unaudited("The viewer sees their devices, and a notification says next to nothing.")


@strawberry.type(
    description=(
        "A browser or an app that receives notifications even when it isn't open (web push, RFC "
        "8030). It belongs to a session and is removed with it."
    )
)
@backed_by(models.support.push_device.PushDevice)
class PushDevice(Node):
    name: str | None = field(
        "The browser and operating system, such as `Firefox, Android`. Null when unknown."
    )
    service: str = field(
        "The push service that delivers the notifications, such as `push.services.mozilla.com`."
    )
    kinds: list[PushKind] = field(
        "What the device is notified of.", device_resolvers.kinds, needs=("kinds",)
    )
    created_at: datetime = field("When the device was subscribed.")
    current: bool = viewer_field(
        device_resolvers.current,
        description="Whether this is the device of the request's session.",
        needs=("session_id",),
    )


@strawberry.type(description="The result of a change to a device.")
class PushDevicePayload:
    push_device: PushDevice | None = field("The device after the change, or the removed one.")
    user_errors: list[UserError] = errors()


@strawberry.type
class PushDeviceQuery:
    push_public_key: str | None = query(
        device_resolvers.public_key,
        allow=customer | agent,
        description="The public key of this server (VAPID, RFC 8292), in Base64url: pass it to the "
        "browser as `applicationServerKey`. Null when notifications aren't available.",
    )
    push_devices: list[PushDevice] | None = query(
        device_resolvers.of_viewer,
        allow=customer | agent,
        cost=10,
        description="The viewer's devices that receive notifications, most recent first.",
    )


@strawberry.type
class PushDeviceMutation:
    push_device_subscribe: PushDevicePayload | None = mutation(
        device_resolvers.subscribe,
        "push_device",
        allow=customer | agent,
        audit=_OWN,
        description=(
            "Subscribes the device of this session to notifications of future events. Call it "
            "whenever the app starts: repeating it changes nothing. A session has one device, and "
            "a device belongs to the user who subscribed it last."
        ),
    )
    push_device_update: PushDevicePayload | None = mutation(
        device_resolvers.update,
        "push_device",
        allow=customer | agent,
        audit=_OWN,
        description="Sets what one of the viewer's devices is notified of.",
    )
    push_device_remove: PushDevicePayload | None = mutation(
        device_resolvers.remove,
        "push_device",
        allow=customer | agent,
        audit=_OWN,
        description="Stops the notifications on one of the viewer's devices.",
    )
