"""A run's mirror: what is pushed in which order, and what another machine finds at any moment."""

import json
import shutil

import pytest

from jser.errors import InputError
from jser.store import index as indices
from jser.store import lease, mirror
from jser.store.objects import Objects
from tests.store.conftest import Memory, killed

STAGE = "checkpoints/select"


def checkpoint(run, number, content=""):
    """A checkpoint of three files that say its number."""
    for name in ("_METADATA", "state/d/0", "commit"):
        path = run / STAGE / str(number) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number} {name} {content}")


def is_whole(folder, content=""):
    return all(
        (folder / name).read_text() == f"{folder.name} {name} {content}"
        for name in ("_METADATA", "state/d/0", "commit")
    )


def numbers(run):
    return sorted(int(path.name) for path in (run / STAGE).glob("*"))


def metrics(run, upto):
    (run / "metrics.jsonl").write_text("".join(f"{k}\n" for k in range(1, upto + 1)))


def first(run):
    (run / "config.json").write_text("{}")
    metrics(run, 1)
    checkpoint(run, 1)


def second(run):
    metrics(run, 2)
    checkpoint(run, 2)


def last(run):
    metrics(run, 3)
    checkpoint(run, 3)
    shutil.rmtree(run / STAGE / "1")
    (run / "predictions.csv").write_text("p")
    (run / "report.json").write_text("{}")


def moved_to(url, machine, name):
    """What a machine that has nothing finds, once the lease of the one before is deleted."""
    mirror.Objects(url).delete([lease.NAME])
    there = machine(url, name)
    there.open()
    there.close()
    return there.run_dir


def test_from_machine_to_machine(bucket, machine):
    url = f"{bucket}/runs/a"
    here = machine(url, "a")
    here.open()
    for step in (first, second, last):
        step(here.run_dir)
        here.push()
    names = set(Objects(url).sizes())
    here.close()
    assert not [n for n in names if n.startswith(f"{STAGE}/1/")]  # what has gone here, has there
    there = machine(url, "b")
    there.open()
    there.close()
    assert numbers(there.run_dir) == [2, 3]
    files = {p.relative_to(here.run_dir) for p in here.run_dir.rglob("*") if p.is_file()}
    assert files == {p.relative_to(there.run_dir) for p in there.run_dir.rglob("*") if p.is_file()}
    for name in files:
        assert (there.run_dir / name).read_bytes() == (here.run_dir / name).read_bytes()
    assert lease.NAME not in Objects(url).sizes()


class Cut(BaseException):
    """A kill."""


@pytest.fixture
def cut_after(monkeypatch):
    """`cut_after(n)`: of what changes the store the first n requests are done, and no more."""
    monkeypatch.setattr(mirror, "PARALLEL", 1)
    done = []
    limit = [10**9]
    for kind in (Objects, Memory):
        for name in ("write", "create", "delete"):  # `upload` calls `write`
            real = getattr(kind, name)

            def counted(self, what, *rest, real=real, name=name):
                for one in list(what) if name == "delete" else [what]:
                    if len(done) >= limit[0]:
                        raise Cut
                    done.append(one)
                    answer = real(self, [one] if name == "delete" else one, *rest)
                return answer if name != "delete" else None

            monkeypatch.setattr(kind, name, counted)

    def set_limit(n):
        done.clear()
        limit[0] = n

    return set_limit


def pushed_whole(here, cut_after, n):
    """Whether a push comes to its end that is cut off behind n requests; its program is gone."""
    cut_after(n)
    try:
        here.push()
        whole = True
    except Cut:
        whole = False
    cut_after(10**9)
    killed(here)
    return whole


@pytest.mark.parametrize(
    ("before", "step", "possible"),
    [
        ((), first, ([], [1])),
        ((first,), second, ([1], [1, 2])),
        ((first, second), last, ([1, 2], [2, 3])),
    ],
)
def test_a_push_that_is_cut_off(memory, machine, cut_after, before, step, possible):
    seen = set()
    for n in range(100):
        url = f"{memory}/run{n}"
        here = machine(url, f"a{n}")
        here.open()
        for one in before:
            one(here.run_dir)
            here.push()
        step(here.run_dir)
        whole = pushed_whole(here, cut_after, n)
        run = moved_to(url, machine, f"b{n}")
        found = numbers(run)
        assert found in possible, n
        seen.add(tuple(found))
        assert all(is_whole(run / STAGE / str(k)) for k in found)
        # Figures are there of all epochs up to the checkpoint, and a report behind the last only.
        if found:
            assert len((run / "metrics.jsonl").read_text().split()) >= found[-1]
        if (run / "report.json").exists():
            assert found == [2, 3]
            assert (run / "predictions.csv").exists()
        # Whoever was cut off goes on, on his machine or another, to the same end.
        again = machine(url, f"a{n}")
        again.open()
        if numbers(again.run_dir) != possible[1]:
            step(again.run_dir)
        again.push()
        again.close()
        assert numbers(moved_to(url, machine, f"c{n}")) == possible[1]
        if whole:
            break
    assert whole
    assert seen == {tuple(one) for one in possible}


def test_a_checkpoint_made_again_with_other_bytes(memory, machine, cut_after):
    for n in range(100):
        url = f"{memory}/run{n}"
        here = machine(url, f"a{n}")
        here.open()
        first(here.run_dir)
        second(here.run_dir)
        here.push()
        checkpoint(here.run_dir, 2, "again")
        whole = pushed_whole(here, cut_after, n)
        run = moved_to(url, machine, f"b{n}")
        if 2 in numbers(run):
            assert is_whole(run / STAGE / "2") or is_whole(run / STAGE / "2", "again")
        assert is_whole(run / STAGE / "1")
        if whole:
            break
    assert numbers(run) == [1, 2]
    assert is_whole(run / STAGE / "2", "again")


def test_unpushed_work_of_the_same_machine_is_kept(s3, machine, quick):
    url = f"{s3}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    second(here.run_dir)
    killed(here)  # before the push
    again = machine(url, "a")
    again.open()  # at once: the lease is this mirror's own
    assert numbers(again.run_dir) == [1, 2]
    again.push()
    again.close()
    assert numbers(moved_to(url, machine, "b")) == [1, 2]


def test_the_store_wins_where_another_machine_went_on(s3, machine):
    url = f"{s3}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    checkpoint(here.run_dir, 9)  # never pushed
    here.close()
    there = machine(url, "b")
    there.open()
    second(there.run_dir)
    there.push()
    there.close()
    again = machine(url, "a")
    again.open()
    again.close()
    assert numbers(again.run_dir) == [1, 2]


def test_a_run_deleted_on_the_store_is_not_brought_back(s3, machine):
    url = f"{s3}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    here.close()
    Objects(url).delete(Objects(url).sizes())
    again = machine(url, "a")
    again.open()
    assert not list(again.run_dir.iterdir())
    again.close()
    assert not Objects(url).sizes()


def test_a_start_of_which_nothing_came_leaves_nothing(s3, machine):
    here = machine(f"{s3}/run", "a")
    here.open()
    here.push()
    here.close()
    assert not Objects(f"{s3}/run").sizes()


def test_a_damaged_checkpoint_is_refused_and_its_deletion_is_the_way_out(bucket, machine):
    url = f"{bucket}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    second(here.run_dir)
    here.push()
    here.close()
    Objects(url).write(f"{STAGE}/2/commit", b"2 commit?")
    with pytest.raises(InputError, match=rf"{url}/{STAGE}/2/commit: has not the sha256") as found:
        machine(url, "b").open()
    assert f"delete {url}/{STAGE}/2 there" in str(found.value)
    Objects(url).delete([f"{STAGE}/2/commit"])
    with pytest.raises(InputError, match=rf"{url}/{STAGE}/2/commit: is not there"):
        machine(url, "b").open()
    Objects(url).delete([name for name in Objects(url).sizes() if name.startswith(f"{STAGE}/2/")])
    for name in ("b", "a"):  # on the machine that has it still, too
        mine = machine(url, name)
        mine.open()
        mine.close()
        assert numbers(mine.run_dir) == [1]


def test_a_damaged_index_is_refused(s3, machine):
    Objects(f"{s3}/run").write(indices.NAME, b"{")
    with pytest.raises(InputError, match=r"jser_index\.json: is damaged"):
        machine(f"{s3}/run", "a").open()
    assert lease.NAME not in Objects(f"{s3}/run").sizes()


def test_what_is_no_run_is_refused_and_left_alone(s3, machine):
    Objects(f"{s3}/run").write("thesis.tex", b"x")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        machine(f"{s3}/run", "a").open()
    assert set(Objects(f"{s3}/run").sizes()) == {"thesis.tex"}


def test_a_note_in_a_run_stays(s3, machine):
    url = f"{s3}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    Objects(url).write("note.txt", b"x")
    second(here.run_dir)
    here.push()
    here.close()
    assert Objects(url).read("note.txt") == b"x"


def test_a_mirror_that_was_removed_empties_no_store(s3, machine):
    url = f"{s3}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    shutil.rmtree(here.run_dir)
    with pytest.raises(InputError, match="was removed"):
        here.push()
    here.close()
    assert numbers(moved_to(url, machine, "b")) == [1]


def test_only_what_changed_is_pushed(s3, machine, cut_after):
    url = f"{s3}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    cut_after(0)
    here.push()  # nothing has changed, so nothing is sent
    cut_after(1)
    metrics(here.run_dir, 5)
    here.push()
    cut_after(10**9)
    assert Objects(url).read("metrics.jsonl") == b"1\n2\n3\n4\n5\n"
    here.close()


# --- two writers ----------------------------------------------------------------------------------


def test_a_second_writer_is_refused(bucket, machine, quick):
    url = f"{bucket}/run"
    here = machine(url, "a")
    here.open()
    with pytest.raises(InputError, match="another jser is at work") as found:
        machine(url, "b").open()
    assert f"delete {url}/{lease.NAME}" in str(found.value)
    first(here.run_dir)
    here.push()
    here.close()


def test_a_dead_writer_is_followed_and_may_not_come_back(bucket, machine, quick):
    url = f"{bucket}/run"
    here = machine(url, "a")
    here.open()
    first(here.run_dir)
    here.push()
    killed(here)
    there = machine(url, "b")
    there.open()
    second(here.run_dir)  # it was only asleep
    with pytest.raises(InputError, match="writes there no more"):
        here.push()
    there.close()
    assert numbers(moved_to(url, machine, "c")) == [1]


def test_a_damaged_lease_is_taken_over(s3, machine, quick):
    Objects(f"{s3}/run").write(lease.NAME, b"{")
    here = machine(f"{s3}/run", "a")
    here.open()
    held = json.loads(Objects(f"{s3}/run").read(lease.NAME))
    here.close()
    assert held["owner"] == here._id
