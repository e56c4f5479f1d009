#!/usr/bin/env bash
# Runs the CIFAR-10 study of README.md. Needs DATA, a folder with cifar10/test-*.tar and imagenet-sample/, and MODELS, one with the four models.
set -euo pipefail
: "${DATA:?}" "${MODELS:?}" "${OUT:=out/cifar10}" "${AUGRAFT:=target/release/augraft}"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

sites='{stage1: "/layer1/layer1.2/Relu_1_output_0", stage2: "/layer2/layer2.2/Relu_1_output_0", stage3: "/layer3/layer3.2/Relu_1_output_0", penultimate: "/ReduceMean_output_0"}'
depth='["input", "stage1", "stage2", "stage3"]'
sets='[{name: uniform noise, noise: {kind: uniform, count: 2000, size: 32}},
       {name: gaussian noise, noise: {kind: gaussian, count: 2000, size: 32}},
       {name: imagenet resized, data: {folder: '"$DATA"'/imagenet-sample}, steps: [{resize: {size: 32}}, {normalize: cifar10}]},
       {name: imagenet cropped, data: {folder: '"$DATA"'/imagenet-sample}, steps: [{center_crop: {size: 32}}, {normalize: cifar10}]}]'

experiment() {
    local name="$1" model="$2"
    shift 2
    # A study that was broken off goes on where it was.
    [[ -e "$OUT/$name/$model/manifest.json" ]] && return
    "$AUGRAFT" experiment "pipelines/experiments/$name.yaml" --engine onnxruntime --resume \
        --set "data={shards: \"$DATA/cifar10/test-*.tar\", batch: 250}" \
        --set 'steps=[{center_crop: {size: 32}}, {normalize: cifar10}]' \
        --set "model.file=$MODELS/resnet20-cifar10-$model.onnx" \
        --set "model.sites=$sites" \
        --out "$OUT/$name/$model" "$@"
}

for model in baseline cutout mixup cutmix; do
    experiment calibration "$model" --set experiment.over.pairs=10000
    experiment ood "$model" --set "experiment.sets=$sets"
    experiment occlusion "$model" \
        --set 'experiment.interventions[0].sweep.side.steps=17' --set 'experiment.interventions[1].sweep.side.steps=17'
    experiment in_between "$model" --set experiment.over.pairs=10000
done
for model in baseline cutout mixup cutmix; do
    experiment in_between_by_depth "$model" --set experiment.over.pairs=10000 \
        --set "experiment.interventions[0].at=$depth" --set "experiment.interventions[1].at=$depth" \
        --set 'experiment.interventions[0].sweep.lam.steps=6' --set 'experiment.interventions[1].sweep.area.steps=6'
done
for name in calibration ood occlusion in_between in_between_by_depth; do
    "$AUGRAFT" compare "$OUT/$name"/{baseline,cutout,mixup,cutmix} --out "$OUT/$name/compared"
done
