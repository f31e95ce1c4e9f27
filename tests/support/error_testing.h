// What an expression throws.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "adaround/base/error.h"

namespace adaround::testing {

// `body` throws Error(code) whose message holds every fragment.
template <typename Body>
void ExpectErrorWith(ErrorCode code, const std::vector<std::string>& fragments, Body body) {
  try {
    body();
    ADD_FAILURE() << "no error where one was expected";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& fragment : fragments) {
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos)
          << "'" << fragment << "' is not in: " << error.what();
    }
  }
}

}  // namespace adaround::testing
