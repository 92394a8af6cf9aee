"""The ledger's request/reply edge: which command or query goes to which handler."""

from pourline.contracts import books, money, reports, shifts, stock
from pourline.kit.nats import Responder
from pourline.ledger.handlers import by_hand, closing, decisions, inventory
from pourline.ledger.handlers import money as handle
from pourline.ledger.handlers import reports as sums


def answer(responder: Responder) -> None:
    """Answer everything that the ledger owns."""
    responder.on(money.TopUp, handle.top_up)
    responder.on(money.Refund, handle.refund)
    responder.on(money.PlaceHold, handle.place_hold)
    responder.on(money.VoidHold, handle.void_hold)
    responder.on(money.GetGrant, handle.get_grant)
    responder.on(money.SetPrice, handle.set_price)
    responder.on(money.ListStatement, handle.list_statement)
    responder.on(money.GetVisitMoney, handle.get_visit_money)
    responder.on(money.GetBalances, handle.get_balances)
    responder.on(money.ListPours, handle.list_pours)
    responder.on(books.ReconcilePour, by_hand.reconcile_pour)
    responder.on(books.DecidePour, decisions.decide_pour)
    responder.on(books.FindPour, by_hand.find_pour)
    responder.on(books.CorrectAccount, closing.correct_account)
    responder.on(books.PayOut, closing.pay_out)
    responder.on(shifts.GetHeldPours, decisions.get_held_pours)
    responder.on(books.GetBooks, closing.get_books)
    responder.on(books.GetReceipt, closing.get_receipt)
    responder.on(stock.ListInventory, inventory.list_inventory)
    responder.on(stock.ListInventoryEntries, inventory.list_entries, exists=inventory.item_exists)
    responder.on(reports.GetPourReport, sums.get_pour_report)
