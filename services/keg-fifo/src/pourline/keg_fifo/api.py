"""keg-fifo's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import cellar
from pourline.keg_fifo.handlers import kegs
from pourline.kit.nats import Responder


def answer(responder: Responder) -> None:
    """Answer everything that keg-fifo owns."""
    responder.on(cellar.CreateBeverage, kegs.create_beverage)
    responder.on(cellar.ListBeverages, kegs.list_beverages)
    responder.on(cellar.GetBeverage, kegs.get_beverage)
    responder.on(cellar.ReceiveKeg, kegs.receive_keg)
    responder.on(cellar.ListKegs, kegs.list_kegs)
    responder.on(cellar.SuggestKeg, kegs.suggest_keg)
    responder.on(cellar.ConnectKeg, kegs.connect_keg, exists=kegs.tap_exists)
    responder.on(cellar.DisconnectKeg, kegs.disconnect_keg, exists=kegs.tap_exists)
