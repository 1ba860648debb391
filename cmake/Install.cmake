# SPDX-License-Identifier: MIT
#
# What `cmake --install` (with DESTDIR) puts where. Parts that are not built
# are not installed.
if(GYRE_HAVE_LIBUNWIND)
  set(GYRE_LIBS_PRIVATE "-Wl,--push-state,--no-as-needed -lgcc_s -lunwind -Wl,--pop-state ")
endif()
configure_file(packaging/gyre.pc.in gyre.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gyre.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
if(TARGET gyre_static)
  install(TARGETS gyre_static gyre_shared
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET gyre_uring_shared)
  configure_file(packaging/gyre-uring.pc.in gyre-uring.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/gyre-uring.pc
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(TARGETS gyre_uring_static gyre_uring_shared
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
# gdb loads it by itself if it looks into this prefix's share/gdb, as it does
# into its own.
install(FILES packaging/gdb/gyre.py
        DESTINATION ${CMAKE_INSTALL_DATADIR}/gyre)
install(FILES packaging/gdb/gyre.py
        DESTINATION ${CMAKE_INSTALL_DATADIR}/gdb/auto-load${CMAKE_INSTALL_FULL_LIBDIR}
        RENAME libgyre.so.${PROJECT_VERSION}-gdb.py)
if(TARGET gyre)
  install(TARGETS gyre RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
foreach(section 1 3 7)
  file(GLOB pages CONFIGURE_DEPENDS
       ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
  if(pages)
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endif()
endforeach()
