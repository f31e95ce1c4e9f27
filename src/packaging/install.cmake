# What `cmake --install` and CPack put where: programs, libraries and what goes with them (component
# runtime); headers and package files for find_package(adaround) (component development).
include(CMakePackageConfigHelpers)

install(TARGETS adaround_cli RUNTIME COMPONENT runtime)
install(TARGETS adaround EXPORT adaround
        LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
        ARCHIVE COMPONENT development)
if(ADAROUND_PORTABLE)
  foreach(level ${ADAROUND_LEVELS})
    if(TARGET adaround_${level})
      install(TARGETS adaround_${level}
              LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/glibc-hwcaps/${level}
                      COMPONENT runtime NAMELINK_SKIP)
    endif()
  endforeach()
endif()

# --- for programs that use the library

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/adaround)
install(DIRECTORY include/adaround DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT adaround NAMESPACE adaround:: FILE adaroundTargets.cmake
        DESTINATION ${package_folder} COMPONENT development)
# The instructions that a native library may use: what makes one kind of processor another.
set(ADAROUND_PROCESSOR "")
if(ADAROUND_NATIVE)
  include(src/packaging/processor_features.cmake)
  adaround_processor_features(ADAROUND_PROCESSOR)
  install(FILES src/packaging/processor_features.cmake
          DESTINATION ${package_folder} COMPONENT development)
endif()
configure_package_config_file(src/packaging/adaroundConfig.cmake.in adaroundConfig.cmake
                              INSTALL_DESTINATION ${package_folder}
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Below 1.0 the next minor version may change what a program calls.
write_basic_package_version_file(adaroundConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/adaroundConfig.cmake
              ${PROJECT_BINARY_DIR}/adaroundConfigVersion.cmake
        DESTINATION ${package_folder} COMPONENT development)

# --- for those who run the program

install(FILES ${ADAROUND_DOCS}/adaround.1
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
install(FILES ${ADAROUND_DOCS}/adaround.bash RENAME adaround
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT runtime)
install(FILES ${ADAROUND_DOCS}/adaround.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT runtime)
# Debian's zsh looks for those of packages elsewhere than for those of the administrator.
set(zsh_folder site-functions)
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(zsh_folder vendor-completions)
endif()
install(FILES ${ADAROUND_DOCS}/_adaround
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/${zsh_folder} COMPONENT runtime)
# In the folders that the README's links name.
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(DIRECTORY src/docs DESTINATION ${CMAKE_INSTALL_DOCDIR}/src COMPONENT runtime)

# --- packages of Debian, of a portable build: `cpack` in the build folder of preset package

if(ADAROUND_PORTABLE)
  install(FILES src/packaging/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
  install(FILES src/packaging/copyright
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libadaround-dev COMPONENT development)
  set(CPACK_GENERATOR DEB)
  set(CPACK_STRIP_FILES ON)
  set(CPACK_PACKAGE_NAME adaround)
  set(CPACK_PACKAGE_VENDOR "adaround")
  set(CPACK_PACKAGE_CONTACT "The adaround authors <adaround@localhost>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "rounds neural networks' weights to few bits")
  set(CPACK_DEB_COMPONENT_INSTALL ON)
  set(CPACK_COMPONENTS_ALL runtime development)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME adaround)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
  # Programs of others may be linked with the library.
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_GENERATE_SHLIBS ON)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
  set(CPACK_DEBIAN_RUNTIME_DESCRIPTION
      "Turns a trained network's weights into integers of 2 to 8 bits and keeps its
accuracy: chooses for each weight whether to round up or down such that the
layer's output changes least (AdaRound, arXiv:2004.10568). Needs the network,
as an ONNX file, and a few hundred unlabelled samples; runs on any x86-64
processor and uses the instructions that it has.")
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libadaround-dev)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "adaround (= ${PROJECT_VERSION})")
  set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
      "Headers and CMake package files of the library that the program adaround is
made of, which rounds the weights of neural networks to few bits.")
  include(CPack)
endif()
