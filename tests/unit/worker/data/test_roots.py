"""Data roots: a job's path must not reach a file that the operator did not put there."""

from pathlib import Path

import pytest

from shared.errors import DataError
from worker.data.roots import resolve


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    """Two roots with a file each, and a file outside of both."""
    for name in ("one", "two", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.csv").write_text(name)
    return [tmp_path / "one", tmp_path / "two"]


def test_resolve_relative_takes_first_root_that_has_it(roots: list[Path]) -> None:
    """The order of the roots is the operator's choice."""
    (roots[0] / "both.csv").write_text("first")
    (roots[1] / "both.csv").write_text("second")
    assert resolve("both.csv", roots).path.read_text() == "first"
    assert resolve("two.csv", roots).name == "two.csv"


def test_resolve_absolute_below_a_root_is_named_relative(roots: list[Path]) -> None:
    """Records name data by its place below a root, so that they say the same on another machine."""
    assert resolve(str(roots[1] / "two.csv"), roots).name == "two.csv"


@pytest.mark.parametrize("value", ["../outside/outside.csv", "x/../../outside/outside.csv", "/etc/passwd", "../none"])
def test_resolve_way_out_is_refused_whether_or_not_it_exists(roots: list[Path], value: str) -> None:
    """The same answer for files that are there and files that are not: no probing of the machine."""
    with pytest.raises(DataError, match=r"data\.train: .* leads out of the data roots; .*WORKER_DATA_ROOTS"):
        resolve(value, roots, "data.train")


def test_resolve_link_out_is_refused(roots: list[Path], tmp_path: Path) -> None:
    """A link inside a root is not a door."""
    (roots[0] / "link.csv").symlink_to(tmp_path / "outside" / "outside.csv")
    (roots[0] / "folder").symlink_to(tmp_path / "outside")
    for value in ("link.csv", "folder/outside.csv", str(roots[0] / "link.csv")):
        with pytest.raises(DataError, match="leads out"):
            resolve(value, roots)


def test_resolve_link_within_root_is_followed(roots: list[Path]) -> None:
    """Links that stay inside are how people name the newest file."""
    (roots[0] / "newest.csv").symlink_to(roots[0] / "one.csv")
    source = resolve("newest.csv", roots)
    assert (source.path.read_text(), source.name) == ("one", "newest.csv")


def test_resolve_file_of_folder_by_link_out_is_refused(roots: list[Path], tmp_path: Path) -> None:
    """The TweetEval layout names a folder; its files are checked too."""
    (roots[0] / "set").mkdir()
    (roots[0] / "set" / "train_text.txt").symlink_to(tmp_path / "outside" / "outside.csv")
    with pytest.raises(DataError, match=r"set/train_text\.txt: is a link that leads out"):
        resolve("set", roots).inside("train_text.txt")


def test_resolve_missing_names_value_and_roots(roots: list[Path]) -> None:
    """The person must learn where files have to lie."""
    with pytest.raises(DataError, match=r"'nothing\.csv' was not found; .*one, .*two"):
        resolve("nothing.csv", roots)


def test_resolve_missing_suggests_the_path_without_the_roots_own_name(roots: list[Path]) -> None:
    """From the checkout the file is data/sp/train.csv, and that is what people write."""
    (roots[1] / "sp").mkdir()
    (roots[1] / "sp" / "train.csv").write_text("text")
    with pytest.raises(DataError, match=r"'two/sp/train\.csv' was not found; did you mean 'sp/train\.csv'\?"):
        resolve("two/sp/train.csv", roots)


@pytest.mark.parametrize("value", ["x/nothing.csv", "nothing", "x/link.csv", "x/circle", "."])
def test_resolve_missing_suggests_nothing_that_would_not_work(roots: list[Path], tmp_path: Path, value: str) -> None:
    """A suggestion must exist below a root; one that leads out would tell what else is on the machine."""
    (roots[0] / "link.csv").symlink_to(tmp_path / "outside" / "outside.csv")
    (roots[0] / "circle").symlink_to(roots[0] / "circle")
    with pytest.raises(DataError) as caught:
        resolve(value, [roots[0] / "none"] if value == "." else roots)
    assert "did you mean" not in str(caught.value)


def test_resolve_without_roots_says_none_is_set() -> None:
    """A worker without the setting must say so instead of reading from its working directory."""
    with pytest.raises(DataError, match="none is set"):
        resolve("a.csv", [])


@pytest.mark.parametrize("value", ["a\0.csv", "a" * 5000, "circle"])
def test_resolve_impossible_path_is_refused(roots: list[Path], value: str) -> None:
    """The operating system has errors of its own for these, which would look like bugs."""
    (roots[0] / "circle").symlink_to(roots[0] / "circle")
    with pytest.raises(DataError, match=r"not a usable path|was not found"):
        resolve(value, roots)
