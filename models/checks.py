"""Checking an input as a whole: every independent error is reported at once, each with the path of
its field.
"""

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import ParamSpec, TypeVar, cast

from models.errors import CommonErrorCode, Refusal, Refusals

P = ParamSpec("P")
T = TypeVar("T")


class Checks:
    """Runs the checks of one input, and raises their refusals together when the block ends.

        with Checks() as check:
            email = check(clean_email, email)
            name = check(line, name, "name", NAME_LENGTH)

    Use a check's result after the block: inside it, the result of a refused check is None. Only
    check what can be decided from the input alone or the rows it names, and change nothing: what
    depends on the state of rows is checked later, under their locks. For the checks of a nested
    input, `parent_field` names its field: it becomes part of the paths. Any other error, such as
    Throttled or Forbidden, ends the block at once.
    """

    def __init__(self, parent_field: str | None = None) -> None:
        self._parent_field = parent_field
        self._refusals: list[Refusal] = []

    def __call__(self, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of a function that may raise Refusal."""
        try:
            return check(*args, **kwargs)
        except Refusal as refusal:
            self.refuse(refusal)
        return cast("T", None)

    async def wait(self, check: Awaitable[T]) -> T:
        """The result of an awaitable that may raise Refusal."""
        try:
            return await check
        except Refusal as refusal:
            self.refuse(refusal)
        return cast("T", None)

    def refuse(self, refusal: Refusal) -> None:
        """Add a refusal that wasn't raised by a check."""
        for item in refusal.refusals:
            if self._parent_field:
                item.field = (*item.field[:1], self._parent_field, *item.field[1:])
            self._refusals.append(item)

    @property
    def is_valid(self) -> bool:
        """Whether nothing has been refused so far. Use it for checks that only make sense then."""
        return not self._refusals

    def __enter__(self) -> "Checks":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Refusal):
            self.refuse(error)
        elif error is not None:
            return
        if len(self._refusals) > 1:
            raise Refusals(self._refusals) from None
        if self._refusals:
            raise self._refusals[0] from None


def require_keys(keys: Sequence[int | None], field: str) -> tuple[int, ...]:
    """The keys behind a list of ids. For each that is None, which is an id without a row, raises
    NOT_FOUND at its index.
    """
    with Checks() as check:
        for index, key in enumerate(keys):
            if key is None:
                check.refuse(Refusal(CommonErrorCode.NOT_FOUND, "input", field, str(index)))
    return tuple(key for key in keys if key is not None)
