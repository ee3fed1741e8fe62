import threading

import pytest

from priorkit.io.warm import ROOM, Warm


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_text("one")
    path.with_suffix(".json").write_text("{}")
    return path


def reading(path):
    return lambda read: [read(path).read_text()]


def test_made_once_while_the_files_stay(file):
    warm = Warm()
    first = warm.of("a", reading(file))
    assert first == ["one"]
    assert warm.of("a", reading(file)) is first
    assert warm.of("b", reading(file)) is not first


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_made_again_where_a_file_changes(file, suffix):
    warm = Warm()
    first = warm.of("a", reading(file))
    file.with_suffix(suffix).write_text("another")
    second = warm.of("a", reading(file))
    assert second is not first
    assert warm.of("a", reading(file)) is second


def test_a_file_that_goes_is_missed(file):
    warm = Warm()
    warm.of("a", reading(file))
    file.unlink()
    with pytest.raises(FileNotFoundError):
        warm.of("a", reading(file))


def test_what_changes_while_it_is_read_is_read_again(file):
    warm = Warm()

    def make(read):
        text = read(file).read_text()
        file.write_text("changed meanwhile")
        return [text]

    assert warm.of("a", make) == ["one"]
    assert warm.of("a", reading(file)) == ["changed meanwhile"]


def test_a_failure_is_not_kept(file):
    warm = Warm()

    def broken(read):
        raise ValueError(read(file))

    with pytest.raises(ValueError, match="net"):
        warm.of("a", broken)
    assert warm.of("a", reading(file)) == ["one"]


def test_the_last_used_stay(file):
    warm = Warm()
    first = warm.of(0, reading(file))
    others = [warm.of(i, reading(file)) for i in range(1, ROOM)]
    assert warm.of(0, reading(file)) is first  # and is now the last used
    warm.of(ROOM, reading(file))
    assert warm.of(0, reading(file)) is first
    assert warm.of(1, reading(file)) is not others[0]


def test_threads_have_the_same(file):
    warm, made, found = Warm(), [], []

    def make(read):
        made.append(read(file))
        return [0]

    threads = [threading.Thread(target=lambda: found.append(warm.of("a", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert all(each is found[0] for each in found)
