// Runs a model in ONNX Runtime on the samples of an array, batch after batch:
//   node run_onnxruntime.js MODEL.onnx INPUT.npy OUTPUT.npy [--batch N] [--threads N]
//       [--optimized FILE]   writes the first output's values for all samples
//   node run_onnxruntime.js MODEL.onnx INPUT.npy --all FOLDER [...]   writes every output, as
//       FOLDER/0.npy, FOLDER/1.npy, ... in the model's order
// --optimized writes the model as the runtime has rewritten it.
'use strict';
const fs = require('fs');
const path = require('path');
const ort = require('onnxruntime-node');
const {readNpy, writeNpy} = require('./npy.js');

function parse(args) {
  const options = {batch: 16, threads: 1, files: []};
  for (let i = 0; i < args.length; ++i) {
    if (args[i] === '--batch') options.batch = Number(args[++i]);
    else if (args[i] === '--threads') options.threads = Number(args[++i]);
    else if (args[i] === '--all') options.all = args[++i];
    else if (args[i] === '--optimized') options.optimized = args[++i];
    else options.files.push(args[i]);
  }
  const wanted = options.all ? 2 : 3;
  if (options.files.length !== wanted || !(options.batch >= 1)) {
    console.error('usage: node run_onnxruntime.js MODEL.onnx INPUT.npy OUTPUT.npy|--all FOLDER ' +
                  '[--batch N] [--threads N] [--optimized FILE]');
    process.exit(2);
  }
  return options;
}

async function main() {
  const options = parse(process.argv.slice(2));
  const settings = {intraOpNumThreads: options.threads, logSeverityLevel: 3};
  if (options.optimized) settings.optimizedModelFilePath = options.optimized;
  const session = await ort.InferenceSession.create(options.files[0], settings);
  const input = readNpy(options.files[1]);
  const samples = input.shape[0];
  const size = input.data.length / samples;
  const names = options.all ? session.outputNames : [session.outputNames[0]];
  const parts = names.map(() => []);
  const shapes = names.map(() => []);
  for (let begin = 0; begin < samples; begin += options.batch) {
    const count = Math.min(options.batch, samples - begin);
    const shape = [count, ...input.shape.slice(1)];
    const data = input.data.slice(begin * size, (begin + count) * size);
    const feeds = {[session.inputNames[0]]: new ort.Tensor('float32', data, shape)};
    const results = await session.run(feeds);
    names.forEach((name, i) => {
      parts[i].push(results[name].data);
      shapes[i] = [samples, ...results[name].dims.slice(1)];
    });
  }
  names.forEach((name, i) => {
    const data = new Float32Array(parts[i].reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts[i]) {
      data.set(part, at);
      at += part.length;
    }
    const file = options.all ? path.join(options.all, `${i}.npy`) : options.files[2];
    if (options.all) fs.mkdirSync(options.all, {recursive: true});
    writeNpy(file, shapes[i], data);
  });
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});
