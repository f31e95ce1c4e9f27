# scripts/check_includes.py finds each kind of violation, and nothing in a tree that has none.
source "$(dirname "$0")/lib.sh"
CHECK=("$PYTHON" "$SOURCE/scripts/check_includes.py")

expect_exit 0 "${CHECK[@]}"
expect_stdout_empty
expect_exit 2 "${CHECK[@]}" no_such_folder

# put PATH LINE...
put() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "${@:2}" >"$1"
}
clean_tree() {
  rm -rf tree
  put tree/include/adaround/base/error.h '#pragma once' '#include <string>'
  put tree/include/adaround/graph/graph.h '#pragma once' '#include "adaround/base/error.h"'
  put tree/src/graph/graph.cc '#include "adaround/graph/graph.h"' '#include <Eigen/Dense>'
  put tree/src/io/input_file.h '#pragma once' '#include "adaround/graph/graph.h"'
  put tree/src/cli/main.cc '#include "adaround/graph/graph.h"' '#include <CLI/CLI.hpp>'
}
# violation MESSAGE PATH LINE...: the clean tree with this file besides.
violation() {
  local message=$1
  shift
  clean_tree
  put "$@"
  expect_exit 1 "${CHECK[@]}" tree
  expect_stdout_contains "$message"
}
clean_tree
expect_exit 0 "${CHECK[@]}" tree

violation 'src/base/a.cc:2: "adaround/graph/graph.h": base comes below graph' \
  tree/src/base/a.cc '' '#include "adaround/graph/graph.h"'
violation 'src/rounding/a.cc:1: "io/input_file.h": rounding and io never include each other' \
  tree/src/rounding/a.cc '#include "io/input_file.h"'
violation 'include/adaround/pipeline/a.h:2: a public header includes the private "io/input_file.h"' \
  tree/include/adaround/pipeline/a.h '#pragma once' '  #  include "io/input_file.h"  // why'
violation 'include/adaround/io/a.h:2: a public header includes <nlohmann/json.hpp>' \
  tree/include/adaround/io/a.h '#pragma once' '#include <nlohmann/json.hpp>'
violation 'include/adaround/io/a.h:2: a public header includes <zip.h>' \
  tree/include/adaround/io/a.h '#pragma once' '#include <zip.h>'
violation 'src/cli/a.cc:1: the command line uses public headers only' \
  tree/src/cli/a.cc '#include "io/input_file.h"'
violation 'include/adaround/base/error.h:1: has the name of src/pipeline/error.h' tree/src/pipeline/error.h '#pragma once'
violation 'src/io/a.h:1: header without #pragma once' tree/src/io/a.h '// #pragma once'
violation 'src/io/a.cc:1: "input_file.h" is not named from its root' \
  tree/src/io/a.cc '#include "input_file.h"'
violation 'src/io/a.cc:1: "io/../base/x.h" is not named from its root' \
  tree/src/io/a.cc '#include "io/../base/x.h"'
violation 'src/io/a.cc:1: "io/missing.h" does not exist' tree/src/io/a.cc '#include "io/missing.h"'
violation 'src/io/a.cc:1: <adaround/base/error.h> is a header of the project' \
  tree/src/io/a.cc '#include <adaround/base/error.h>'
violation 'src/new/a.cc:1: lies in none of the folders' tree/src/new/a.cc ''
violation 'include/other/a.h:1: a public header lies in' tree/include/other/a.h '#pragma once'
