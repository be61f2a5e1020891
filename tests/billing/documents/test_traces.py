"""An invoice's document and its email belong to the trace of the request that caused them."""

import asyncio

from billing.document_requests import render_due
from models.action import Action
from models.operations.email import Email
from models.tracing import SpanKind, span
from tests.billing.purchase_fixtures import Shop
from tests.otlp_collector import running_collector
from tracing import Tracing


async def test_p6_4_a_document_continues_the_trace_of_its_invoice(
    shop: Shop, action: Action
) -> None:
    with running_collector() as collector:
        tracing = Tracing(collector.url, ())
        tracing.start()
        try:
            with span("POST /graphql", SpanKind.REQUEST):
                await shop.buy(action, "1")
            with span("job documents", SpanKind.JOB):
                assert await render_due(action, shop.services.signer) == 1
        finally:
            await asyncio.to_thread(tracing.close)
    (request,) = collector.named("POST /graphql")
    (document,) = collector.named("document")
    assert (document.trace_id, document.parent_span_id) == (request.trace_id, request.span_id)
    (email,) = await Email.filter(template__startswith="invoice_issued")
    _, trace_id, _, flags = str(email.traceparent).split("-")
    assert trace_id == request.trace_id.hex()
    assert int(flags, 16) & 1  # it is recorded
