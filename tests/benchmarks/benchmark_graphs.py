"""
Two ONNX files of networks for faces, such as one in 8 bits and one that is not, in turns.

    python -m tests.benchmarks.benchmark_graphs THEN.onnx NOW.onnx

A row for each number of threads and each batch: milliseconds a face, and the median of the rounds' ratios.
"""

import argparse
import time
from statistics import median

import numpy as np

from grefel_hf.onnx_session import cpu_session
from tests.benchmarks.measuring import positive

CALLS = 4


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("then", metavar="THEN.onnx")
    parser.add_argument("now", metavar="NOW.onnx")
    parser.add_argument("--rounds", type=positive, default=40)
    return parser.parse_args()


def milliseconds(session, batch: int) -> float:
    """Of a face, after one call to wake up."""
    shape = (batch, *session.get_inputs()[0].shape[1:])
    images = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    session.run(None, {"pixel_values": images})
    started = time.perf_counter()
    for _ in range(CALLS):
        session.run(None, {"pixel_values": images})
    return 1000 * (time.perf_counter() - started) / CALLS / batch


def main(args: argparse.Namespace):
    print("| threads | batch | then, ms | now, ms | now / then |\n|---|---|---|---|---|")
    for threads in (1, 2):
        sessions = [cpu_session(graph, threads, spinning=True) for graph in (args.then, args.now)]
        for batch in (1, 8):
            rounds = []
            for number in range(args.rounds):
                order = (0, 1) if number % 2 else (1, 0)
                times = {index: milliseconds(sessions[index], batch) for index in order}
                rounds.append((times[0], times[1], times[1] / times[0]))
            then, now, ratio = (median(column) for column in zip(*rounds))
            print(f"| {threads} | {batch} | {then:.1f} | {now:.1f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main(parse_args())
