"""What must always hold for the POS queue, packages and sales."""

from pourline.upkeep.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="one_notification_a_happening",
        why="A drink is rung up once, however often its event came.",
        sql="""
            SELECT kind, reference, count(*) AS notifications FROM pos_event
            GROUP BY kind, reference HAVING count(*) > 1 LIMIT 100
        """,
    ),
    Invariant(
        name="a_package_sells_what_its_parts_allow",
        why="What others were told of a package is what the stock that is known allows.",
        sql="""
            SELECT package.id, package.told_sellable, parts.sellable
            FROM package, LATERAL (
                SELECT min(floor(greatest(item.stock, 0) / part.quantity)) FILTER (
                           WHERE item.tracking_enabled AND NOT EXISTS (
                               SELECT FROM config WHERE value = 'false'
                                   AND key = 'inventory_tracking_enabled')) AS sellable,
                       bool_or(item.is_changed) AS is_changed
                FROM package_part AS part JOIN item ON item.id = part.item_id
                WHERE part.package_id = package.id
            ) AS parts
            WHERE NOT parts.is_changed
                AND package.told_sellable IS DISTINCT FROM parts.sellable LIMIT 100
        """,
    ),
    Invariant(
        name="no_sale_is_left_half_way",
        why="What was sold leaves the stock, or is refused and forgotten.",
        sql="""
            SELECT id, transaction_id, at FROM sale
            WHERE recorded_at IS NULL AND at < now() - interval '1 minute' LIMIT 100
        """,
    ),
)
