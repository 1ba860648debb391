# SPDX-License-Identifier: MIT
#
# Asio without Boost, and a C++ compiler for it. Gives Asio_COMPILER,
# Asio_INCLUDE_DIR and Asio_VERSION.
find_program(Asio_COMPILER NAMES $ENV{CXX} c++ g++ clang++
             DOC "A C++ compiler for the benchmarks' peers")
find_path(Asio_INCLUDE_DIR asio.hpp DOC "Directory of asio.hpp")
mark_as_advanced(Asio_COMPILER Asio_INCLUDE_DIR)
set(Asio_HINT "install libasio-dev and g++")

if(Asio_INCLUDE_DIR)
  file(STRINGS ${Asio_INCLUDE_DIR}/asio/version.hpp line
       REGEX "^#define ASIO_VERSION [0-9]+ // ")
  string(REGEX REPLACE ".*// ([0-9.]+).*" "\\1" Asio_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Asio
  REQUIRED_VARS Asio_COMPILER Asio_INCLUDE_DIR VERSION_VAR Asio_VERSION)
