"""The case in which those who pass events on are in trouble: Mosquitto, PostgreSQL, `relay` and `store`."""

from __future__ import annotations

import random
import signal
import time

from tests.chaos.case import WORKERS, Proof, Scale, until
from tests.chaos.following import Helpers, compare, listening, stored, write_config
from tests.chaos.lab import Events, Lab
from tests.chaos.rig import Rig
from tests.stack.mosquitto import Mosquitto
from tests.stack.postgres import Postgres

CLOSED = "topic read music/#\ntopic readwrite music/broadcast/#\n"


def alerts_and_store(rig: Rig, lab: Lab, oracle: Events, scale: Scale, rng: random.Random) -> Proof:
    """An access list refuses uploads, then Mosquitto and PostgreSQL are killed and stay away, then relay and store
    are killed: a listener has every event as it is in Kafka, and so has the database."""
    access = rig.folder / f"{lab.name}-acl"
    access.write_text(CLOSED)
    mosquitto = Mosquitto(rig.folder / f"{lab.name}-mosquitto", extra=f"allow_anonymous true\nacl_file {access}\n")
    postgres = Postgres(rig.folder / f"{lab.name}-postgres")
    mosquitto.start()
    postgres.start()
    config = write_config(lab, mosquitto, {"url": postgres.url, "timeout_s": 5, "retry_max_s": 2})
    helpers = Helpers(folder=rig.folder, config=config)
    listener = listening(mosquitto.port)
    try:
        for name in ("relay", "store"):
            helpers.keep(name)
        lab.supervise(*WORKERS)
        lab.send(lab.world.first)
        until(lambda: "relay refused" in helpers.log("relay"), what="a refusal")
        until(lambda: len(stored(postgres.url)) > 0, what="a stored event")
        mosquitto.server.stop(signal.SIGKILL)
        postgres.server.stop(signal.SIGKILL)
        time.sleep(scale.down_s)
        # Without its access list: with one, 2.0 drops what comes for a session whose client has not come back yet.
        mosquitto = Mosquitto(mosquitto.folder, port=mosquitto.port)
        mosquitto.start()
        postgres.start()
        for name in ("relay", "store"):
            helpers.kill(name)
        lab.send(lab.world.later)
        lab.wait_for(oracle)
        passed_on = compare(lab, listener, postgres.url)
    finally:
        listener.close()
        helpers.stop()
        mosquitto.stop()
        postgres.stop()
    return {
        "away_s": scale.down_s,
        "alerts": "{alerts} of {events} events".format(**passed_on),
        "starts": helpers.starts,
    }
