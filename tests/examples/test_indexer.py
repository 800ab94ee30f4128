"""The indexer finds what is the same, and stops when it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

import conc
from conc import fs
from examples.indexer import fingerprint, index, main


async def test_files_with_one_content_have_one_fingerprint(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}").write_bytes(bytes([number % 3]) * 100_000)
    entries = [entry async for entry in index(fs.Path(tmp_path))]

    assert [entry.path.name for entry in entries] == [f"{number:02}" for number in range(30)]
    assert len({entry.digest for entry in entries}) == 3
    assert all(entry.digest == entries[number % 3].digest for number, entry in enumerate(entries))


async def test_folders_in_folders_are_looked_into_and_links_are_not_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_text("same")
    (tmp_path / "a" / "b" / "two").write_text("same")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "one")
    await main(fs.Path(tmp_path))

    assert capsys.readouterr().out.splitlines() == ["2 files, 1 contents", "a/one = a/b/two"]


async def test_a_file_that_cannot_be_read_is_told_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bad", "good"):
        (tmp_path / name).write_text(name)

    def refuse(path: Path) -> str:
        if path.name == "bad":
            raise PermissionError(f"no right to read {path.name}")
        return fingerprint(path)

    monkeypatch.setattr("examples.indexer.fingerprint", refuse)
    assert [entry.path.name async for entry in index(fs.Path(tmp_path))] == ["good"]
    assert "left out: no right to read bad" in capsys.readouterr().err


async def test_a_file_that_is_being_hashed_is_given_up_when_the_task_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    path.write_bytes(b"x")
    with conc.CancelScope() as scope:

        def cancel_first() -> str:
            conc.from_thread.run_sync(scope.cancel)
            return fingerprint(path)

        await conc.to_thread(cancel_first)
    assert scope.cancelled_caught
