#include "cli/paper_tables.h"

#include <algorithm>

#include "adaround/base/error.h"

namespace adaround::cli {

// The rows say what the paper varies; bits, granularity, preset and the like are the user's, and
// the same for all rows of a table. Rows that show a method of the paper's use it without what this
// program adds to it (`adaround`: descent, enumeration).
const std::vector<PaperTable>& PaperTables() {
  static const std::string kLayerWise = " --symmetric-reconstruction --no-activation-in-loss";
  static const std::string kEqualized =
      "--method nearest --equalize --bias-correction empirical --range-estimator min-max";
  static const std::vector<PaperTable> tables = {
      {.name = "1",
       .title = "Table 1: rounding schemes",
       .rows = {{"nearest", "--method nearest"},
                {"ceil", "--method ceil"},
                {"floor", "--method floor"},
                {"stochastic", "--method stochastic"},
                {"adaround", "--method adaround"}},
       .first_layer = true,
       .all_layers = false,
       .num_draws = 100},
      {.name = "2",
       .title = "Table 2: from the task loss to the local loss to the relaxation",
       .rows = {{"nearest", "--method nearest"},
                {"task loss Hessian (13), cross-entropy method", "--method task-cross-entropy"},
                {"local MSE (20), cross-entropy method",
                 "--method qubo-cross-entropy --symmetric-reconstruction"},
                {"continuous relaxation (21)", "--method rectified-sigmoid" + kLayerWise}},
       .first_layer = true},
      {.name = "3",
       .title = "Table 3: how the relaxation reaches integers",
       .rows = {{"nearest", "--method nearest"},
                {"sigmoid, temperature annealing", "--method sigmoid-annealing" + kLayerWise},
                {"sigmoid + f_reg", "--method sigmoid" + kLayerWise},
                {"rectified sigmoid + f_reg", "--method rectified-sigmoid" + kLayerWise}}},
      {.name = "4",
       .title = "Table 4: inputs of the quantized network, activation in the loss",
       .rows = {{"nearest", "--method nearest"},
                {"layer-wise", "--method rectified-sigmoid" + kLayerWise},
                {"+ asymmetric", "--method rectified-sigmoid --no-activation-in-loss"},
                {"+ activation", "--method rectified-sigmoid"},
                {"adaround (with the discrete finish)", "--method adaround"}}},
      {.name = "5",
       .title = "Table 5: straight-through estimator",
       .rows = {{"nearest", "--method nearest"},
                {"straight-through estimator", "--method ste --ste-dampening 0 --ste-reach 2"},
                {"straight-through estimator, dampened", "--method ste --ste-dampening 1"},
                {"rectified sigmoid + f_reg", "--method rectified-sigmoid"},
                {"adaround (with the discrete finish)", "--method adaround"}}},
      {.name = "6",
       .title = "Table 6: grids",
       .rows = {{"min-max, nearest", "--method nearest --range-estimator min-max"},
                {"weight MSE, nearest", "--method nearest --range-estimator mse"},
                {"output MSE, nearest", "--method nearest --range-estimator output-mse"},
                {"min-max, adaround", "--method adaround --range-estimator min-max"},
                {"weight MSE, adaround", "--method adaround --range-estimator mse"},
                {"output MSE, adaround", "--method adaround --range-estimator output-mse"}}},
      {.name = "7",
       .title = "Table 7: the literature",
       .rows = {{"nearest", "--method nearest"},
                {"DFQ (equalization, bias correction)", kEqualized},
                {"OMSE (MSE grid per channel)",
                 "--method nearest --granularity channel --range-estimator mse"},
                {"OCS (outlier channel splitting)",
                 "--method nearest --split-outliers 0.05 --range-estimator min-max"},
                {"ACIQ + bias correction",
                 "--method nearest --granularity channel --range-estimator aciq "
                 "--bias-correction empirical"},
                {"adaround", "--method adaround"},
                {"adaround, 8-bit activations", "--method adaround --act-bits 8"},
                {"adaround after equalization", "--method adaround --equalize"},
                {"adaround after equalization, 8-bit activations",
                 "--method adaround --equalize --act-bits 8"}}},
      {.name = "8",
       .title = "Table 8: bias correction",
       .rows = {{"nearest", "--method nearest"},
                {"nearest + bias correction", "--method nearest --bias-correction empirical"},
                {"adaround", "--method adaround"}}},
      {.name = "9",
       .title = "Table 9: semantic segmentation",
       .rows = {{"nearest", "--method nearest"},
                {"DFQ (equalization, bias correction)", kEqualized},
                {"adaround", "--method adaround"},
                {"adaround, 8-bit activations", "--method adaround --act-bits 8"},
                {"adaround after equalization", "--method adaround --equalize"},
                {"adaround after equalization, 8-bit activations",
                 "--method adaround --equalize --act-bits 8"}}},
      {.name = "10",
       .title = "Table 10: solvers of the local problem (20)",
       .rows = {{"nearest", "--method nearest"},
                {"cross-entropy method", "--method qubo-cross-entropy"},
                {"tabu search", "--method qubo-tabu"},
                {"tabu search from nearest", "--method qubo-tabu-warm"}}},
      {.name = "fig1",
       .title = "Figure 1: local loss and accuracy of stochastic roundings",
       .rows = {{"nearest", "--method nearest"},
                {"stochastic", "--method stochastic"},
                {"adaround", "--method adaround"}},
       .first_layer = true,
       .all_layers = false,
       .num_draws = 100},
      {.name = "fig4",
       .title = "Figure 4: amount of calibration data",
       .rows = {{"nearest", "--method nearest"}, {"adaround", "--method adaround"}},
       .sweeps_samples = true},
  };
  return tables;
}

std::vector<std::string> PaperTableNames() {
  std::vector<std::string> names;
  for (const PaperTable& table : PaperTables()) names.push_back(table.name);
  return names;
}

const PaperTable& FindPaperTable(const std::string& name) {
  const auto& tables = PaperTables();
  const auto found = std::find_if(tables.begin(), tables.end(),
                                  [&](const PaperTable& table) { return table.name == name; });
  ADAROUND_CHECK(found != tables.end());
  return *found;
}

}  // namespace adaround::cli
