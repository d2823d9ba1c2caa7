"""Does `ssdbench run` report what a plain loop around the same train step takes?

Turn by turn, in fresh processes: one launch of `train` by the harness, one plain loop. The plain loop knows nothing of
ssdbench's measuring: it takes resident batches, calls the train step, and reads the clock before the first timed step
and after the last. Prints both rates of every round and the median of their ratios.

    python benchmarks/agreement.py [--rounds 5] [--steps 30]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from ssdbench.analysis.metrics import throughput
from ssdbench.harness.stores.files import FileStore

BACKBONE, BATCH_SIZE, WARMUP_STEPS, THREADS = "resnet18", 4, 5, 2

PLAIN_LOOP = f"""
import sys, time, torch
from ssdbench.ssd.model import SSD300
from ssdbench.ssd.pipelines import resident
from ssdbench.ssd.pipelines.contract import PipelineOptions, endless
from ssdbench.ssd.training import TrainStep, learning_rate, optimizer, set_learning_rate

torch.set_num_threads({THREADS})
torch.manual_seed(1)
options = PipelineOptions(batch_size_per_gpu={BATCH_SIZE}, device=torch.device("cpu"), seed=1, threads={THREADS})
batches = endless(resident.training(options))
model = SSD300("{BACKBONE}").train().to(memory_format=torch.channels_last)
step = TrainStep(model=model, optimizer=optimizer(model))
for iteration in range({WARMUP_STEPS} + int(sys.argv[1])):
    if iteration == {WARMUP_STEPS}:
        begin = time.perf_counter()
    batch = next(batches)
    set_learning_rate(step.optimizer, learning_rate(0, iteration, 1, {BATCH_SIZE}, 300))
    step(batch.images, batch.boxes_cxcywh, batch.labels)
print(time.perf_counter() - begin)
"""


def measured_by_harness(steps: int, results: Path) -> float:
    """Images per second as `ssdbench run` reports them."""
    grid = ["--workload", "train", "--device", "cpu", "--backbone", BACKBONE, "--pipeline", "resident"]
    protocol = [
        "--batch-size",
        str(BATCH_SIZE),
        "--warmup",
        str(WARMUP_STEPS),
        "--steps",
        str(steps),
        "--launches",
        "1",
    ]
    command = [sys.executable, "-m", "ssdbench", "run", *grid, *protocol, "--results", str(results)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (record,) = FileStore(results).load("latest").records
    if record.measurement is None:
        raise SystemExit(f"the launch failed: {record.failure}")
    return throughput(record.measurement)


def measured_from_outside(steps: int) -> float:
    """Images per second of the plain loop."""
    done = subprocess.run([sys.executable, "-c", PLAIN_LOOP, str(steps)], check=True, capture_output=True, text=True)
    return steps * BATCH_SIZE / float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    ratios = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            # A B, B A, A B: a drift of the machine meets both alike.
            if number % 2 == 0:
                harness = measured_by_harness(options.steps, Path(folder))
                plain = measured_from_outside(options.steps)
            else:
                plain = measured_from_outside(options.steps)
                harness = measured_by_harness(options.steps, Path(folder))
        ratios.append(harness / plain)
        print(f"round {number + 1}: ssdbench {harness:.4g}, plain loop {plain:.4g} images/s, ratio {ratios[-1]:.4f}")
    print(f"median ratio {statistics.median(ratios):.4f}, from {min(ratios):.4f} to {max(ratios):.4f}")


if __name__ == "__main__":
    main()
