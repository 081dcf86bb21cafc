# What `cmake --install` puts where. Components: client (a shared library, to run with), client_development (headers,
# library, CMake package, pkg-config file, the .proto files), server (trackerd and trackerctl).

install(TARGETS trackerd trackerctl RUNTIME COMPONENT server)
if(BUILD_SHARED_LIBS)
  # trackerctl finds the library next to it, wherever the two were put.
  file(RELATIVE_PATH from_bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(trackerctl PROPERTIES INSTALL_RPATH $ORIGIN/${from_bin_to_lib})
endif()

install(TARGETS tracker_client EXPORT TrackerTargets
  LIBRARY COMPONENT client NAMELINK_COMPONENT client_development
  ARCHIVE COMPONENT client_development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set_target_properties(tracker_client PROPERTIES EXPORT_NAME client)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/client/include/tracker DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT client_development FILES_MATCHING PATTERN *.h)

# Everything that tracker.proto needs to generate a client in another language.
set(proto_dir ${CMAKE_INSTALL_DATADIR}/tracker/proto)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/tracker ${PROJECT_SOURCE_DIR}/proto/google DESTINATION ${proto_dir}
  COMPONENT client_development FILES_MATCHING PATTERN *.proto)

# find_package(Tracker CONFIG) gives tracker::client.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tracker)
set(made ${PROJECT_BINARY_DIR}/package)
install(EXPORT TrackerTargets NAMESPACE tracker:: DESTINATION ${package_dir} COMPONENT client_development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/TrackerConfig.cmake.in ${made}/TrackerConfig.cmake
  INSTALL_DESTINATION ${package_dir} PATH_VARS proto_dir NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# While 0.x, a minor version may change what a program is compiled against.
write_basic_package_version_file(${made}/TrackerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${made}/TrackerConfig.cmake ${made}/TrackerConfigVersion.cmake DESTINATION ${package_dir}
  COMPONENT client_development)

# pkg-config's way to the same, from the libraries that the target asks its users for. Those of a static library are needed
# at every link, so they are Requires and not Requires.private: a program links with and without --static.
set(pc_requires)
set(pc_libs)
get_target_property(libraries tracker_client INTERFACE_LINK_LIBRARIES)
foreach(library ${libraries})
  string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" library ${library})
  if(library MATCHES "^absl::(.*)$")
    string(APPEND pc_requires " absl_${CMAKE_MATCH_1}")
  elseif(library STREQUAL "gRPC::grpc++")
    string(APPEND pc_requires " grpc++")
  elseif(library STREQUAL "protobuf::libprotobuf")
    string(APPEND pc_requires " protobuf")
  elseif(library STREQUAL "Threads::Threads")
    string(APPEND pc_libs " -pthread")
  elseif(library MATCHES "::")
    message(FATAL_ERROR "cmake/Install.cmake: what is ${library} to pkg-config?")
  else()
    string(APPEND pc_libs " -l${library}")
  endif()
endforeach()
# Relative to the file, so that a prefix can be moved.
file(RELATIVE_PATH pc_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
file(RELATIVE_PATH pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${CMAKE_CURRENT_LIST_DIR}/tracker_client.pc.in ${made}/tracker_client.pc @ONLY)
install(FILES ${made}/tracker_client.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT client_development)
