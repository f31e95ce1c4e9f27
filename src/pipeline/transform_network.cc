#include "pipeline/transform_network.h"

namespace adaround {

Graph TransformNetwork(Graph graph, const CalibrationSet&, const QuantizeOptions&,
                       QuantizeObserver*) {
  return graph;
}

}  // namespace adaround
