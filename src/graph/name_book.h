// Names that are free in a graph.
#pragma once

#include <map>
#include <set>
#include <string>

namespace adaround {

// A set of names, to which it adds new ones. Time does not depend on how many names clash.
class NameBook {
 public:
  void Add(const std::string& name) { names_.insert(name); }
  // `wanted`, or wanted + "_" + a number that makes it free; taken from now on.
  std::string Fresh(const std::string& wanted) {
    std::string name = wanted;
    int& next = next_number_[wanted];
    while (!names_.insert(name).second) name = wanted + "_" + std::to_string(++next);
    return name;
  }

 private:
  std::set<std::string> names_;
  std::map<std::string, int> next_number_;
};

}  // namespace adaround
