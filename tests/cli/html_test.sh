# `--html`: pages of `quantize` and `analyze`, whole and refused where something is in their place.
source "$(dirname "$0")/lib.sh"

# A page that an XML reader takes, without anything that a browser would ask for.
expect_page() {
  expect_no_escapes "$1"
  expect_python '
import re, xml.etree.ElementTree
page = open(sys.argv[1], encoding="utf-8").read()
assert page.startswith("<!DOCTYPE html>\n")
root = xml.etree.ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
assert root.tag == "html" and root.find("head/title").text
for element in root.iter():
    assert element.tag not in ("script", "link", "img", "iframe", "object"), element.tag
    assert element.get("src") is None and (element.get("href") or "#")[0] == "#"
assert not re.search(r"https?:|url\(|@import", page)
' "$1"
}

expect_exit 0 quantize_fast --data "$TEST_IMAGES" --labels "$TEST_LABELS" --baseline nearest \
  -o out --html page.html --report report.json
expect_page page.html
# The page's table of layers has the numbers of report.json, whose traces add up.
expect_python '
import xml.etree.ElementTree
page = open(sys.argv[1], encoding="utf-8").read()
root = xml.etree.ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
report = json.load(open(sys.argv[2]))
table = root.find(".//section[@id=\"layers\"]//table")
header = ["".join(cell.itertext()) for cell in table.find("thead/tr")]
lines = {}
for line in table.findall("tbody/tr"):
    cells = ["".join(cell.itertext()) for cell in line]
    lines[cells[0]] = dict(zip(header, cells))
assert len(lines) == len(report["layers"]) == 32
for layer in report["layers"]:
    line = lines[layer["name"]]
    for name, key in (("nearest", "nearest_error"), ("adaround", "error")):
        assert abs(float(line[name]) - layer[key]) <= 5.1e-4 * layer[key], (line, layer)
    num_weights = layer["num_rows"] * layer["row_length"]
    assert abs(float(line["not nearest"].rstrip(" %")) -
               100 * layer["num_changed"] / num_weights) < 0.051, line
    trace = layer["trace"]
    assert trace[0]["stage"] == "nearest" and len(trace) >= 2
    for point in trace:
        assert point["loss"] >= 0
        assert sum(point.get("soft_roundings", [num_weights])) == num_weights
    assert trace[-1]["loss"] <= trace[0]["loss"], trace
assert sum(layer["quantized_bytes"] for layer in report["layers"]) == report["quantized_bytes"]
# The most sensitive layer comes first, and every layer is there.
chart = root.find(".//section[@id=\"sensitivity\"]")
order = sorted(report["sensitivity"], key=lambda row: row["sqnr_db"])
assert sorted(row["name"] for row in order) == sorted(lines), order
text = "".join(chart.itertext())
places = [text.find(row["name"]) for row in order]
assert -1 not in places and places[0] == min(places), places
assert "{:.2f} dB".format(order[0]["sqnr_db"]) in text
assert "On {} test samples".format(report["num_sensitivity_samples"]) in text
accuracy = [row["top1"] for row in report["networks"] if row["name"] == "adaround"][0]
assert f"{accuracy:.2f} %" in "".join(root.find(".//dl").itertext())
' page.html report.json

# With the relaxation h(V) is there, too, and looking changes no byte at any number of threads.
for threads in 1 2; do
  expect_exit 0 quantize_fast --method rectified-sigmoid --iterations 200 -j $threads \
    -o relaxed$threads --html relaxed$threads.html
  expect_page relaxed$threads.html
  grep -qF 'Soft roundings h(V)' relaxed$threads.html || fail "no soft roundings"
done
expect_same relaxed1/weights.safetensors relaxed2/weights.safetensors
expect_python '
traces = [[layer["trace"] for layer in json.load(open(path))["layers"]] for path in sys.argv[1:]]
assert traces[0] == traces[1]
' relaxed1/report.json relaxed2/report.json

# Never over something else, nor over what is read or written beside it.
before=$(digest_of page.html)
expect_refused 2 again quantize_fast -o again --html page.html
expect_stderr_contains "--html"
expect_refused 3 again quantize_fast -o again --html same.json --report same.json
expect_refused 3 again quantize_fast -o again --html "$MOBILENET/model.json" --force
expect_refused 5 again quantize_fast -o again --html nowhere/page.html
[[ $(digest_of page.html) == "$before" ]] || fail "page.html has changed"
expect_exit 0 quantize_fast -o out --html page.html --force
expect_page page.html

expect_exit 0 "$PROGRAM" analyze "$MOBILENET" --calib "$IMAGES" --calib-samples 16 \
  --method nearest --eval-samples 8 --include 'blocks.0|linear' --html sensitivity.html
expect_page sensitivity.html
expect_exit 2 "$PROGRAM" analyze "$MOBILENET" --calib "$IMAGES" --calib-samples 16 \
  --method nearest --eval-samples 8 --include linear --html sensitivity.html
