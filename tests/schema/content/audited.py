"""An example of each audited mutation of content, in a function with the mutation's name."""

from models.content.policy import Policy
from resolvers.ids import encode
from tests.schema.audited_fixtures import Scenario, operator_viewer
from tests.schema.conftest import create_webinar


async def policy_accept(scenario: Scenario) -> None:
    policy = await Policy.create(
        kind="TERMS",
        version="2.0",
        effective_on=scenario.action.day,
        text_fr="# MARK\n",
        text_en="# MARK\n",
        sha256="-",
        installed_at=scenario.action.at,
    )
    for _ in range(2):
        await scenario.mutate(scenario.owner, "policyAccept", policyId=encode("Policy", policy.pk))


async def webinar_schedule(scenario: Scenario) -> str:
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    webinar = encode("Article", (await create_webinar(scenario.action)).pk)
    for _ in range(2):
        await scenario.mutate(
            scenario.operator,
            "webinarSchedule",
            articleId=webinar,
            startsAt="2027-01-11T13:00:00Z",
            durationSeconds=3_600,
            joinUrl="https://MARKED.example",
        )
    return webinar


async def webinar_cancel(scenario: Scenario) -> None:
    webinar = await webinar_schedule(scenario)
    assert scenario.operator
    for _ in range(2):
        await scenario.mutate(scenario.operator, "webinarCancel", articleId=webinar)


async def article_create(scenario: Scenario) -> str:
    scenario.operator = scenario.operator or await operator_viewer(scenario)
    texts = {"title": "MARKED TITLE", "summary": "MARKED SUMMARY", "body": "MARKED BODY"}
    for _ in range(2):
        payload = await scenario.mutate(
            scenario.operator,
            "articleCreate",
            "article { id }",
            slug="marked-slug",
            kind="FAQ",
            category="ACCOUNT",
            fr=texts,
            en=texts,
            idempotencyKey="MARKED KEY",
        )
    return str(payload["article"]["id"])


async def article_update(scenario: Scenario) -> str:
    article = await article_create(scenario)
    texts = {"title": "MARKED OTHER", "summary": "MARKED SUMMARY", "body": "MARKED BODY"}
    assert scenario.operator
    for _ in range(2):
        await scenario.mutate(
            scenario.operator, "articleUpdate", articleId=article, version=1, fr=texts
        )
    return article


async def article_publish(scenario: Scenario) -> str:
    article = await article_create(scenario)
    assert scenario.operator
    for _ in range(2):
        await scenario.mutate(scenario.operator, "articlePublish", articleId=article)
    return article


async def article_unpublish(scenario: Scenario) -> None:
    article = await article_publish(scenario)
    assert scenario.operator
    for _ in range(2):
        await scenario.mutate(scenario.operator, "articleUnpublish", articleId=article)
