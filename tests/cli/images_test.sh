# Folders of pictures instead of arrays: the same pixels give the same results, however they come,
# and what does not fit is refused with the remedy.
source "$(dirname "$0")/lib.sh"
needs_numpy
"$PYTHON" -c 'import PIL' 2>/dev/null || skip "$PYTHON has no PIL"

# The shipped samples as pictures: in one folder, with labels by name in another order; by class.
cat >write_pictures.py <<'EOF'
import pathlib, sys
import numpy as np
from PIL import Image

images, labels, count = np.load(sys.argv[1] + "/input.npy"), np.load(sys.argv[2]), int(sys.argv[3])
for folder in ["flat", "calib", *(f"classes/{c}" for c in range(10))]:
    pathlib.Path(folder).mkdir(parents=True)
lines = ["file,label"]
for i in reversed(range(count)):
    image = Image.fromarray(images[i, 0])
    image.save(f"flat/{i:04}.png")
    image.save(f"classes/{labels[i]}/{i}.png")
    lines.append(f"{i:04}.png,{labels[i]}")
    # A frame around it, for the crop to take away, and colours without a hue.
    framed = Image.new("RGB", (32, 32))
    framed.paste(image.convert("RGB"), (2, 2))
    framed.save(f"calib/{i:04}.png")
pathlib.Path("labels.csv").write_text("\n".join(lines) + "\n")
np.save("input.npy", images[:count])
np.save("labels.npy", labels[:count])
EOF
"$PYTHON" write_pictures.py "$TEST_IMAGES" "$TEST_LABELS" 200 || fail "pictures not written"

# --- evaluate

evaluate() { "$PROGRAM" evaluate "$@" --json; }
expect_exit 0 evaluate "$MOBILENET" --data input.npy --labels labels.npy
cp "$LAST_STDOUT" wanted.json
expect_exit 0 evaluate "$MOBILENET" --data flat --labels labels.csv
expect_same wanted.json "$LAST_STDOUT"
expect_exit 0 evaluate "$MOBILENET" --data classes
expect_same wanted.json "$LAST_STDOUT"
expect_exit 0 evaluate "$MOBILENET" --data calib --crop 28 --labels labels.csv -j 1
expect_python '
wanted, found = (json.load(open(path)) for path in sys.argv[1:])
assert found == wanted and found["top1"] > 80, (found, wanted)
' wanted.json "$LAST_STDOUT"

# --- a model that does not say how pixels become values

mkdir plain
cp "$MOBILENET/weights.safetensors" plain
"$PYTHON" - "$MOBILENET/model.json" <<'EOF'
import json, sys
model = json.load(open(sys.argv[1]))
del model["inputs"][0]["preprocess"]
json.dump(model, open("plain/model.json", "w"))
EOF
expect_refused 3 out evaluate plain --data flat --labels labels.csv
expect_stderr_matches "'input'.*--scale 0.00392157 --mean 0.485,0.456,0.406 --std 0.229"
expect_refused 2 out evaluate plain --data flat --labels labels.csv --resize 28
expect_stderr_matches 'give --scale, --mean and --std too'
expect_refused 2 out evaluate plain --data flat --labels labels.csv --mean 0.286 --std 0.353
expect_stderr_matches 'give --scale 0.00392157, or --scale 1'
expect_exit 0 evaluate plain --data flat --labels labels.csv \
  --scale 0.00392156862745098 --mean 0.286 --std 0.353
expect_same wanted.json "$LAST_STDOUT"
# Flags go over what the model says: pixels without scale are far outside.
expect_exit 0 evaluate "$MOBILENET" --data flat --labels labels.csv --scale 1
expect_different wanted.json "$LAST_STDOUT"

for flags in "--mean 1,2,3" "--std 0" "--mean 1,x" "--scale 0" "--scale nan" "--crop 0" \
  "--channel-order GBR" "--interpolation lanczos"; do
  expect_refused 2 out evaluate "$MOBILENET" --data flat --labels labels.csv $flags
done

# --- what does not fit

# Folders that are no classes of the network: what needs an accuracy is refused before the search.
mkdir few
cp -r classes/1 few/shirts
cp -r classes/2 few/shoes
for more in "" --dry-run "--shard 1/2"; do
  read -ra flags <<<"$more"
  expect_refused 2 out quantize_fast -o out --data few --max-drop 1 "${flags[@]}"
  expect_stderr_contains "--max-drop cannot be computed"
  expect_refused 2 out quantize_fast -o out --data few --expect-float 70 "${flags[@]}"
  expect_stderr_contains "--expect-float needs labels"
done
expect_refused 3 out evaluate "$MOBILENET" --data calib --labels labels.csv
expect_stderr_matches 'calib/0000.png: has 32x32 pixels .*28x28; give --resize N .*--crop N'
expect_refused 3 out evaluate "$MOBILENET" --data calib --labels labels.csv --crop 24
expect_stderr_matches 'give --crop 28'
expect_refused 3 out evaluate "$MOBILENET" --data flat/0000.png --labels labels.csv
expect_stderr_matches 'one picture; give the folder'
sed -i '$d' labels.csv
expect_refused 3 out evaluate "$MOBILENET" --data flat --labels labels.csv
expect_stderr_matches "labels.csv: has no line for '0000.png'"
echo "nowhere.png,3" >>labels.csv
expect_refused 3 out evaluate "$MOBILENET" --data flat --labels labels.csv
expect_stderr_matches "does not hold: 'nowhere.png'"
truncate -s 150 classes/*/7.png
expect_refused 3 out evaluate "$MOBILENET" --data classes
expect_stderr_matches 'classes/[0-9]/7.png: damaged PNG data'
: >classes/0/empty.png
expect_refused 3 out evaluate "$MOBILENET" --data classes
expect_stderr_matches 'classes/0/empty.png: the file is empty'
expect_refused 2 out evaluate "$MOBILENET" --data flat
expect_stderr_matches 'nothing to measure'

# --- quantize

expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib input.npy --preset fast -o from_array
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib flat --preset fast -o from_pictures
# But for the digest of the calibration data, which is not the same.
expect_python '
def tensors(path):
    data = open(path, "rb").read()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header.pop("__metadata__", None)
    return header, data[end:]
assert tensors(sys.argv[1]) == tensors(sys.argv[2])
' from_array/weights.safetensors from_pictures/weights.safetensors
