// Runs what onnx_cases wrote in ONNX Runtime, at its default settings, and compares:
//   node check_onnx_cases.js FOLDER
// Every output is within 1e-4 of the case's largest, and rows of a matrix have their largest entry
// at the same place. Prints the largest difference of every kind of case.
'use strict';
const fs = require('fs');
const path = require('path');
const ort = require('onnxruntime-node');
const {readNpy} = require('./npy.js');

const kTolerance = 1e-4;

// Columns that lie closer than the difference may change places.
function checkLargest(found, wanted, columns, difference) {
  for (let begin = 0; begin < wanted.length; begin += columns) {
    const row = found.slice(begin, begin + columns);
    const wantedRow = wanted.slice(begin, begin + columns);
    const best = row.indexOf(Math.max(...row));
    if (!(wantedRow[best] >= Math.max(...wantedRow) - 2 * difference)) {
      throw new Error(`row ${begin / columns}: column ${best} is the largest`);
    }
  }
}

async function runCase(folder) {
  const session = await ort.InferenceSession.create(path.join(folder, 'model.onnx'), {
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const input = readNpy(path.join(folder, 'input.npy'));
  const wanted = readNpy(path.join(folder, 'expected.npy'));
  const feeds = {[session.inputNames[0]]: new ort.Tensor('float32', input.data, input.shape)};
  const found = (await session.run(feeds))[session.outputNames[0]];
  await session.release();
  if (found.dims.join() !== wanted.shape.join()) {
    throw new Error(`shape ${found.dims}, wanted ${wanted.shape}`);
  }
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < wanted.data.length; ++i) {
    largest = Math.max(largest, Math.abs(wanted.data[i]));
    const one = Math.abs(found.data[i] - wanted.data[i]);
    if (!(one <= difference)) difference = one;
  }
  if (wanted.shape.length === 2) checkLargest(found.data, wanted.data, wanted.shape[1], difference);
  return difference / largest;
}

async function main() {
  const root = process.argv[2];
  const worst = new Map();
  let failures = 0;
  const names = fs.readdirSync(root).sort();
  for (const name of names) {
    let difference;
    try {
      difference = await runCase(path.join(root, name));
    } catch (error) {
      console.log(`FAILED ${name}: ${error.message}`);
      ++failures;
      continue;
    }
    if (!(difference <= kTolerance)) {
      console.log(`FAILED ${name}: relative difference ${difference}`);
      ++failures;
    }
    const kind = name.split('-')[0];
    worst.set(kind, Math.max(worst.get(kind) || 0, difference));
  }
  for (const [kind, difference] of worst) console.log(`${kind}: ${difference.toExponential(1)}`);
  console.log(`${names.length - failures} of ${names.length} cases agree`);
  process.exit(failures === 0 && names.length > 0 ? 0 : 1);
}

main();
