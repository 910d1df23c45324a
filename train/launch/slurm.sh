#!/bin/bash
# Two nodes of four GPUs under SLURM, stopped and requeued before the time is over until the training is done:
#   sbatch train/launch/slurm.sh --config train/configs/finetune.yaml --train_dir my_faces --output_dir runs/mine
#SBATCH --job-name=grefel
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@180

again=
trap 'again=yes; scancel --signal=USR1 "$SLURM_JOB_ID"' USR1 # to the step, which saves a checkpoint and ends

export MAIN_PROCESS_IP=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# The launcher ignores the signal, which would end it before its trainers have saved; those take it as their own.
srun bash -c 'trap "" USR1; exec accelerate launch --config_file train/launch/two_nodes.yaml \
    --machine_rank "$SLURM_NODEID" --main_process_ip "$MAIN_PROCESS_IP" \
    train/train.py "$@" --resume_from_checkpoint latest' train "$@" &
step=$!
wait "$step"
code=$?
if [ -n "$again" ]; then
    wait "$step" # the first wait ended with the signal
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
