"""What must always hold for the POS queue."""

from pourline.kit.invariants import OUTBOX, Invariant

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
        name="a_sent_notification_was_announced_once",
        why="The queue and what the others were told agree.",
        sql="""
            SELECT pos_event.id, count(outbox.id) AS announcements FROM pos_event
            LEFT JOIN outbox ON outbox.aggregate = 'pos_event:' || pos_event.id
            WHERE pos_event.status = 'sent' AND pos_event.sent_at > now() - interval '1 day'
            GROUP BY pos_event.id HAVING count(outbox.id) <> 1 LIMIT 100
        """,
    ),
)
