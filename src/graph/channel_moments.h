// Means and standard deviations of layers' outputs, channel by channel.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace adaround {

// Over samples and positions, of W x + b before any activation.
struct ChannelMoments {
  std::vector<double> mean;
  std::vector<double> std;  // >= 0
};

// By the tensor that holds W x + b.
using ChannelMomentsMap = std::map<std::string, ChannelMoments>;

}  // namespace adaround
