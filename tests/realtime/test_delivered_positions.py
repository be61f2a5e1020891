"""The stored positions up to which people have received their streams."""

from dataclasses import dataclass

from realtime.delivered_positions import DeliveredPositions, Receiver

ALICE = Receiver(7, is_staff=True)


@dataclass(eq=False)
class Subscription:
    cursor: int
    stream_key: str = "ticket:1"
    receiver: Receiver = ALICE


def test_only_what_has_moved_is_collected() -> None:
    delivered, subscription = DeliveredPositions(), Subscription(3)
    delivered.add(subscription)
    assert delivered.collect() == {("ticket:1", ALICE): 3}
    assert delivered.collect() == {}
    subscription.cursor = 5
    delivered.remove(subscription)
    delivered.remove(subscription)
    assert delivered.collect() == {("ticket:1", ALICE): 5}
    assert delivered.collect() == {}


def test_what_could_not_be_stored_is_collected_again() -> None:
    """This holds whether or not the subscription is still open, and never overrides a later
    position.
    """
    delivered = DeliveredPositions()
    open_subscription, ended_subscription = Subscription(3), Subscription(2, "ticket:2")
    delivered.add(open_subscription)
    delivered.add(ended_subscription)
    delivered.remove(ended_subscription)
    positions = delivered.collect()
    open_subscription.cursor = 4
    delivered.restore(positions)
    assert delivered.collect() == {("ticket:1", ALICE): 4, ("ticket:2", ALICE): 2}
    assert delivered.collect() == {}
