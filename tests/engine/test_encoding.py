"""The JSON encoder writes dates and times, which the execution leaves as they are."""

from datetime import UTC, date, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from engine import encode_json


@given(st.dates() | st.datetimes(timezones=st.just(UTC)))
def test_dates_and_times_in_utc_are_written_as_isoformat(value: date | datetime) -> None:
    assert orjson.loads(encode_json({"data": [value]})) == {"data": [value.isoformat()]}


@given(st.dates() | st.datetimes(timezones=st.just(UTC)))
def test_the_slower_encoder_formats_dates_identically(
    value: date | datetime,
) -> None:
    assert encode_json([value, 2**70]) == f'["{value.isoformat()}",{2**70}]'.encode()
