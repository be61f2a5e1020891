"""What somebody who is not signed in can't do, over a real websocket."""

from tests.story.server_fixtures import Client, Server


async def test_strangers_see_no_schema_over_the_websocket(server: Server) -> None:
    """The same rule as over HTTP: an attack found the websocket more generous."""
    async with Client(server).socket() as live:
        message = await (await live.follow("{ __schema { types { name } } }")).queue.get()
        misspelt = await (await live.follow("{ offerz { nodes { slug } } }")).queue.get()
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
    assert "offers" not in misspelt["payload"][0]["message"]
