"""keg-fifo's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import cellar
from pourline.contracts import stock as stock_contract
from pourline.keg_fifo.api.webhook import Webhook
from pourline.keg_fifo.handlers import corrections, kegs, spouts, stock
from pourline.kit.nats import Responder

__all__ = ["Webhook", "answer"]


def answer(responder: Responder, *, webhook: Webhook) -> None:
    """Answer everything that keg-fifo owns."""
    responder.on(cellar.CreateBeverage, kegs.create_beverage)
    responder.on(cellar.ListBeverages, kegs.list_beverages)
    responder.on(cellar.GetBeverage, kegs.get_beverage)
    responder.on(cellar.ReceiveKeg, kegs.receive_keg, exists=kegs.beverage_exists)
    responder.on(cellar.ListKegs, kegs.list_kegs)
    responder.on(cellar.SuggestKeg, kegs.suggest_keg)
    responder.on(cellar.ConnectKeg, kegs.connect_keg, exists=kegs.tap_exists)
    responder.on(cellar.DisconnectKeg, kegs.disconnect_keg, exists=kegs.tap_exists)
    responder.on(cellar.CreateItem, stock.create_item)
    responder.on(cellar.ListItems, stock.list_items)
    responder.on(cellar.ReceiveStock, stock.receive_stock, exists=stock.item_exists)
    responder.on(cellar.ListBatches, stock.list_batches, exists=stock.item_exists)
    responder.on(stock_contract.ChangeItem, stock.change_item, exists=stock.item_exists)
    responder.on(stock_contract.AdjustStock, corrections.adjust_stock, exists=stock.item_exists)
    responder.on(stock_contract.CountStock, corrections.count_stock, exists=stock.item_exists)
    responder.on(cellar.Calibrate, spouts.calibrate, exists=spouts.spout_and_item_exist)
    responder.on(cellar.ListSpoutEvents, spouts.list_events)
    responder.on(cellar.IngestSpoutPour, webhook.ingest, before=webhook.admit)
