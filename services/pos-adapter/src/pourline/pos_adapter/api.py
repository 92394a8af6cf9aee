"""pos-adapter's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import evening
from pourline.contracts import packages as contract
from pourline.kit.nats import Responder
from pourline.pos_adapter.handlers import packages, queue, sales


def answer(responder: Responder, *, selling: sales.Selling) -> None:
    """Answer everything that pos-adapter owns."""
    responder.on(evening.ListPosEvents, queue.list_events)
    known = queue.event_exists
    responder.on(evening.MarkPosEventSent, queue.mark_sent_by_hand, exists=known)
    responder.on(evening.RetryPosEvent, queue.retry, exists=known)
    responder.on(contract.CreatePackage, packages.create_package, exists=packages.items_exist)
    responder.on(contract.ListPackages, packages.list_packages)
    responder.on(contract.ListAvailability, packages.list_availability)
    responder.on(contract.GetAvailability, packages.get_availability)
    responder.on(contract.GetPackageImpact, packages.get_impact)
    responder.on(
        contract.RecordSale, sales.record_sale, exists=sales.named_in_it_exist, before=selling
    )
