"""Viewers without access to Marie's company, and the data that they must not read, for tests with
generated operations.
"""

import os
from dataclasses import dataclass, replace
from typing import Any

import orjson
from tortoise import Tortoise
from tortoise.fields.relational import ForeignKeyFieldInstance

from models.accounts.account import Account, Role
from models.action import Action
from models.billing.invoice import Invoice
from models.database.connection import sqlite_path
from models.identity.session import Session
from models.identity.user import Staff, User
from models.support.classification import Category, Channel
from models.support.ticket import Ticket
from models.viewer import Viewer
from resolvers.ids import decode, encode
from tests.people import add_member, create_staff, create_user, create_viewer
from tests.schema.conftest import Dataset

MISSING_KEYS = 10**12  # keys from here on have no row


@dataclass
class Outsider:
    """A viewer, and the texts of Marie's company that this viewer may read."""

    name: str
    viewer: Viewer
    allowed: tuple[str, ...] = ()
    reads_counts: bool = False  # analysts may, but read no personal data


async def outsiders(dataset: Dataset, action: Action) -> list[Outsider]:
    """Anonymous, each role of another company, a member of both companies, a former member, and
    staff without the rights.
    """
    paul, marie = dataset.paul, dataset.marie
    result = [
        Outsider("nobody", Viewer()),
        Outsider("owner", paul.owner),
        Outsider("member", paul.member),
    ]
    for role in (Role.ADMIN, Role.BILLING):
        user = await create_user(action, role.title())
        await add_member(action, paul.account, user, role)
        result.append(Outsider(role.lower(), await create_viewer(action, user, paul.account)))
    wanda = await create_user(action, "Wanda")
    for account, role in ((paul.account, Role.MEMBER), (marie.account, Role.OWNER)):
        await add_member(action, account, wanda, role)
    # Needed to choose the company.
    leaks = (f"{marie.mark} legal", f"{marie.mark} trade", encode("Account", marie.account.pk))
    result.append(Outsider("of both", await create_viewer(action, wanda, paul.account), leaks))
    operator = await create_staff(action, "Omar", Staff.OPERATOR)
    return [
        *result,
        Outsider("agent without factor", dataset.alice_without_factor),
        Outsider("operator without factor", await create_viewer(action, operator)),
        Outsider("analyst", dataset.nadia, reads_counts=True),
    ]


def chosen(db: str, number: int, outsider_list: list[Outsider]) -> list[Outsider]:
    """The outsiders who try a request with this number on this database: every second one, and the
    remaining ones on the other kind of database. With `bin/check --long`, all of them.
    """
    offset = number if sqlite_path(db) else number + 1
    return outsider_list if "CAMCHA_CASES" in os.environ else outsider_list[offset % 2 :: 2]


def secrets(dataset: Dataset) -> list[str]:
    """The texts that no outsider may read."""
    marie, invoice = dataset.marie, dataset.marie.row(Invoice)
    accepted = f"{marie.accepted_at:%Y-%m-%dT%H:%M:%S}"
    return [
        marie.mark,
        marie.mark[:6] + "pc",
        marie.account.siren,
        invoice.number,
        marie.document_hash,
        accepted,
    ]


def find_leaks(dataset: Dataset, outsider: Outsider, request: str, answer: str) -> list[str]:
    """The secrets and ids of Marie's company in a response, except those that the outsider may read
    or has sent.
    """
    for known_text in outsider.allowed:
        answer = answer.replace(known_text, "")
    ids = [
        each for each in dataset.marie.ids if each not in request and each not in outsider.allowed
    ]
    mark, *others = secrets(dataset)  # a number sent as an idempotency key is returned
    leaks = [
        each
        for each in (mark, *(other for other in others if other not in request))
        if each in answer
    ]
    return leaks + [each for each in ids if f'"{each}"' in answer]


def replace_ids(dataset: Dataset, text: str) -> str:
    """The same text with Marie's ids replaced by ids of rows that don't exist."""
    for each in dataset.marie.ids:
        result = decode(each)
        assert result
        text = text.replace(each, encode(result[0], MISSING_KEYS + result[1]))
    return text


async def change_maries_data(dataset: Dataset, action: Action) -> None:
    """Changes what outsiders could observe of Marie's company: a ticket, messages and an
    address.
    """
    marie = dataset.marie
    marie_action = replace(action, actor=marie.owner.user)
    assert marie.owner.user
    async with marie_action.transaction() as tx:
        ticket = await Ticket.open(
            tx,
            marie.account,
            marie.owner.user,
            subject=f"{marie.mark} more",
            channel=Channel.CHAT,
            category=Category.USAGE,
        )
    await ticket.reply(
        marie_action, marie.owner.user, f"{marie.mark} and more", f"{marie.mark} {ticket.pk}", ()
    )
    await marie.row(Ticket).reply(
        marie_action, marie.owner.user, f"{marie.mark} again", f"{marie.mark} again {ticket.pk}", ()
    )
    await Account.filter(pk=marie.account.pk).update(street=f"{marie.mark} street {ticket.pk}")


async def rows_of_marie(dataset: Dataset) -> dict[str, list[dict[str, Any]]]:
    """Every stored row that belongs to Marie's company or its members, by table."""
    owned_ids: dict[type[Any], set[int]] = {Account: {dataset.marie.account.pk}}
    people = {row.pk for row in dataset.marie.rows if isinstance(row, User)}
    owned_ids[User] = people
    models = list(Tortoise.apps["models"].values())
    parent_counts: dict[tuple[type[Any], str], int] = {}  # the number of parents
    while True:
        before = sum(map(len, owned_ids.values()))
        for model in models:
            for name in model._meta.fk_fields | model._meta.o2o_fields:
                field = model._meta.fields_map[name]
                assert isinstance(field, ForeignKeyFieldInstance)
                parents = owned_ids.get(field.related_model, set())
                if len(parents) > parent_counts.get((model, name), 0) and model not in (
                    Account,
                    User,
                ):
                    parent_counts[model, name] = len(parents)
                    keys = await model.filter(**{f"{name}_id__in": list(parents)}).values_list(
                        model._meta.pk_attr, flat=True
                    )
                    owned_ids.setdefault(model, set()).update(keys)
        if sum(map(len, owned_ids.values())) == before:
            break
    return {
        model.__name__: await model.filter(**{f"{model._meta.pk_attr}__in": list(keys)})
        .order_by(model._meta.pk_attr)
        .values()
        for model, keys in sorted(owned_ids.items(), key=lambda each: each[0].__name__)
        if model is not Session
    }


def text(answer: Any) -> str:
    """A response as its client reads it, without the random ids and the locations of errors."""
    for error in answer.get("errors", []):
        error.get("extensions", {}).pop("errorId", None)
        error.pop("locations", None)
    return orjson.dumps(answer).decode()
