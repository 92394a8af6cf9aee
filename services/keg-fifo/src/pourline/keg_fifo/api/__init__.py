"""keg-fifo's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import cellar, packages
from pourline.contracts import losses as losses_contract
from pourline.contracts import spouts as spout_contract
from pourline.contracts import stock as stock_contract
from pourline.keg_fifo.api.webhook import Webhook
from pourline.keg_fifo.handlers import corrections, health, kegs, losses, sales, spouts, stock
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
    responder.on(losses_contract.GetKegYield, losses.keg_yield)
    responder.on(losses_contract.GetLosses, losses.get_losses)
    responder.on(losses_contract.GetForecast, losses.forecast)
    responder.on(spout_contract.ListSpoutHealth, health.list_health)
    responder.on(cellar.CreateItem, stock.create_item)
    responder.on(cellar.ListItems, stock.list_items)
    responder.on(cellar.ReceiveStock, stock.receive_stock, exists=stock.item_exists)
    responder.on(cellar.ListBatches, stock.list_batches, exists=stock.item_exists)
    responder.on(stock_contract.ChangeItem, stock.change_item, exists=stock.item_exists)
    responder.on(stock_contract.AdjustStock, corrections.adjust_stock, exists=stock.item_exists)
    responder.on(stock_contract.CountStock, corrections.count_stock, exists=stock.item_exists)
    responder.on(packages.TakeStock, sales.take_stock)
    responder.on(cellar.Calibrate, spouts.calibrate, exists=spouts.spout_and_item_exist)
    responder.on(spout_contract.ListSpoutEvents, spouts.list_events)
    responder.on(spout_contract.IngestSpoutPour, webhook.ingest, before=webhook.admit)
