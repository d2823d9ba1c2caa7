"""Tables of accuracy made from trainings made by hand."""

from dataclasses import replace

from ssdbench.schema.record import Run
from ssdbench.schema.training import EpochResult, Evaluation, Training
from tests.analysis.tables.test_measured import A100, gpu_case, tables_of, texts
from tests.builders import a_record, a_run


def a_training(seed: int, ap: float, epochs: int = 2, done: int = 2) -> Training:
    figures = dict.fromkeys((name for name in Evaluation.__dataclass_fields__ if name.startswith(("ap_", "ar_"))), 0.1)
    evaluation = Evaluation(protocol="every-image", images=4, detections=9, ap=ap, **figures)
    results = tuple(
        EpochResult(
            epoch=epoch,
            iterations=10 * (epoch + 1),
            images=80,
            train_seconds=1200.0,
            losses=(3.0,),
            learning_rate=0.1,
            evaluation=evaluation if epoch == epochs - 1 else None,
        )
        for epoch in range(done)
    )
    return Training(
        schema_version=1, workload_version=1, started_at="2026-01-05T12:00:00+00:00", seed=seed, epochs=epochs,
        decay_epochs=(), validation_epochs=(epochs - 1,), global_batch_size=8, results=results,
    )  # fmt: skip


def accuracy_run(*trainings: Training, workload: str = "accuracy") -> Run:
    case = replace(gpu_case("amp", 8, 128), workload=workload)
    records = [
        replace(a_record(case=case, launch=n, hardware=A100), measurement=None, training=training, id=f"r/{n}")
        for n, training in enumerate(trainings)
    ]
    return replace(a_run((case, ()), hardware=A100), records=tuple(records))


def test_accuracy_time_to_train_and_stability_over_seeds():
    tables = tables_of(accuracy_run(*(a_training(seed, ap) for seed, ap in enumerate((0.24, 0.25, 0.26)))))
    # Standard deviation 0.01; t(0.975, 2) = 4.30265 times 0.01 / sqrt(3) is 0.0248; 2 x 1200 s are 40 min.
    assert texts(tables["Training accuracy"], uncertainty=True) == [
        ["8", "128", "0.250 (0.225..0.275)", "40.000 (40.000..40.000)"]
    ]
    assert texts(tables["Training stability over seeds"]) == [
        ["amp", "8", "128", "3", "0.2500", "0.0100", "0.2400", "0.2600", "0.2500"]
    ]


def test_seeds_that_were_trained_side_by_side_have_no_time_to_train():
    seeds = (replace(a_training(seed, 0.25), side_by_side=4 if seed else None) for seed in range(3))
    accuracy, time = tables_of(accuracy_run(*seeds))["Training accuracy"].rows[0].cells
    assert accuracy.value == 0.25
    assert (time.word, time.note) == ("-", "seeds were trained side by side: their times tell nothing about speed")


def test_launches_with_a_curve_are_accuracies_whatever_their_workload_is_called():
    assert list(tables_of(accuracy_run(a_training(1, 0.25), workload="train"))) == ["Training accuracy"]


def test_seeds_that_did_not_finish_are_left_out_and_counted():
    cell = (
        tables_of(accuracy_run(a_training(1, 0.25), a_training(2, 0.3, done=1)))["Training accuracy"].rows[0].cells[0]
    )
    assert (cell.value, cell.note) == (0.25, "1 of 2 seeds did not finish and are left out")
    cell = tables_of(accuracy_run(a_training(2, 0.3, done=1)))["Training accuracy"].rows[0].cells[0]
    assert (cell.word, cell.note) == ("incomplete", "seed 2 of run run-1: 1 of 2 epochs")
