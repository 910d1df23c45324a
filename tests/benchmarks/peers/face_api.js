// `@vladmandic/face-api` as a peer of benchmark_peers, on WebAssembly: node face_api.js FOLDER DETECTOR; see there.

const fs = require('fs');
const path = require('path');
const readline = require('readline');

const [folder, detector] = process.argv.slice(2);
const modules = path.resolve(folder, 'node_modules');
const tf = require(path.join(modules, '@tensorflow/tfjs'));
const wasm = require(path.join(modules, '@tensorflow/tfjs-backend-wasm'));
const home = path.join(modules, '@vladmandic/face-api');
const faceapi = require(path.join(home, 'dist/face-api.node-wasm.js'));

const photos = {};
function photo(file, width, height) {
  photos[file] ??= tf.tensor3d(new Uint8Array(fs.readFileSync(file)), [Number(height), Number(width), 3], 'int32');
  return photos[file];
}

async function main() {
  wasm.setWasmPaths(path.join(modules, '@tensorflow/tfjs-backend-wasm/dist/'));
  await tf.setBackend('wasm');
  await tf.ready();
  await faceapi.nets[detector].loadFromDisk(path.join(home, 'model'));
  await faceapi.nets.faceExpressionNet.loadFromDisk(path.join(home, 'model'));
  const options = detector === 'tinyFaceDetector'
    ? new faceapi.TinyFaceDetectorOptions() : new faceapi.SsdMobilenetv1Options();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const faces = await faceapi.detectAllFaces(photo(...line.split(' ')), options).withFaceExpressions();
    process.stdout.write(`${faces.length}\n`);
  }
}

main();
