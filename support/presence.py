"""The job by which a process tells the others which agents are connected to it."""

from models.action import Action
from models.support.agent_presence import delete_old_leases, store_leases
from models.support.live_chat import CHATS
from realtime.connected_agents import ConnectedAgents


async def renew_leases(action: Action, agents: ConnectedAgents) -> None:
    """Store the leases of the agents who are connected to this process."""
    leases, is_changed = agents.take_leases()
    await store_leases(agents.process, leases)
    await delete_old_leases(action.at)
    if is_changed:
        action.bus.announce([CHATS])
