# SPDX-License-Identifier: MIT
#
# Boost.Context and Boost.Fiber, and a C++ compiler for them. Gives
# BoostFiber_COMPILER, BoostFiber_INCLUDE_DIR, BoostFiber_LIBRARY,
# BoostFiber_CONTEXT_LIBRARY and BoostFiber_VERSION. (CMake's own FindBoost wants C++ as a language of the
# whole project.)
find_program(BoostFiber_COMPILER NAMES $ENV{CXX} c++ g++ clang++
             DOC "A C++ compiler for the benchmarks' peers")
find_path(BoostFiber_INCLUDE_DIR boost/fiber/fiber.hpp
          DOC "Directory of boost/")
find_library(BoostFiber_LIBRARY boost_fiber DOC "The library boost_fiber")
find_library(BoostFiber_CONTEXT_LIBRARY boost_context
             DOC "The library boost_context")
mark_as_advanced(BoostFiber_COMPILER BoostFiber_INCLUDE_DIR BoostFiber_LIBRARY
  BoostFiber_CONTEXT_LIBRARY)
set(BoostFiber_HINT "install libboost-fiber-dev and g++")

if(BoostFiber_INCLUDE_DIR)
  file(STRINGS ${BoostFiber_INCLUDE_DIR}/boost/version.hpp lines
       REGEX "#define BOOST_LIB_VERSION ")
  string(REGEX REPLACE ".*\"(.*)\".*" "\\1" BoostFiber_VERSION "${lines}")
  string(REPLACE "_" "." BoostFiber_VERSION "${BoostFiber_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(BoostFiber
  REQUIRED_VARS BoostFiber_COMPILER BoostFiber_LIBRARY
    BoostFiber_CONTEXT_LIBRARY BoostFiber_INCLUDE_DIR
  VERSION_VAR BoostFiber_VERSION)
