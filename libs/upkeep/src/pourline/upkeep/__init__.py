"""What looks after a service with a database: migrations, retention, dead letters, figures, timers.

Apart from the kit, which every message goes through; this is for whoever keeps the bar running.
"""

from functools import partial

from pourline.contracts.upkeep import close_of, list_of, replay_of
from pourline.kit.plumbing import Plumbing
from pourline.upkeep import otlp
from pourline.upkeep.figures import Measures, Read
from pourline.upkeep.instruments import Instruments
from pourline.upkeep.letters import Letters
from pourline.upkeep.retention import Retention
from pourline.upkeep.time_of_day import ServerClock


def open_books(
    plumbing: Plumbing, *, instruments: Instruments | None = None, read: Read | None = None
) -> None:
    """Answer about the dead letters of every consumer, tell figures with the health, let go of old.

    `instruments` are what the service counts by, `read` what it reads of its tables beside them.
    """
    instruments = instruments or otlp.instruments(plumbing.settings)
    database, name = plumbing.database, plumbing.settings.service
    letters = Letters(database=database, readers=plumbing.readers)
    plumbing.responder.on(list_of(name), letters.list_waiting)
    plumbing.responder.on(replay_of(name), letters.settle, before=letters.hand_again)
    plumbing.responder.on(close_of(name), letters.close, exists=letters.exists)
    plumbing.measure = measure = Measures(
        bus=plumbing.bus,
        database=database,
        relay=plumbing.relay,
        instruments=instruments,
        read=read,
    )
    if isinstance(plumbing.clock, ServerClock):
        plumbing.service.loops["clock"] = partial(plumbing.clock.follow, database)
    plumbing.service.loops["retention"] = Retention(database=database).run
    if instruments.meter:
        plumbing.service.loops["metrics"] = otlp.Reading(instruments.meter, measure).run
