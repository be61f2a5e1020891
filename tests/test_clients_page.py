"""docs/clients.md lists every top-level error code and every close code."""

import re
from pathlib import Path

from engine import errors as engine_errors
from models.errors import DomainError, Refusal, Refusals
from realtime.close_codes import CloseCode

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")


def subclasses(kind: type[DomainError]) -> set[type[DomainError]]:
    return {each for child in kind.__subclasses__() for each in {child, *subclasses(child)}}


def test_each_top_level_error_code_is_listed() -> None:
    refusals = {Refusal, Refusals, *subclasses(Refusal)}
    codes = {kind.code for kind in subclasses(DomainError) - refusals}
    codes |= {value for name, value in vars(engine_errors).items() if name == value}
    assert codes > {"UNAUTHENTICATED", "QUERY_TOO_COSTLY"}
    assert {code for code in codes if f"| `{code}` |" not in PAGE} == set()


def test_each_close_code_is_listed() -> None:
    table = PAGE.partition("### Close codes")[2].partition("\n\n`graphql-ws`")[0]
    assert {code.value for code in CloseCode} - {
        int(code) for code in re.findall(r"\d{4}", table)
    } == set()
