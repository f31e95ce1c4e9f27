// Charts of a page, as HTML and SVG that stretch with it: widths are parts of what there is, text
// keeps its size. Each says in words what it shows; marks differ in shape, not in colour alone.
// Names are escaped here. Values that are no numbers have no mark.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/chart_axis.h"

namespace adaround {

// Two values of a kind for each of many things.
struct PairChart {
  enum class Marks {
    kDots,  // a ring and a square, joined
    kBars,  // from the axis's begin: an outline, and a full bar in it
  };
  struct Row {
    std::string name;
    std::optional<double> first;   // ring or outline
    std::optional<double> second;  // square or full bar
    std::string value;             // both in words, at the end of the line
  };
  std::string title;  // what is measured, and of what
  std::string unit;   // "" where there is none
  std::string first_label;  // "" where no row has the first value
  std::string second_label;
  Marks marks = Marks::kDots;
  ChartAxis::Scale scale = ChartAxis::Scale::kLinear;
  std::vector<Row> rows;

  // A line for each row, with its name; beyond kMaxNamedRows one picture, rows from left to right,
  // of dots.
  std::string ToHtml() const;
  static constexpr size_t kMaxNamedRows = 80;

 private:
  ChartAxis Axis(double begin, double end) const;
  std::string Legend() const;
  std::string NamedRows() const;
  std::string Cloud() const;
};

// Values at common places along a logarithmic axis upwards.
struct CurveChart {
  struct Curve {
    std::vector<std::optional<double>> values;  // as long as `places`
    bool strong = false;                        // thick and before the others
  };
  std::string title;
  std::string description;  // of what the curves are
  std::vector<std::string> places;
  std::vector<Curve> curves;

  std::string ToHtml() const;
};

// How often h(V) lies in each of equal parts of 0 ... 1. Heights are the square roots of parts of
// the sum, with lines at 1, 10 and 50 %.
std::string HistogramToHtml(const std::string& title, const std::vector<int64_t>& counts);

}  // namespace adaround
