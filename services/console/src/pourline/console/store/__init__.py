"""What the live page knows, in memory: the console owns nothing but this copy.

A snapshot by request and reply fills it, events keep it true, flow and alert topics make it
live. Whatever is missed in between is put right by the next snapshot.
"""

from pourline.console.store.alerts import AlertBoard
from pourline.console.store.board import Board
from pourline.console.store.lines import Flow, LastPour, TapLine
from pourline.console.store.links import Link
from pourline.console.store.revocations import Revocations
from pourline.console.store.stock import StockFeed

__all__ = ["AlertBoard", "Board", "Flow", "LastPour", "Link", "Revocations", "StockFeed", "TapLine"]
