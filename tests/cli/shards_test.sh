# One run in several processes: whatever their number, and however often they are killed, the merge
# ends in the bytes of one process.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs_numpy

# Layers by themselves, two that depend on each other, and one that is cut into parts of its rows.
make_models <<'END'
import os
import numpy as np
from small_models import graph_input, node, write_model

rng = np.random.default_rng(5)
def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)

write_model("layers",
            [graph_input("conv_in", "N", 6, 8, 8), graph_input("large_in", "N", 96),
             graph_input("fc_in", "N", 24)],
            ["second_out", "large_out", "fc_out"],
            [node("first", "Conv", ["conv_in", "first.weight", "first.bias"], ["first_out"],
                  kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
             node("relu", "Relu", ["first_out"], ["relu_out"]),
             node("second", "Conv", ["relu_out", "second.weight"], ["second_out"],
                  kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
             node("large", "Gemm", ["large_in", "large.weight", "large.bias"], ["large_sum"],
                  transB=1),
             node("large_relu", "Relu", ["large_sum"], ["large_out"]),
             node("fc", "Gemm", ["fc_in", "fc.weight"], ["fc_out"], transB=1)],
            {"first.weight": normal(8, 6, 3, 3), "first.bias": normal(8),
             "second.weight": normal(8, 8, 3, 3), "large.weight": normal(1700, 96),
             "large.bias": normal(1700), "fc.weight": normal(10, 24)})
os.makedirs("calib")
np.save("calib/conv_in.npy", np.repeat(np.repeat(normal(64, 6, 4, 4), 2, axis=2), 2, axis=3))
np.save("calib/large_in.npy", np.maximum(normal(64, 12) @ normal(12, 96), 0))
np.save("calib/fc_in.npy", np.maximum(normal(64, 6) @ normal(6, 24), 0))
os.makedirs("other")
np.save("other/conv_in.npy", normal(64, 6, 8, 8))
np.save("other/large_in.npy", normal(64, 96))
np.save("other/fc_in.npy", normal(64, 24))
END

quantize() {
  "$PROGRAM" quantize layers --calib calib --iterations 1500 "$@"
}

MERGE=(--format onnx --baseline nearest)
expect_exit 0 quantize -o whole "${MERGE[@]}"

# --- any number of shards

for count in 1 2 3 6; do
  for ((index = count; index >= 1; --index)); do
    # In any order, on any number of threads, with the merge's options or without.
    expect_exit 0 quantize -o out/ --shard $index/$count -j $((1 + index % 2)) "${MERGE[@]}"
    expect_stdout_empty
    expect_absent out "out.shard-$index-of-$count.partial"
  done
  expect_exit 0 quantize -o out --merge-shards $count "${MERGE[@]}"
  expect_same_result whole out
  if grep -q "searched anew" "$LAST_STDERR"; then fail "shards were not joined"; fi
  rm -r out out.shard-*
done

# What each of them does.
expect_exit 0 quantize -o out --dry-run --merge-shards 4
expect_stdout_contains "shard 4/4"
expect_stdout_contains "large  rows 0-383"
expect_absent out.shard-1-of-4 out.shard-1-of-4.partial
# More shards than there is work for.
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --calib-samples 16 -o out \
  --shard 2/2
expect_stderr_contains "shard 2/2: there is nothing for it to search"
rm -r out.shard-2-of-2

# --- killed at any moment

begin=$(date +%s%N)
expect_exit 0 quantize -o out --shard 1/3
milliseconds=$((($(date +%s%N) - begin) / 1000000))
rm -r out.shard-1-of-3
# nap MILLISECONDS
nap() { sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"; }

RANDOM=3
killed=0
for index in 1 2 3; do
  for ((attempt = 0; attempt < 12; ++attempt)); do
    "$PROGRAM" quantize layers --calib calib --iterations 1500 -o out --shard $index/3 --resume \
      >"$LAST_STDOUT" 2>"$LAST_STDERR" &
    process=$!
    # The first one early enough on any machine.
    nap $((attempt == 0 ? 20 : RANDOM % milliseconds))
    kill -9 $process 2>/dev/null
    expect_end '0|137' $process
    [[ $LAST_EXIT -ne 137 ]] || killed=$((killed + 1))
    [[ $LAST_EXIT -ne 0 ]] || break
  done
  expect_exit 0 quantize -o out --shard $index/3 --resume
  expect_exit 0 quantize -o out --shard $index/3 --resume
  expect_stderr_contains "out.shard-$index-of-3: is complete already"
done
((killed > 1)) || fail "only $killed kills"
for ((attempt = 0; attempt < 3; ++attempt)); do
  "$PROGRAM" quantize layers --calib calib --iterations 1500 -o out --merge-shards 3 --resume \
    "${MERGE[@]}" >"$LAST_STDOUT" 2>"$LAST_STDERR" &
  process=$!
  nap $((RANDOM % (milliseconds / 4 + 1)))
  kill -9 $process 2>/dev/null
  expect_end '0|137' $process
done
expect_exit 0 quantize -o out --merge-shards 3 --resume "${MERGE[@]}"
expect_same_result whole out
rm -r out

# --- shards that are absent, other, damaged

mv out.shard-2-of-3 elsewhere
expect_refused 2 out quantize -o out --merge-shards 3
expect_stderr_contains "out.shard-2-of-3: is not there; the same command with --shard 2/3"
cp -r out.shard-1-of-3 out.shard-2-of-3
expect_refused 2 out quantize -o out --merge-shards 3
expect_stderr_contains "shard was '1/3', is '2/3'"
rm -r out.shard-2-of-3
mv elsewhere out.shard-2-of-3
expect_refused 2 out quantize -o out --merge-shards 3 --bits 3
expect_stderr_contains "shard 1/3, which --shard 1/3 --force makes anew"
expect_stderr_contains "bits was '4', is '3'"
expect_refused 2 out quantize -o out --merge-shards 3 --seed 1
expect_refused 2 out "$PROGRAM" quantize layers --calib other --iterations 1500 -o out \
  --merge-shards 3

cp -r out.shard-1-of-3 kept
expect_spoilt() {
  expect_refused "$1" out quantize -o out --merge-shards 3
  expect_stderr_contains "shard 1/3, which --shard 1/3 --force makes anew"
  rm -r out.shard-1-of-3
  cp -r kept out.shard-1-of-3
}
# Copied in part: without its last line, with half of it, without any.
sed -i '$d' out.shard-1-of-3/checkpoint/journal
expect_spoilt 3
truncate -s -20 out.shard-1-of-3/checkpoint/journal
expect_spoilt 3
: >out.shard-1-of-3/checkpoint/journal
expect_spoilt 3
expect_python '
path = sys.argv[1]
data = bytearray(open(path, "rb").read())
data[-1] ^= 1
open(path, "wb").write(data)' out.shard-1-of-3/checkpoint/0/weights.safetensors
expect_spoilt 3
rm -r out.shard-1-of-3/checkpoint/0
expect_spoilt 3
rm -r kept

# The same job again makes whole what is not, and leaves what is.
sed -i '$d' out.shard-1-of-3/checkpoint/journal
expect_exit 0 quantize -o out --shard 1/3 --resume
expect_stderr_contains "out.shard-1-of-3: does not hold all that it should, and is made anew"
expect_exit 0 quantize -o out --shard 1/3 --resume
expect_stderr_contains "out.shard-1-of-3: is complete already"

# What the run reads is not written over.
cp -r calib data.shard-1-of-2
mkdir data.shard-1-of-2/checkpoint && : >data.shard-1-of-2/checkpoint/journal
before=$(digest_of data.shard-1-of-2)
expect_exit 3 "$PROGRAM" quantize layers --calib data.shard-1-of-2 -o data --shard 1/2 --force
[[ $(digest_of data.shard-1-of-2) == "$before" ]] || fail "the calibration data has changed"
mkdir -p mine.shard-1-of-2/journal
expect_exit 2 quantize -o mine --shard 1/2 --force
expect_files mine.shard-1-of-2 journal
ln -s looped.shard-1-of-2 looped.shard-1-of-2
expect_exit 2 quantize -o looped --shard 1/2 --resume
expect_exit 2 quantize -o looped --merge-shards 2
expect_exit 5 quantize -o "$(printf 'x%.0s' {1..250})" --shard 1/2 --resume

# A shard that is there is not replaced unasked, and one of other options is not taken for it.
expect_exit 2 quantize -o out --shard 1/3
expect_stderr_contains "out.shard-1-of-3: already exists"
expect_exit 2 quantize -o out --shard 1/3 --resume --bits 3
expect_stderr_contains "bits was '4', is '3'"
expect_exit 0 quantize -o out --shard 1/3 --force
expect_exit 0 quantize -o out --merge-shards 3 "${MERGE[@]}"
expect_same_result whole out
rm -r out out.shard-*

# --- what is no shard

for wrong in 0/2 3/2 2 a/b 1/2/3 -1/2 1/0 1/99999999999999999999 ""; do
  expect_exit 2 quantize -o out --shard "$wrong"
done
expect_exit 2 quantize -o out --shard 1/2 --merge-shards 2
expect_exit 2 quantize -o out --merge-shards 0
expect_absent out out.partial

# --- the script, with what Slurm sets and without anything

command=("$PROGRAM" quantize layers --calib calib --iterations 1500 -o out)
expect_exit 1 "$SOURCE/scripts/run_shard.sh" 2 "${command[@]}"
expect_stderr_contains "is started by mpirun, by srun or in a Slurm array"
expect_exit 1 env SLURM_ARRAY_TASK_ID=3 "$SOURCE/scripts/run_shard.sh" 2 "${command[@]}"
expect_exit 1 env SLURM_ARRAY_TASK_ID=x "$SOURCE/scripts/run_shard.sh" 2 "${command[@]}"
expect_stderr_contains "index 'x' is not in 1 ... 2"
expect_exit 1 env SLURM_PROCID=0 SLURM_NTASKS=3 "$SOURCE/scripts/run_shard.sh" 2 "${command[@]}"
expect_exit 0 env SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_COUNT=1 SLURM_CPUS_PER_TASK=1 \
  "$SOURCE/scripts/run_shard.sh" 2 "${command[@]}"
expect_exit 0 env SLURM_PROCID=0 SLURM_NTASKS=2 "$SOURCE/scripts/run_shard.sh" 2 "${command[@]}"
expect_exit 0 "${command[@]}" --merge-shards 2 "${MERGE[@]}"
expect_same_result whole out
rm -r out out.shard-*

# --- mpirun

command -v mpirun >/dev/null || skip "mpirun is not installed: all but its part has passed"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpi=(mpirun -n 3 --oversubscribe --bind-to none)
"${mpi[@]}" true 2>/dev/null || skip "mpirun starts nothing here: all but its part has passed"
mpi+=("$SOURCE/scripts/run_shard.sh" 3 "${command[@]}")
expect_exit 0 "${mpi[@]}"
# The same job again finds all of it finished.
expect_exit 0 "${mpi[@]}"
expect_stderr_contains "is complete already"
expect_exit 0 "${command[@]}" --merge-shards 3 "${MERGE[@]}"
expect_same_result whole out
