#!/usr/bin/env bash
# jser on Slurm: one node, many nodes as one training, or a sweep as an array of workers.
# Needs jser installed where all nodes see it, and --workdir and $JSER_DATA on a shared file system.
#
#   sbatch --gpus-per-node=1 launch/slurm.sh train --config=dcnn_blstm:emodb --workdir=runs/emodb
#   sbatch --nodes=4 --gpus-per-node=8 launch/slurm.sh train --config=dcnn_blstm:emodb --workdir=runs/emodb
#   sbatch --array=0-15%8 --gpus-per-node=1 launch/slurm.sh sweep --config=dcnn_blstm:emodb --workdir=runs/sweep --storage=journal:///shared/sweep.journal
#
# Goes back into the queue, under the same number and log, when it was preempted, reached its time limit or died of
# a signal; not when the input is at fault, nor after scancel. From the environment:
#   JSER=...              the program: default .venv/bin/jser here, else jser; may be several words (apptainer exec ...)
#   JSER_RESTARTS=100     times that it goes back at most
#SBATCH --job-name=jser
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
set -uo pipefail

if [ -z "${SLURM_JOB_ID:-}" ] || [ $# -eq 0 ]; then
  echo "launch/slurm.sh: give this to sbatch, with a command of jser: sbatch launch/slurm.sh train --config=... --workdir=..." >&2
  exit 2
fi
[ -n "${JSER:-}" ] || { [ -x .venv/bin/jser ] && JSER=.venv/bin/jser || JSER=jser; }
read -ra program <<<"$JSER"

# One process a node has all its GPUs. JAX would give each process of a Slurm step one.
gpus=${SLURM_GPUS_ON_NODE:-0}
if ((${SLURM_NTASKS:-1} > 1 && gpus > 0 && ${SLURM_NTASKS_PER_NODE:-1} == 1)); then
  JAX_LOCAL_DEVICE_IDS=$(seq -s, 0 $((gpus - 1)))
  export JAX_LOCAL_DEVICE_IDS
fi

# srun returns its tasks' highest status. An input at fault (1, 2) must count more than the deaths of its peers.
# shellcheck disable=SC2016
task='trap : TERM; "$@"; status=$?; case $status in 1 | 2) exit $((250 + status)) ;; esac; exit $status'
echo "launch/slurm.sh: job $SLURM_JOB_ID, start $((${SLURM_RESTART_COUNT:-0} + 1)), ${SLURM_JOB_NODELIST:-}: $JSER $*"
# Slurm itself gives its tasks SIGTERM, at a preemption and 120 s before the time limit. (Told by this script, as
# with --signal=B:TERM, srun would kill them at once.) The script waits for what they then end with.
trap : TERM
srun --kill-on-bad-exit=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" bash -c "$task" jser "${program[@]}" "$@"
status=$?

case $status in
  251 | 252) exit $((status - 250)) ;;
  130) exit 130 ;;
  75 | 129 | 1[3-8][0-9] | 19[0-2]) ;;
  *) exit "$status" ;;
esac
if ((${SLURM_RESTART_COUNT:-0} >= ${JSER_RESTARTS:-100})); then
  echo "launch/slurm.sh: ended with status $status after $SLURM_RESTART_COUNT restarts; given up" >&2
  exit "$status"
fi
# After scancel the job is no longer running, and stays as it is.
state=$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p')
if [ "$state" = RUNNING ]; then
  echo "launch/slurm.sh: ended with status $status; back into the queue"
  scontrol requeue "$SLURM_JOB_ID" && sleep 60 # Slurm ends this script.
fi
exit "$status"
