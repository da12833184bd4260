"""kill −9 of the whole browser at random moments: what the page called saved is there afterwards, and HQ gets all of it once.

`make soak-web` does the same two hundred times; the tests of the comparison itself show that it can find something.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from playwright.sync_api import Playwright

from sync import journal
from tests.web import kills, ledger
from tests.web.ledger import Line, Store, broken
from tests.web.scene import District

KILLS = 16
PICTURE = b"\xff\xd8 a picture"
TOO_EARLY = """
{
  // A page that calls a fact saved as soon as it has asked for it to be written; the writing itself takes its time.
  const add = IDBObjectStore.prototype.add;
  IDBObjectStore.prototype.add = function (line, ...more) {
    if (this.name === "lines") {
      const end = performance.now() + 5000;
      const linger = () => { if (performance.now() < end) this.count().onsuccess = linger; };
      linger();
      setTimeout(() => window.promised(line.fact));
    }
    return add.call(this, line, ...more);
  };
}
"""


def test_nothing_called_saved_is_lost_over_many_kills_of_the_browser_and_hq_gets_all_of_it_once(
    driver: Playwright, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"python -m tests.web.kills --kills {KILLS} --seed {seed}")
    count = kills.soak(driver, KILLS, seed, tmp_path)
    assert count.broken == []
    assert count.kills == KILLS
    assert count.acknowledged == count.found > KILLS, "too little was done to prove anything"
    assert count.photos > 0


def test_a_page_that_calls_a_fact_saved_before_it_is_on_the_disk_is_found_out(
    driver: Playwright, server: District, tmp_path: Path
) -> None:
    server.outage()
    handset = kills.Handset(driver, tmp_path / "profile", server.address)
    handset.enrol(server).context.close()
    server.stop()
    phone = handset.start(TOO_EARLY)
    kills.back(phone)
    phone.tap("do-accept")
    kills.await_(phone, lambda: len(handset.promised) > 0)
    handset.kill(phone)
    phone = handset.start()
    kills.back(phone)
    (promised,) = handset.promised
    assert broken(handset.promised, ledger.stored(phone.page)) == [
        f"lost: the page called {promised} saved, and the journal does not have it"
    ]
    phone.context.close()


# ------------------------------------------------------------------------------------------- the comparison, without a browser


def written(*lines: dict[str, object], name: str = "j1", photos: Sequence[bytes] = ()) -> Store:
    """A store as an honest phone leaves it."""
    raws = [json.dumps({"n": at, **line}).encode() for at, line in enumerate(lines, start=1)]
    heads = [str(journal.fact_id(head)) for head in journal.chain(journal.genesis(name), raws)]
    kept = [Line(name, at, head, raw) for at, (head, raw) in enumerate(zip(heads, raws, strict=True), start=1)]
    found = {sha256(photo).hexdigest(): (sha256(photo).hexdigest(), len(photo)) for photo in photos}
    return Store(kept, found, {name: (len(kept), heads[-1])})


def photo_line(photo: bytes) -> dict[str, object]:
    return {"kind": "photo", "sha256": sha256(photo).hexdigest(), "size_bytes": len(photo)}


def test_a_store_with_everything_that_was_promised_is_whole() -> None:
    store = written({"kind": "opening"}, {"kind": "arrival"}, photo_line(PICTURE), photos=[PICTURE])
    assert broken(store.facts, store, store) == []


def test_a_promised_fact_that_is_missing_is_a_loss() -> None:
    store = written({"kind": "opening"}, {"kind": "arrival"})
    shorter = written({"kind": "opening"})
    assert [each.partition(":")[0] for each in broken(store.facts, shorter)] == ["lost"]


def test_a_line_that_was_there_before_and_is_not_is_gone_promised_or_not() -> None:
    before, now = written({"kind": "opening"}, {"kind": "arrival"}), written({"kind": "opening"})
    assert [each.partition(":")[0] for each in broken((), now, before)] == ["gone"]


def test_a_missing_number_a_changed_byte_and_a_counter_apart_are_named() -> None:
    store = written({"kind": "opening"}, {"kind": "arrival"}, {"kind": "start"})
    first, second, third = store.lines
    assert "gap" in named(dataclasses.replace(store, lines=[first, third]))
    changed = dataclasses.replace(second, raw=second.raw.replace(b"arrival", b"arrivaL"))
    assert named(dataclasses.replace(store, lines=[first, changed, third])) == {"torn"}
    assert named(dataclasses.replace(store, heads={"j1": (2, second.fact)})) == {"apart"}
    assert named(dataclasses.replace(store, heads={**store.heads, "j2": (0, "")})) >= {"began again"}


def test_a_photo_whose_bytes_are_missing_or_others_is_named() -> None:
    store = written({"kind": "opening"}, photo_line(PICTURE), photos=[PICTURE])
    assert named(dataclasses.replace(store, photos={})) == {"photo"}
    other = {name: ("0" * 64, size) for name, (_, size) in store.photos.items()}
    assert named(dataclasses.replace(store, photos=other)) == {"photo"}


def named(store: Store) -> set[str]:
    """What kinds of faults are found in a store of which nothing was promised."""
    return {each.partition(":")[0] for each in broken((), store)}
