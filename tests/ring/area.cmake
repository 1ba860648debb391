# SPDX-License-Identifier: MIT
#
# The system's own header as an oracle for ring/abi.h. Both define the same
# names, so no file can include both: from the header's text two tables are
# written, one compiled with each, and test_abi.c compares them. Whatever the
# header's age, what is in both must be the same.
set(oracle ${CMAKE_CURRENT_BINARY_DIR}/abi)
find_file(GYRE_LINUX_IO_URING_H linux/io_uring.h)
mark_as_advanced(GYRE_LINUX_IO_URING_H)
set(abi "")
foreach(file abi.h abi_register.h)
  file(READ ${PROJECT_SOURCE_DIR}/src/ring/${file} text)
  string(APPEND abi "${text}")
endforeach()
set(linux "")
if(GYRE_LINUX_IO_URING_H)
  file(READ ${GYRE_LINUX_IO_URING_H} linux)
endif()

# Every constant and every struct that both files name, once.
function(gyre_oracle_names regex result)
  string(REGEX MATCHALL "${regex}" ours "${abi}")
  string(REGEX MATCHALL "${regex}" theirs "${linux}")
  list(REMOVE_DUPLICATES ours)
  set(both "")
  foreach(name IN LISTS ours)
    # The _LAST of each enum is another with each release.
    if(name IN_LIST theirs AND NOT name MATCHES "_LAST$")
      list(APPEND both ${name})
    endif()
  endforeach()
  set(${result} ${both} PARENT_SCOPE)
endfunction()
set(word "(IORING|IOSQE|IO_URING|IOU|SOCKET_URING|SPLICE_F|IO_WQ)_[A-Z0-9_]*")
gyre_oracle_names("${word}[A-Z0-9]" constants)
gyre_oracle_names("struct io_[a-z_]*[a-z0-9_]* {" structs)

set(rows "")
foreach(name IN LISTS constants)
  string(APPEND rows "    { \"${name}\", (unsigned long long)${name} },\n")
endforeach()
foreach(name IN LISTS structs)
  string(REPLACE " {" "" name "${name}")
  string(APPEND rows "    { \"${name}\", sizeof(${name}) },\n")
endforeach()
foreach(side ours theirs)
  set(header "<linux/io_uring.h>")
  if(side STREQUAL "ours")
    set(header "\"ring/abi_register.h\"")
  elseif(NOT linux)
    set(header "<stddef.h>")
  endif()
  file(CONFIGURE OUTPUT ${oracle}/${side}.c CONTENT
"/* Generated. */
#include ${header}
#include \"ring/oracle.h\"
const struct oracle_row oracle_${side}[] = {
${rows}    { 0, 0 },
};
" @ONLY)
  target_sources(${program} PRIVATE ${oracle}/${side}.c)
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/src/ring/abi.h
  ${PROJECT_SOURCE_DIR}/src/ring/abi_register.h)
