"""The benchmark of the chat queue, with few chats and agents."""

import pytest

from bench.chat_queue import FEW_AGENTS, FEW_WAITING, measure_queue
from bench.data import TINY


@pytest.mark.long  # it fills a database
async def test_the_queue_is_measured(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await measure_queue(database_url, TINY, 2 * FEW_WAITING, 2 * FEW_AGENTS)
    head, *lines = capsys.readouterr().out.splitlines()
    assert "100 / 10" in head
    assert "200 / 20" in head
    assert len(lines) == 5
