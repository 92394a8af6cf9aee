"""What must always hold in the cellar."""

from pourline.upkeep.invariants import OUTBOX, Invariant

INVARIANTS: tuple[Invariant, ...] = (
    *OUTBOX,
    Invariant(
        name="a_keg_lost_what_pours_took",
        why="The level staff see is the beer that is there.",
        sql="""
            SELECT keg.id, keg.volume_ml - keg.remaining_ml AS gone, moved.taken, back.returned
            FROM keg,
                 LATERAL (SELECT coalesce(sum(taken_ml), 0) AS taken
                          FROM keg_taking WHERE keg_id = keg.id) AS moved,
                 LATERAL (SELECT coalesce(sum(returned_ml), 0) AS returned
                          FROM keg_return WHERE keg_id = keg.id) AS back
            WHERE keg.volume_ml - keg.remaining_ml <> moved.taken - back.returned
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
    Invariant(
        name="a_drink_left_the_stock_once",
        why="What spouts measured is what batches lost, and what was short.",
        sql="""
            SELECT spout_event.device_id, spout_event.event_id, spout_event.quantity,
                   coalesce(taken.quantity, 0) AS taken, coalesce(short.quantity, 0) AS short
            FROM spout_event
            LEFT JOIN (SELECT device_id, event_id, sum(quantity) AS quantity
                       FROM batch_taking GROUP BY device_id, event_id) AS taken
                USING (device_id, event_id)
            LEFT JOIN (SELECT device_id, event_id, sum(open_quantity) AS quantity
                       FROM shortfall GROUP BY device_id, event_id) AS short
                USING (device_id, event_id)
            WHERE coalesce(spout_event.quantity, 0)
                  <> coalesce(taken.quantity, 0) + coalesce(short.quantity, 0)
            LIMIT 100
        """,
    ),
    Invariant(
        name="stock_is_batches_less_open_shortfalls",
        why="What staff see in stock is what the batches hold, less what is owed to the books.",
        sql="""
            SELECT item.id, item.stock, held.quantity AS held, short.quantity AS short
            FROM item,
                 LATERAL (SELECT coalesce(sum(remaining), 0) AS quantity
                          FROM batch WHERE item_id = item.id) AS held,
                 LATERAL (SELECT coalesce(sum(open_quantity), 0) AS quantity
                          FROM shortfall WHERE item_id = item.id) AS short
            WHERE item.stock <> held.quantity - short.quantity LIMIT 100
        """,
    ),
    Invariant(
        name="stock_is_the_sum_of_movements",
        why="Every change of stock has a source, a reason and a number.",
        sql="""
            SELECT item.id, item.stock, item.moved, coalesce(sum(delta), 0) AS moved_by,
                   count(movement.id) AS movements
            FROM item LEFT JOIN movement ON movement.item_id = item.id
            GROUP BY item.id
            HAVING item.stock <> coalesce(sum(delta), 0) OR item.moved <> count(movement.id)
                OR item.moved <> coalesce(max(movement.number), 0)
            LIMIT 100
        """,
    ),
    Invariant(
        name="no_drink_waits_for_a_calibration_that_is_there",
        why="The first calibration of a channel books what was poured before it.",
        sql="""
            SELECT device_id, event_id, channel FROM spout_event
            WHERE status = 'uncalibrated' AND EXISTS (
                SELECT FROM calibration
                WHERE calibration.device_id = spout_event.device_id
                  AND calibration.channel = spout_event.channel)
            LIMIT 100
        """,
    ),
)
