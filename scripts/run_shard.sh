#!/usr/bin/env bash
# Runs one of N shards of a `quantize` command, the one that this process is of an MPI job, of
# `srun` or of a Slurm array with indices 1 to N:
#   mpirun -n N --bind-to none scripts/run_shard.sh N adaround quantize MODEL ... -o OUT
#   scripts/run_shard.sh N adaround quantize MODEL ... -o OUT    # what sbatch --array=1-N runs
# and, once all are done, by hand or as a job that depends on them:
#   adaround quantize MODEL ... -o OUT --merge-shards N
# What is finished is left alone, and what was interrupted goes on: start the same job again.
# Shards of one machine share its cores and its memory evenly (as far as OpenMPI, MPICH or Slurm
# tell how many they are), unless ADAROUND_THREADS or ADAROUND_MEMORY_LIMIT or the command says
# otherwise.
set -euo pipefail

fail() {
  echo "run_shard.sh: $*" >&2
  exit 1
}

[ $# -ge 3 ] && [[ $1 =~ ^[1-9][0-9]*$ ]] ||
  fail "usage: run_shard.sh N PROGRAM quantize ARGUMENT..."
count=$1
shift

# How many of them run on this machine.
here=1
if [ -n "${OMPI_COMM_WORLD_RANK:-}" ]; then
  index=$((OMPI_COMM_WORLD_RANK + 1)) size=$OMPI_COMM_WORLD_SIZE
  here=$OMPI_COMM_WORLD_LOCAL_SIZE
elif [ -n "${PMI_RANK:-}" ]; then
  index=$((PMI_RANK + 1)) size=$PMI_SIZE
  here=${MPI_LOCALNRANKS:-1}
elif [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  # A task may be submitted again by itself: the array's size says nothing.
  index=$SLURM_ARRAY_TASK_ID size=$count
elif [ -n "${SLURM_PROCID:-}" ]; then
  index=$((SLURM_PROCID + 1)) size=$SLURM_NTASKS
  here=${SLURM_STEP_TASKS_PER_NODE:-${SLURM_TASKS_PER_NODE:-1}}  # as 4(x2),3: of the first
  here=${here%%[(,]*}
else
  fail "is started by mpirun, by srun or in a Slurm array"
fi
[ "$size" -eq "$count" ] || fail "the job has $size processes, wanted $count"
[[ $index =~ ^[0-9]+$ ]] && [ "$index" -ge 1 ] && [ "$index" -le "$count" ] ||
  fail "index '$index' is not in 1 ... $count"

if [ -z "${ADAROUND_THREADS:-}" ]; then
  threads=${SLURM_CPUS_PER_TASK:-$(($(nproc) / here))}
  export ADAROUND_THREADS=$((threads > 0 ? threads : 1))
fi
if [ -z "${ADAROUND_MEMORY_LIMIT:-}" ] && [ "$here" -gt 1 ]; then
  kib=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
  export ADAROUND_MEMORY_LIMIT=$((kib / 1024 / 2 / here))M
fi
exec "$@" --shard "$index/$count" --resume
