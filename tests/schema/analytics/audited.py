"""An example of each audited mutation of analytics, in a function with the mutation's name."""

from tests.schema.audited_fixtures import Scenario

QUERY = {"tickets": {"measures": [{"function": "COUNT"}]}}


async def saved_query_create(scenario: Scenario) -> str:
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.dataset.nadia,
            "savedQueryCreate",
            "savedQuery { id }",
            name="MARKED NAME",
            query=QUERY,
            idempotencyKey="MARKED KEY",
        )
    return str(payload["savedQuery"]["id"])


async def saved_query_update(scenario: Scenario) -> None:
    saved = await saved_query_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.nadia, "savedQueryUpdate", savedQueryId=saved, name="MARKED OTHER"
        )


async def saved_query_delete(scenario: Scenario) -> None:
    saved = await saved_query_create(scenario)
    for _ in range(2):
        await scenario.mutate(scenario.dataset.nadia, "savedQueryDelete", savedQueryId=saved)


async def query_schedule_create(scenario: Scenario) -> str:
    saved = await saved_query_create(scenario)
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.dataset.nadia,
            "queryScheduleCreate",
            "querySchedule { id }",
            savedQueryId=saved,
            frequency="WEEKLY",
            hour=8,
            weekday="MONDAY",
            dayOfMonth=1,
            idempotencyKey="MARKED KEY",
        )
    return str(payload["querySchedule"]["id"])


async def query_schedule_update(scenario: Scenario) -> None:
    schedule = await query_schedule_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.nadia, "queryScheduleUpdate", queryScheduleId=schedule, hour=9
        )


async def query_schedule_delete(scenario: Scenario) -> None:
    schedule = await query_schedule_create(scenario)
    for _ in range(2):
        await scenario.mutate(
            scenario.dataset.nadia, "queryScheduleDelete", queryScheduleId=schedule
        )
