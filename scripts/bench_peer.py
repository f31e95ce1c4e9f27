#!/usr/bin/env python3
"""Measures adaround against a plain torch AdaRound on six layers: seconds, held-out error, ratios.

  bench_peer.py errors [--eval EVAL] [--work DIR]
      The peer's held-out errors after all of its 10,000 iterations: an hour or so on two cores. Can
      be stopped at any time; the same command goes on. Writes tests/bench/peer_errors.json.
  bench_peer.py run [--eval EVAL] [--work DIR] [--program FILE] [--seconds S] [--json FILE]
      Times both in one run: the peer on a part of its iterations (S seconds a layer), scaled to
      10,000; the program as a whole process, reading and writing included, the median of five.

EVAL holds the evaluation networks (default: ../shared/eval beside the project); without it all
layers are seeded. DIR (default: build/bench) keeps the layers and the peer's unfinished searches.
The peer wants Debian's python3-torch with libopenblas0-pthread; both sides get the same cores.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
ERRORS = PROJECT / "tests" / "bench" / "peer_errors.json"
ITERATIONS = 10000
CHECKPOINT_STEPS = 250

# Threads that wait asleep; otherwise as PyTorch comes.
PLAIN = {"OMP_WAIT_POLICY": "passive"}
# The C library gives the memory of large tensors back after each step and faults it in anew unless
# it is told to keep it: a setting that changes no result, and that hardly anybody has.
KEPT_MEMORY = {
    **PLAIN,
    "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=8589934592:"
                      "glibc.malloc.trim_threshold=17179869184",
}


def restart_with(environment):
    if any(os.environ.get(key) != value for key, value in environment.items()):
        os.execve(sys.executable, [sys.executable, "-B", *sys.argv], {**os.environ, **environment})


def digest(folder):
    """Of what the peer's result comes from: arrays, convolution and activation."""
    import bench_layers
    tensors = bench_layers.read_safetensors(folder / "weights.safetensors")
    about = json.loads((folder / "layer.json").read_text())
    sha = hashlib.sha256(json.dumps([about["conv"], about["activation"]]).encode())
    for name in ("weight", "bias"):
        sha.update(tensors[name].tobytes())
    for part in ("calib", "held_out"):
        sha.update((folder / part / "x.npy").read_bytes())
    return sha.hexdigest()


def quantize(program, folder, out, options=()):
    """Runs the program on a layer; wall seconds."""
    begin = time.perf_counter()
    subprocess.run([program, "quantize", folder / "model.json", "--calib", folder / "calib",
                    "--bits", "4", "--granularity", "tensor", "--output", out, "--force", "--quiet",
                    *options], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def read_result(out):
    """Scale and dequantized weights of a layer that the program wrote."""
    import numpy as np
    import bench_layers
    entry = json.loads((out / "model.json").read_text())["quantization"]["weight"]
    tensors = bench_layers.read_safetensors(out / "weights.safetensors")
    packed = tensors[entry["integers"]].reshape(-1)
    count = int(np.prod(entry["shape"]))
    nibbles = np.stack([packed & 15, packed >> 4], 1).reshape(-1)[:count]
    integers = nibbles.astype(np.int8)
    integers[integers > 7] -= 16
    scale = float(tensors[entry["scale"]].reshape(-1)[0])
    return scale, (scale * integers.astype(np.float32)).reshape(entry["shape"])


def read_errors():
    return json.loads(ERRORS.read_text()) if ERRORS.exists() else {}


def find_errors(arguments):
    import torch
    import bench_layers
    import torch_adaround
    for folder in bench_layers.make_layers(arguments.work, arguments.eval):
        errors = read_errors()
        layer_digest = digest(folder)
        if errors.get(folder.name, {}).get("sha256") == layer_digest:
            continue
        out = arguments.work / "scales" / folder.name
        out.parent.mkdir(exist_ok=True)
        quantize(arguments.program, folder, out, ["--method", "nearest"])
        scale, nearest = read_result(out)
        layer = torch_adaround.Layer(folder)
        search = torch_adaround.AdaRound(layer, scale, ITERATIONS)
        checkpoint = folder / "peer.pt"
        if checkpoint.exists():
            state = torch.load(checkpoint)
            if state["sha256"] == layer_digest:
                search.load(state)
        while search.step < ITERATIONS:
            search.advance(min(CHECKPOINT_STEPS, ITERATIONS - search.step))
            torch.save({**search.state(), "sha256": layer_digest}, folder / "peer.new")
            os.replace(folder / "peer.new", checkpoint)
            print(f"{folder.name}: {search.step} of {ITERATIONS}", file=sys.stderr)
        errors[folder.name] = {
            "origin": json.loads((folder / "layer.json").read_text())["origin"],
            "sha256": layer_digest, "iterations": ITERATIONS, "scale": scale,
            "nearest_error": layer.held_out_error(torch.from_numpy(nearest)),
            "error": layer.held_out_error(search.weight())}
        ERRORS.parent.mkdir(parents=True, exist_ok=True)
        ERRORS.write_text(json.dumps(errors, indent=1) + "\n")


def time_peer(folder, scale, seconds, environment):
    """Seconds of a step and peak bytes of the peer, in a process of its own."""
    code = ("import sys, json, pathlib; sys.path.insert(0, sys.argv[1]); import torch_adaround; "
            "print(json.dumps(torch_adaround.time_steps(pathlib.Path(sys.argv[2]), "
            "float(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))))")
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, PROJECT / "scripts", folder, str(scale),
         str(ITERATIONS), str(seconds)], check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **environment})
    return json.loads(done.stdout)


def geometric_mean(values):
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))


def run(arguments):
    import torch
    import bench_layers
    import torch_adaround
    rows = []
    for folder in bench_layers.make_layers(arguments.work, arguments.eval):
        peer = read_errors().get(folder.name)
        if peer is None or peer["sha256"] != digest(folder):
            raise SystemExit(f"{folder.name}: the peer's error on these inputs is not known; "
                             "run `bench_peer.py errors` first")
        out = arguments.work / "results" / folder.name
        out.parent.mkdir(exist_ok=True)
        times = sorted(quantize(arguments.program, folder, out) for _ in range(5))
        report = json.loads((out / "report.json").read_text())
        scale, weight = read_result(out)
        if abs(scale / peer["scale"] - 1) > 1e-6:
            raise SystemExit(f"{folder.name}: scale {scale}, but the peer searched at "
                             f"{peer['scale']}; run `bench_peer.py errors` again")
        step, peer_bytes = time_peer(folder, scale, arguments.seconds, PLAIN)
        kept_step, _ = time_peer(folder, scale, arguments.seconds, KEPT_MEMORY)
        layer = torch_adaround.Layer(folder)
        rows.append({
            "layer": folder.name, "origin": peer["origin"], "seconds": times[2],
            "solve_seconds": report["solve_seconds"], "peer_seconds": step * ITERATIONS,
            "peer_kept_memory_seconds": kept_step * ITERATIONS,
            "error": layer.held_out_error(torch.from_numpy(weight)), "peer_error": peer["error"],
            "nearest_error": peer["nearest_error"], "bytes": report["peak_resident_bytes"],
            "peer_bytes": peer_bytes})
        row = rows[-1]
        row["speed_ratio"] = row["peer_seconds"] / row["seconds"]
        row["kept_memory_speed_ratio"] = row["peer_kept_memory_seconds"] / row["seconds"]
        row["error_ratio"] = row["error"] / row["peer_error"]
        print(f"{folder.name}: {row['speed_ratio']:.0f} times", file=sys.stderr)
    print("| layer | peer s | ours s | speed | peer keeping memory | nearest | peer error "
          "| our error | ratio | peer MiB | our MiB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['layer']} | {r['peer_seconds']:.0f} | {r['seconds']:.2f} "
              f"| {r['speed_ratio']:.0f} | {r['kept_memory_speed_ratio']:.0f} "
              f"| {r['nearest_error']:.3e} | {r['peer_error']:.3e} | {r['error']:.3e} "
              f"| {r['error_ratio']:.3f} | {r['peer_bytes'] / 2**20:.0f} "
              f"| {r['bytes'] / 2**20:.0f} |")
    print(f"| geometric mean | {geometric_mean(r['peer_seconds'] for r in rows):.0f} "
          f"| {geometric_mean(r['seconds'] for r in rows):.2f} "
          f"| {geometric_mean(r['speed_ratio'] for r in rows):.0f} "
          f"| {geometric_mean(r['kept_memory_speed_ratio'] for r in rows):.0f} | | | "
          f"| {geometric_mean(r['error_ratio'] for r in rows):.3f} | | |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["errors", "run"])
    parser.add_argument("--eval", type=pathlib.Path, default=PROJECT / ".." / "shared" / "eval")
    parser.add_argument("--work", type=pathlib.Path, default=PROJECT / "build" / "bench")
    parser.add_argument("--program", type=pathlib.Path,
                        default=PROJECT / "build" / "release" / "adaround")
    parser.add_argument("--seconds", type=float, default=10, help="of the peer, each layer")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows here")
    arguments = parser.parse_args()
    if arguments.command == "errors":
        restart_with(KEPT_MEMORY)
        find_errors(arguments)
    else:
        run(arguments)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
