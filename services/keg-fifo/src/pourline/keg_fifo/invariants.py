"""What must always hold in the cellar."""

from pourline.kit.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="a_keg_lost_what_pours_took",
        why="The level staff see is the beer that is there.",
        sql="""
            SELECT keg.id, keg.volume_ml - keg.remaining_ml AS gone,
                   coalesce(sum(keg_taking.taken_ml), 0) AS taken
            FROM keg LEFT JOIN keg_taking ON keg_taking.keg_id = keg.id
            GROUP BY keg.id
            HAVING keg.volume_ml - keg.remaining_ml <> coalesce(sum(keg_taking.taken_ml), 0)
            LIMIT 100
        """,
    ),
    Invariant(
        name="a_batch_lost_what_was_taken",
        why="Stock is the sum of what came and what went.",
        sql="""
            SELECT batch.id, batch.quantity - batch.remaining AS gone,
                   coalesce(sum(batch_taking.quantity), 0) AS taken
            FROM batch LEFT JOIN batch_taking ON batch_taking.batch_id = batch.id
            GROUP BY batch.id
            HAVING batch.quantity - batch.remaining <> coalesce(sum(batch_taking.quantity), 0)
            LIMIT 100
        """,
    ),
    Invariant(
        name="no_shortfall_while_stock_is_left",
        why="A receipt settles what was short before.",
        sql="""
            SELECT shortfall.item_id, sum(shortfall.open_quantity) AS short
            FROM shortfall
            WHERE open_quantity > 0 AND EXISTS (
                SELECT FROM batch WHERE batch.item_id = shortfall.item_id AND remaining > 0)
            GROUP BY shortfall.item_id LIMIT 100
        """,
    ),
)
