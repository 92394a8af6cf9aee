"""A whole tap in one file, for a microcontroller: MicroPython on an ESP32 or Pico W, or CPython.

It keeps the device's side of the contract, with nothing but the standard library:

- it asks before it opens, stores the grant before it opens, and the pour before it sends it;
- it sends a pour again until the bar has answered it with any status, and forgets it only then;
- the valve is shut by the meter's own interrupt at the granted volume, and by a timer at the
  granted time, so that no network call can hold it open; without power, and in reset, it is shut;
- volumes are whole nanolitres inside: no float comes near what the guest pays.

Times are told as ages, since a microcontroller has no clock worth trusting. On a computer, for
trying it out, `card UID`, `pour ML` and `leak ML` come from standard input:

    python microcontroller_tap.py HOST PORT TAP SECRET STORE
"""

import binascii
import json
import os
import select
import socket
import struct
import sys
import time

try:
    import machine  # MicroPython
except ImportError:
    machine = None

# What a tap of your own changes: pins, its measured factor, its house's times.
VALVE_PIN, METER_PIN, READER_RX_PIN = 27, 17, 16
NL_PER_PULSE = 183_700  # 0.1837 ml, measured at this tap
UNUSED_END_MS, IDLE_END_MS, SETTLE_MS = 15_000, 3_000, 150
LONGEST_POUR_MS = 120_000
LEAK_LEAST_NL, LEAK_SETTLED_MS = 10_000_000, 2_000
HOST, PORT, TAP, SECRET, STORE = "192.168.1.10", 1883, "1", "the tap's secret", "tap.json"

LOCATION = "main"
ASK_EVERY_MS, ASK_FOR_MS = 1_000, 5_000
FLOW_EVERY_MS = 1_000
FIRST_PAUSE_MS, LAST_PAUSE_MS = 2_000, 30_000
KEEPALIVE_S = 6
CONNECT_S, WRITE_S = 5, 1
AT_A_TIME = 16
ABANDONED_KEPT = 8

if hasattr(time, "ticks_ms"):
    ticks_ms, ticks_diff = time.ticks_ms, time.ticks_diff
else:

    def ticks_ms() -> int:
        """Return milliseconds since some instant."""
        return time.monotonic_ns() // 1_000_000

    def ticks_diff(later: int, earlier: int) -> int:
        """Return the milliseconds between two readings."""
        return later - earlier


def new_id() -> str:
    """Return an id that nobody else has."""
    return binascii.hexlify(os.urandom(16)).decode()


def millilitres(pulses: int) -> str:
    """Write pulses as millilitres with three decimals, half up, without a float."""
    ul = (pulses * NL_PER_PULSE + 500) // 1000
    return f"{ul // 1000}.{ul % 1000:03d}"


def written(fields: dict, pulses: int) -> bytes:
    """Write a message with its volume in exact digits and its pulses; absent fields left out."""
    known = {name: value for name, value in fields.items() if value is not None}
    known["pulses"] = pulses
    return (json.dumps(known)[:-1] + ', "volume_ml": ' + millilitres(pulses) + "}").encode()


class Mqtt:
    """As much of MQTT 3.1.1 as a device needs. Every call raises OSError when the link is gone."""

    def __init__(self, name: str, secret: str, will: tuple) -> None:
        self._sock = socket.socket()
        self._sock.settimeout(CONNECT_S)
        try:
            self._sock.connect(socket.getaddrinfo(HOST, PORT)[0][-1])
            # Flags: user, secret, a will that is retained and of QoS 1; the session is kept.
            head = b"\x00\x04MQTT\x04" + struct.pack("!BH", 0xEC, KEEPALIVE_S)
            texts = (name, will[0], will[1], name, secret)
            self._send(0x10, head + b"".join(text(each) for each in texts))
            self._rest = b""
            self._mid = 0
            self._expect_connack()
        except Exception:
            self._sock.close()
            raise
        self._sock.settimeout(WRITE_S)
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        self._heard_ms = self._said_ms = ticks_ms()

    def _expect_connack(self) -> None:
        """Wait for the broker's yes."""
        packet = ()
        while not packet:
            data = self._sock.recv(512)
            if not data:
                raise OSError("closed")
            self._rest += data
            packet = self._next()
        if packet[0] != 0x20 or packet[1][1] != 0:
            raise OSError("refused")

    def _next(self) -> tuple:
        """Cut one packet off what has come: kind and flags, body; nothing while it is not whole."""
        size = shift = 0
        for place in range(1, min(5, len(self._rest))):
            size |= (self._rest[place] & 0x7F) << shift
            shift += 7
            if self._rest[place] < 0x80:
                end = place + 1 + size
                if len(self._rest) < end:
                    return ()
                kind, body = self._rest[0], self._rest[place + 1 : end]
                self._rest = self._rest[end:]
                return kind, body
        return ()

    def _send(self, kind: int, body: bytes) -> None:
        size, head = len(body), bytearray([kind])
        while size > 0x7F:
            head.append(size & 0x7F | 0x80)
            size >>= 7
        head.append(size)
        self._sock.sendall(bytes(head) + body)
        self._said_ms = ticks_ms()

    def subscribe(self, topics: tuple) -> None:
        """Ask for topics at QoS 1."""
        body = b"".join(text(topic) + b"\x01" for topic in topics)
        self._send(0x82, b"\x00\x01" + body)

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Send a message. Its PUBACK means nothing to a tap, so nobody waits for it."""
        self._mid = self._mid % 0xFFFF + 1
        mid = struct.pack("!H", self._mid) if qos else b""
        self._send(0x30 | qos << 1 | retain, text(topic) + mid + payload)

    def messages(self) -> list:
        """Return what has come since the last call; never waits."""
        found = []
        while self._poll.poll(0):
            data = self._sock.recv(2048)
            if not data:
                raise OSError("closed")
            self._rest += data
            self._heard_ms = ticks_ms()
        packet = self._next()
        while packet:
            if packet[0] & 0xF0 == 0x30:
                found.append(self._message(*packet))
            packet = self._next()
        self._stay()
        return found

    def _message(self, kind: int, body: bytes) -> tuple:
        size = struct.unpack("!H", body[:2])[0]
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        if kind & 0x06:
            self._send(0x40, rest[:2])
            rest = rest[2:]
        return topic, rest

    def _stay(self) -> None:
        """Ping in a silence; give up a broker that has said nothing for two pings."""
        if ticks_diff(ticks_ms(), self._heard_ms) > 2000 * KEEPALIVE_S:
            raise OSError("dumb")
        if ticks_diff(ticks_ms(), self._said_ms) > 500 * KEEPALIVE_S:
            self._send(0xC0, b"")

    def close(self) -> None:
        """Let go; the broker then says the will."""
        self._sock.close()


def text(value: object) -> bytes:
    """Write a text, or bytes, with its length before it."""
    raw = value if isinstance(value, bytes) else str(value).encode()
    return struct.pack("!H", len(raw)) + raw


class Pins:
    """Valve, meter and reader of a microcontroller. The interrupt shuts the valve, not the loop."""

    def __init__(self) -> None:
        self._valve = machine.Pin(VALVE_PIN, machine.Pin.OUT, value=0)
        self._meter = machine.Pin(METER_PIN, machine.Pin.IN, machine.Pin.PULL_UP)
        self._timer = machine.Timer(0)
        self._reader = machine.UART(1, 9600, rx=READER_RX_PIN)
        self._line = b""
        self.pulses = 0
        self._limit = 0
        self._meter.irq(self._pulse, machine.Pin.IRQ_FALLING)

    def _pulse(self, _pin: object) -> None:
        self.pulses += 1
        if self.pulses >= self._limit:
            self._valve.value(0)

    def open(self, pulses: int, at_most_ms: int) -> None:
        """Count from zero and open for so many pulses and so long."""
        self.pulses, self._limit = 0, pulses
        self._timer.init(
            mode=machine.Timer.ONE_SHOT, period=at_most_ms, callback=lambda _timer: self.shut()
        )
        self._valve.value(1)

    def shut(self) -> None:
        """Shut the valve."""
        self._limit = 0
        self._valve.value(0)

    @property
    def is_open(self) -> bool:
        """Whether the driver is on."""
        return bool(self._valve.value())

    def card(self) -> str:
        """Return the id that the reader has just sent as a line, or nothing."""
        self._line += self._reader.read() or b""
        if b"\n" not in self._line:
            self._line = self._line[-64:]
            return ""
        line, self._line = self._line.split(b"\n", 1)
        return line.strip().decode()


class Bench:
    """The same on a computer: a guest types, beer runs at 60 ml a second."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._line = b""
        self._ran = self._limit = self._wanted = 0
        self._seen_ms = self._shuts_ms = ticks_ms()

    def open(self, pulses: int, at_most_ms: int) -> None:
        """Count from zero and open for so many pulses and so long."""
        self._ran, self._limit = 0, pulses
        self._seen_ms, self._shuts_ms = ticks_ms(), ticks_ms() + at_most_ms

    def shut(self) -> None:
        """Shut the valve."""
        self._limit = 0

    @property
    def is_open(self) -> bool:
        """Whether beer can flow."""
        return self._ran < self._limit and ticks_ms() < self._shuts_ms

    @property
    def pulses(self) -> int:
        """What has run, up to now."""
        now_ms = ticks_ms()
        if self.is_open:
            could = (now_ms - self._seen_ms) * 60_000 // NL_PER_PULSE
            ran = min(could, self._wanted, self._limit - self._ran)
            self._ran += ran
            self._wanted -= ran
            self._seen_ms = now_ms if ran or not self._wanted else self._seen_ms
        else:
            self._seen_ms = now_ms
        return self._ran

    @pulses.setter
    def pulses(self, value: int) -> None:
        self._ran = value

    def card(self) -> str:
        """Do what the guest types; return a card that is shown."""
        if self._poll.poll(0):
            self._line += os.read(0, 512)
        if b"\n" not in self._line:
            return ""
        line, self._line = self._line.split(b"\n", 1)
        words = line.decode().split()
        if len(words) == 2 and words[0] == "card":
            return words[1]
        if len(words) == 2 and words[0] == "pour":
            self._wanted += int(words[1]) * 1_000_000 // NL_PER_PULSE
        if len(words) == 2 and words[0] == "leak":
            self._ran += int(words[1]) * 1_000_000 // NL_PER_PULSE
        return ""


class Store:
    """A file that a power cut leaves as it was before or after a save, never in between."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.grant = None
        self.pours = []
        self.short_id = self.lifetime = 0
        try:
            with open(path) as file:
                kept = json.load(file)
        except OSError:
            return
        self.grant, self.pours = kept["grant"], kept["pours"]
        self.short_id, self.lifetime = kept["short_id"], kept["lifetime"]

    def save(self) -> None:
        """Write everything, then put it in place of the old."""
        kept = {
            "grant": self.grant,
            "pours": self.pours,
            "short_id": self.short_id,
            "lifetime": self.lifetime,
        }
        with open(self._path + ".new", "w") as file:
            file.write(json.dumps(kept))
            file.flush()
            if hasattr(os, "fsync"):
                os.fsync(file.fileno())
        os.rename(self._path + ".new", self._path)

    def end(self, grant: dict, pulses: int, run_ms: int) -> dict:
        """Store a pour and the end of its grant in one save; return the pour."""
        self.short_id = self.short_id % 999_999 + 1
        pour = {
            "client_tx_id": new_id(),
            "short_id": f"{self.short_id:06d}",
            "grant_id": grant.get("grant_id"),
            "request_id": grant.get("request_id"),
            "visit_id": grant.get("visit_id"),
            "card_uid": grant.get("card_uid"),
            "price_per_litre": grant.get("price_per_litre"),
            "pulses": pulses,
            "duration_ms": run_ms,
        }
        if self.grant and self.grant.get("grant_id") == grant.get("grant_id"):
            self.grant = None
        self.pours.append(pour)
        self.save()
        return pour


class Tap:
    """The tap: one guest at a time, one `step` after another."""

    def __init__(self, parts: object, store: Store) -> None:
        self.parts, self.store = parts, store
        self.link = None
        self.question = None
        self.abandoned = []
        self.stopped = False
        self.opened_ms = self.moved_ms = self.shut_ms = self.told_ms = ticks_ms()
        self.seen = 0
        self.pause_ms, self.again_ms = 200, ticks_ms()
        self.sent = {}
        self.ended_ms = {}
        self.told = None
        parts.shut()
        parts.pulses = 0
        if store.grant:  # the power went in the middle of a pour
            store.end(store.grant, store.grant["pulses"], store.grant["run_ms"])

    def topic(self, name: str) -> str:
        """Return one of this tap's topics."""
        return f"bar/{LOCATION}/tap/{TAP}/{name}"

    def step(self) -> None:
        """Do what is due; nothing here waits, a connect apart, which no open valve waits for."""
        self.count()
        self.guest()
        try:
            if self.link is None:
                self.connect()
            else:
                self.listen()
                self.ask()
                self.send()
                self.status()
        except (OSError, ValueError):
            self.hang_up()

    def count(self) -> None:
        """Read the meter: every pulse counts in the tap's life."""
        pulses = self.parts.pulses
        if pulses != self.seen:
            self.store.lifetime += pulses - self.seen
            self.seen, self.moved_ms = pulses, ticks_ms()

    def restart(self) -> None:
        """Count the next pour from zero."""
        self.count()
        self.parts.pulses = self.seen = 0

    def guest(self) -> None:
        """Serve whoever stands there, and end what is over."""
        now_ms = ticks_ms()
        card = self.parts.card()
        grant = self.store.grant
        if card and grant and card == grant["card_uid"]:
            self.parts.shut()
        elif card and not grant and not self.question and not self.stopped:
            self.question = {"request_id": new_id(), "card_uid": card, "at": now_ms, "sent": None}
        if grant:
            self.pouring(grant, now_ms)
        elif not self.question:
            self.leaking(now_ms)

    def pouring(self, grant: dict, now_ms: int) -> None:
        """Watch a pour: its flow is told and stored each second, its end once the drops are in."""
        limit_ms = IDLE_END_MS if self.seen else UNUSED_END_MS
        if ticks_diff(now_ms, self.moved_ms) >= limit_ms or self.stopped:
            self.parts.shut()
        if self.parts.is_open:
            self.shut_ms = now_ms
            if self.seen and ticks_diff(now_ms, self.told_ms) >= FLOW_EVERY_MS:
                self.flow(grant, now_ms)
        elif ticks_diff(now_ms, self.shut_ms) >= SETTLE_MS:
            run_ms = max(0, ticks_diff(self.moved_ms, self.opened_ms))
            self.ended(self.store.end(grant, self.seen, run_ms), self.moved_ms)
            self.restart()

    def flow(self, grant: dict, now_ms: int) -> None:
        """Store what has run, then tell it to whoever watches."""
        ran, over_ms = self.seen - grant["pulses"], ticks_diff(now_ms, self.told_ms)
        grant["pulses"], grant["run_ms"] = self.seen, ticks_diff(now_ms, self.opened_ms)
        self.told_ms = now_ms
        self.store.save()
        if self.link:
            rate = ran * NL_PER_PULSE // over_ms // 1000
            fields = {"grant_id": grant["grant_id"], "rate_ml_s": rate}
            self.say("flow", written(fields, self.seen), qos=0)

    def leaking(self, now_ms: int) -> None:
        """Tell of beer that ran past the shut valve, once it rests."""
        is_at_rest = ticks_diff(now_ms, self.moved_ms) >= LEAK_SETTLED_MS
        if self.seen * NL_PER_PULSE >= LEAK_LEAST_NL and is_at_rest:
            self.ended(self.store.end({}, self.seen, 0), self.moved_ms)
            self.restart()

    def ended(self, pour: dict, at_ms: int) -> None:
        """Remember when a pour ended, as long as this boot lasts."""
        self.ended_ms[pour["client_tx_id"]] = at_ms

    def connect(self) -> None:
        """Connect when it is time, and only while the valve is shut: this may take seconds."""
        now_ms = ticks_ms()
        if self.parts.is_open or ticks_diff(now_ms, self.again_ms) < 0:
            return
        self.again_ms = now_ms + self.pause_ms + os.urandom(1)[0]
        self.pause_ms = min(self.pause_ms * 2, 5_000)
        will = self.topic("status"), self.condition(online=False)
        link = Mqtt(f"tap-{TAP}", SECRET, will)
        names = ("authorize/result", "pour/result", "state", "command")
        link.subscribe(tuple(self.topic(name) for name in names))
        self.link, self.pause_ms = link, 200
        self.told, self.sent = None, {}

    def hang_up(self) -> None:
        """Give the link up; everything that matters is in the store."""
        if self.link:
            self.link.close()
        self.link = None

    def say(self, name: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Publish on one of the tap's topics."""
        self.link.publish(self.topic(name), payload, qos, retain=retain)

    def ask(self) -> None:
        """Ask about a card, every second for five; then give up."""
        question, now_ms = self.question, ticks_ms()
        if not question:
            return
        age_ms = ticks_diff(now_ms, question["at"])
        if age_ms >= ASK_FOR_MS:
            self.abandoned = [*self.abandoned, question["request_id"]][-ABANDONED_KEPT:]
            self.question = None
        elif question["sent"] is None or ticks_diff(now_ms, question["sent"]) >= ASK_EVERY_MS:
            question["sent"] = now_ms
            fields = {name: question[name] for name in ("request_id", "card_uid")}
            self.say("authorize", json.dumps(dict(fields, age_ms=age_ms)).encode())

    def send(self) -> None:
        """Send the oldest pours that are due, with pauses that grow."""
        now_ms = ticks_ms()
        for pour in self.store.pours[:AT_A_TIME]:
            due_ms, pause_ms = self.sent.get(pour["client_tx_id"], (now_ms, FIRST_PAUSE_MS))
            if ticks_diff(now_ms, due_ms) < 0:
                continue
            jitter_ms = os.urandom(1)[0] * pause_ms // 1024
            again = now_ms + pause_ms + jitter_ms, min(pause_ms * 2, LAST_PAUSE_MS)
            self.sent[pour["client_tx_id"]] = again
            ended_ms = self.ended_ms.get(pour["client_tx_id"])
            age_ms = None if ended_ms is None else ticks_diff(now_ms, ended_ms)
            self.say("pour", written(dict(pour, age_ms=age_ms), pour["pulses"]))

    def condition(self, *, online: bool) -> bytes:
        """Write the status, or the will."""
        now_ms = ticks_ms()
        late = [
            pour
            for pour in self.store.pours
            if ticks_diff(now_ms, self.ended_ms.get(pour["client_tx_id"], now_ms - 9_999)) > 1_000
        ]
        fields = {
            "online": online,
            "firmware": "microcontroller 1",
            "pending_sync": len(late),
            "valve": "open" if online and self.parts.is_open else "closed",
            "lifetime_pulses": self.store.lifetime if not self.store.grant else None,
        }
        return json.dumps({key: fields[key] for key in fields if fields[key] is not None}).encode()

    def status(self) -> None:
        """Say how the tap is, when that has changed."""
        condition = self.condition(online=True)
        if condition != self.told:
            self.told = condition
            self.say("status", condition, retain=True)

    def listen(self) -> None:
        """Take what the bar says; what is no JSON object is left."""
        for topic, payload in self.link.messages():
            try:
                body = json.loads(payload) if payload else {}
            except ValueError:
                continue
            name = topic[len(self.topic("")) :]
            if not isinstance(body, dict):
                continue
            if name == "authorize/result":
                self.answered(body)
            elif name == "pour/result" and body.get("status"):
                self.forget(body.get("client_tx_id"))
            elif name == "state" and body:
                self.order(stop=body.get("state") == "stopped")
            elif name == "command" and body.get("command") in ("stop", "resume"):
                self.order(stop=body["command"] == "stop")

    def order(self, *, stop: bool) -> None:
        """Stop, at once, or go on; a stop is always confirmed by a status."""
        self.stopped = stop
        if stop:
            self.parts.shut()
            self.told = None

    def forget(self, client_tx_id: object) -> None:
        """Forget a pour that has a status, whichever."""
        kept = [pour for pour in self.store.pours if pour["client_tx_id"] != client_tx_id]
        if len(kept) != len(self.store.pours):
            self.store.pours = kept
            self.store.save()
            self.sent.pop(client_tx_id, None)
            self.ended_ms.pop(client_tx_id, None)

    def answered(self, body: dict) -> None:
        """Open for an allow of the present question; end one that comes too late."""
        asked, question = body.get("request_id"), self.question
        is_allowed = body.get("decision") == "allow" and "max_volume_ml" in body
        if question and asked == question["request_id"]:
            self.question = None
            if is_allowed:
                self.open(body, question["card_uid"])
        elif is_allowed and asked in self.abandoned:
            self.abandoned.remove(asked)
            self.ended(self.store.end(body, 0, 0), ticks_ms())

    def open(self, body: dict, card_uid: str) -> None:
        """Store the grant, then open; a stopped tap only ends it."""
        names = ("grant_id", "request_id", "visit_id", "price_per_litre")
        grant = {name: body.get(name) for name in names}
        self.store.grant = dict(grant, card_uid=card_uid, pulses=0, run_ms=0)
        self.store.save()
        self.restart()
        self.opened_ms = self.moved_ms = self.told_ms = self.shut_ms = ticks_ms()
        if not self.stopped:
            seconds = body.get("max_duration_s") or LONGEST_POUR_MS // 1000
            pulses = int(body["max_volume_ml"] * 1_000_000) // NL_PER_PULSE
            self.parts.open(max(1, pulses), min(int(seconds * 1000), LONGEST_POUR_MS))


def main() -> None:
    """Be a tap for ever."""
    tap = Tap(Pins() if machine else Bench(), Store(STORE))
    while True:
        tap.step()
        time.sleep(0.01)


if __name__ == "__main__":
    if machine is None:
        HOST, PORT, TAP, SECRET, STORE = (*sys.argv[1:2], int(sys.argv[2]), *sys.argv[3:6])
    main()
