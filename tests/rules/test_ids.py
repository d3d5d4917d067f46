import subprocess
import sys
import threading
from uuid import RFC_4122, UUID

from fastapi_taskflow.words.ids import IdSource, new_id


def frozen(millisecond: int = 1_000):
    return lambda: millisecond * 1_000_000


def test_an_id_is_a_uuid_of_version_7():
    made = new_id()

    assert len(made) == 36
    assert str(UUID(made)) == made
    assert UUID(made).version == 7
    assert UUID(made).variant == RFC_4122


def test_an_id_begins_with_its_millisecond():
    made = IdSource(frozen(0x0123456789AB)).new_id()

    assert made.startswith("01234567-89ab-7")


def test_every_bit_but_version_and_variant_is_drawn():
    source = IdSource(frozen(0), entropy=lambda size: b"\xff" * size)

    assert source.new_id() == "00000000-0000-7fff-bfff-ffff7fffffff"
    assert source.new_id() == "00000000-0000-7fff-bfff-ffff80000000"


def test_ids_follow_the_clock():
    clock = {"ms": 1}
    source = IdSource(lambda: clock["ms"] * 1_000_000)
    one, same = source.new_id(), source.new_id()

    clock["ms"] = 2
    other = source.new_id()

    assert (one[:13], same[:27], other[:13]) == ("00000000-0001", one[:27], "00000000-0002")


def test_ids_grow():
    made = [new_id() for _ in range(5_000)]

    assert made == sorted(set(made))


def test_ids_grow_within_one_millisecond():
    source = IdSource(frozen())

    made = [source.new_id() for _ in range(1_000)]

    assert made == sorted(set(made))


def test_ids_grow_while_the_clock_goes_back():
    clock = {"ms": 5_000}
    source = IdSource(lambda: clock["ms"] * 1_000_000)

    made = [source.new_id()]
    for clock["ms"] in (4_000, 3_000, 5_000, 5_001, 2_000):
        made += [source.new_id()]

    assert made == sorted(set(made))


def test_a_used_up_counter_turns_to_the_next_millisecond():
    source = IdSource(frozen(1), entropy=lambda size: b"\xff" * size, counter_bits=4)

    made = [source.new_id() for _ in range(100)]

    assert made == sorted(set(made))
    assert [int(each[9:13], 16) for each in made[:19]] == [1] * 9 + [2] * 9 + [3]
    assert all(UUID(each).version == 7 for each in made)


def test_ids_of_one_process_differ_in_their_last_eight_characters():
    made = [new_id()[-8:] for _ in range(1_000)]

    assert len(set(made)) == 1_000


def test_ids_of_two_sources_differ_in_one_millisecond():
    one, other = IdSource(frozen()), IdSource(frozen())

    assert one.new_id()[:27] != other.new_id()[:27]


def test_ids_made_by_threads_are_unique_and_grow_in_each():
    source = IdSource()
    made: list[list[str]] = [[] for _ in range(4)]
    together = threading.Barrier(4)

    def work(mine: list[str]) -> None:
        together.wait()
        mine.extend(source.new_id() for _ in range(5_000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(mine == sorted(mine) for mine in made)
    assert len({each for mine in made for each in mine}) == 20_000


FORKING = """
import os
from fastapi_taskflow.words.ids import IdSource

source = IdSource(lambda: 10**15)
source.new_id()
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, source.new_id().encode())
    os._exit(0)
print(source.new_id(), os.read(reader, 36).decode())
os.wait()
"""


def test_a_forked_child_makes_other_ids_than_its_parent():
    # In a process of its own: forking one that has threads is not safe.
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")

    parents, childs = done.stdout.split()

    assert parents != childs
