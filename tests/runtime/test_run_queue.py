"""What the kernel counts of a thread that could have run."""

from pathlib import Path

from ssdbench.runtime.run_queue import open_run_queue


def test_it_is_the_second_figure_of_the_kernel_in_nanoseconds(tmp_path: Path) -> None:
    file = tmp_path / "schedstat"
    file.write_text("5000000000 1500000000 12\n")
    waited = open_run_queue(file)
    assert waited is not None
    assert waited() == 1.5
    file.write_text("5000000000 1750000000 13\n")
    assert waited() == 1.75


def test_a_system_that_does_not_count_it_has_none(tmp_path: Path) -> None:
    assert open_run_queue(tmp_path / "missing") is None
    (tmp_path / "schedstat").write_text("0\n")
    assert open_run_queue(tmp_path / "schedstat") is None


def test_the_kernel_here_says_it_or_does_not() -> None:
    waited = open_run_queue()
    assert waited is None or waited() >= 0
