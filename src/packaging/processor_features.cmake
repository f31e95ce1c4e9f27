# Sets `variable` to what this machine's processor has of the instructions that -march=native may
# choose, as a sorted list; to nothing where the system does not say.
function(adaround_processor_features variable)
  set(features "")
  if(EXISTS /proc/cpuinfo)
    file(STRINGS /proc/cpuinfo lines REGEX "^flags" LIMIT_COUNT 1)
    string(REGEX MATCHALL "[a-z0-9_]+" features "${lines}")
    list(FILTER features INCLUDE REGEX
         "^(ssse|sse|avx|amx|fma|f16c|bmi|abm|adx|popcnt|movbe|gfni|vaes|vpclmulqdq|sha_ni)")
    list(SORT features)
  endif()
  set(${variable} "${features}" PARENT_SCOPE)
endfunction()
