"""What must always hold in the ledger's books."""

from pourline.upkeep.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="entries_of_a_booking_sum_to_zero",
        why="Money never appears or vanishes.",
        sql="""
            SELECT booking_id, sum(amount) AS sum FROM entry
            GROUP BY booking_id HAVING sum(amount) <> 0 LIMIT 100
        """,
    ),
    Invariant(
        name="every_entry_has_its_booking_and_its_account",
        why="A trigger sees to it once a statement; there is no foreign key.",
        sql="""
            SELECT entry.id, entry.booking_id, entry.account_id FROM entry
            LEFT JOIN booking ON booking.id = entry.booking_id
            LEFT JOIN account ON account.id = entry.account_id
            WHERE booking.id IS NULL OR account.id IS NULL LIMIT 100
        """,
    ),
    Invariant(
        name="balance_is_the_sum_of_entries",
        why="What staff see is what was booked.",
        sql="""
            SELECT account.id, account.balance, coalesce(sum(entry.amount), 0) AS entries
            FROM account LEFT JOIN entry ON entry.account_id = account.id
            GROUP BY account.id
            HAVING account.balance <> coalesce(sum(entry.amount), 0) LIMIT 100
        """,
    ),
    Invariant(
        name="one_charge_a_pour",
        why="A guest is never charged twice.",
        sql="""
            SELECT reference, count(*) AS charges FROM booking WHERE kind = 'pour'
            GROUP BY reference HAVING count(*) > 1 LIMIT 100
        """,
    ),
    Invariant(
        name="a_pour_is_charged_its_amount",
        why="What the tap was told is what the guest paid.",
        sql="""
            SELECT pour.client_tx_id, pour.amount, sum(entry.amount) AS charged
            FROM pour
            LEFT JOIN booking ON booking.kind = 'pour' AND booking.reference = pour.client_tx_id
            LEFT JOIN entry ON entry.booking_id = booking.id
                AND entry.account_id = 'guest:' || pour.guest_id
            GROUP BY pour.client_tx_id
            HAVING pour.amount <> -coalesce(sum(entry.amount), 0) LIMIT 100
        """,
    ),
    Invariant(
        name="no_hold_outlives_its_pour",
        why="A guest's money is free again once the pour is in the books.",
        sql="""
            SELECT grant_hold.grant_id, grant_hold.state FROM grant_hold
            JOIN pour ON pour.grant_id = grant_hold.grant_id
            WHERE grant_hold.state = 'pending' LIMIT 100
        """,
    ),
    Invariant(
        name="stock_is_the_sum_of_its_entries",
        why="What staff see in stock is what moved it.",
        sql="""
            SELECT inventory_item.item_id, current_stock, coalesce(entries.sum, 0) AS entries
            FROM inventory_item
            FULL JOIN (SELECT item_id, sum(delta) AS sum FROM inventory_entry GROUP BY item_id)
                AS entries USING (item_id)
            WHERE current_stock IS DISTINCT FROM coalesce(entries.sum, 0) LIMIT 100
        """,
    ),
)
